import { encodeFromMonitor } from "@selfscale/protocol";
import { expect, test } from "vitest";
import { WaitingFrames } from "./waiting-frames.ts";

/** Levels are L1, L2 …, written as a monitor writes them; other words are any other frame. */
function frameOf(word: string): Buffer | null {
  if (word === "ping") return null;
  if (!word.startsWith("L")) return Buffer.from(word);
  const target = { cpu: Number(word.slice(1)), mem: 1 };
  return Buffer.from(encodeFromMonitor({ type: "ScaleRequest", target, id: 3 }));
}

function wordOf(frame: Buffer | null): string {
  if (frame === null) return "ping";
  const [, cpu] = /"cpu":(\d+)/.exec(frame.toString()) ?? [];
  return cpu === undefined ? frame.toString() : `L${cpu}`;
}

function told(came: string): string {
  const waiting = new WaitingFrames();
  const words: string[] = [];
  for (const word of came.split(" ")) {
    if (word === "take") words.push(wordOf(waiting.take()));
    else waiting.add(frameOf(word));
  }
  while (waiting.count > 0) words.push(wordOf(waiting.take()));
  return words.join(" ");
}

test.for([
  { name: "others stay in order", came: "a b ping c", want: "a b ping c" },
  { name: "of levels the newest", came: "L1 L2 L3", want: "L3" },
  { name: "a level stays behind what was there before it", came: "a L1 L2", want: "a L2" },
  { name: "no answer overtakes a level", came: "L1 consent L2", want: "L2 consent" },
  {
    name: "an answer before a first level stays before it",
    came: "consent L1",
    want: "consent L1",
  },
  { name: "a level after one that was told waits anew", came: "L1 a take L2", want: "L1 a L2" },
  { name: "taking another leaves the level", came: "a L1 take L2", want: "a L2" },
  {
    name: "garbage is none, even about levels",
    came: '{"error":"L"} L1',
    want: '{"error":"L"} L1',
  },
])("$name", ({ came, want }) => {
  expect(told(came)).toBe(want);
});

test.for([
  { name: "a space", text: '{"type": "ScaleRequest","target":{"cpu":1,"mem":1},"id":3}' },
  { name: "another type first", text: '{"type":"ScaleRequestX","id":3}' },
  { name: "the word elsewhere", text: '{"id":3,"error":"{\\"type\\":\\"ScaleRequest\\","}' },
  { name: "nothing after it", text: '{"type":"ScaleRequest",' },
  { name: "less than it", text: '{"type":"Scale' },
])("is not taken for a level, and loses nothing: $name", ({ text }) => {
  const waiting = new WaitingFrames();
  expect([text, text].map((one) => waiting.add(Buffer.from(one)))).toEqual([false, false]);
  expect(waiting.count).toBe(2);
});

test("says which took the place of another; cleared, nothing waits", () => {
  const waiting = new WaitingFrames();
  expect(["L1", "L2", "a"].map((word) => waiting.add(frameOf(word)))).toEqual([false, true, false]);
  waiting.clear();
  expect(waiting.count).toBe(0);
  expect(waiting.add(frameOf("L3"))).toBe(false);
});
