import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter, type SplitProblem } from "./line-splitter.ts";

const MAX_BYTES = 64;

function split(chunks: readonly (string | Uint8Array)[], maxBytes = MAX_BYTES) {
  const splitter = new LineSplitter(maxBytes);
  const lines: string[] = [];
  let problem: SplitProblem | null = null;
  for (const chunk of chunks) {
    const result = splitter.push(Buffer.from(chunk as string));
    lines.push(...result.lines);
    problem = result.problem;
    if (problem !== null) break;
  }
  return { lines, problem, isMidLine: splitter.isMidLine };
}

const EURO = Buffer.from("€"); // three bytes
const LONGEST = "x".repeat(MAX_BYTES);

test.for([
  { name: "one line", chunks: ["a\n"], lines: ["a"], isMidLine: false },
  {
    name: "several in one chunk",
    chunks: ["a\nb\r\n\nc\n"],
    lines: ["a", "b\r", "", "c"],
    isMidLine: false,
  },
  {
    name: "one in several chunks",
    chunks: ["a", "b", "", "c\n"],
    lines: ["abc"],
    isMidLine: false,
  },
  {
    name: "end and start in one chunk",
    chunks: ["a", "b\nc", "d\n"],
    lines: ["ab", "cd"],
    isMidLine: false,
  },
  { name: "no end", chunks: ["a\nb"], lines: ["a"], isMidLine: true },
  {
    name: "a cut character",
    chunks: [EURO.subarray(0, 1), EURO.subarray(1, 2), EURO.subarray(2), "\n"],
    lines: ["€"],
    isMidLine: false,
  },
  {
    name: "the longest line",
    chunks: [LONGEST, "\n", LONGEST + "\n"],
    lines: [LONGEST, LONGEST],
    isMidLine: false,
  },
])("$name", ({ chunks, lines, isMidLine }) => {
  expect(split(chunks)).toEqual({ lines, problem: null, isMidLine });
});

test.for([
  {
    name: "too long in one chunk",
    chunks: ["a\n" + LONGEST + "x\n"],
    lines: ["a"],
    problem: "line-too-long",
  },
  {
    name: "too long by a later chunk",
    chunks: [LONGEST, "x"],
    lines: [],
    problem: "line-too-long",
  },
  {
    name: "half a character, then an end",
    chunks: ["a\n", EURO.subarray(0, 2), "\nb\n"],
    lines: ["a"],
    problem: "not-utf8",
  },
  {
    name: "no UTF-8 at all",
    chunks: [Buffer.from([0xff, 0xfe, 0x0a])],
    lines: [],
    problem: "not-utf8",
  },
])("$name: the lines before it count, then $problem", ({ chunks, lines, problem }) => {
  expect(split(chunks)).toMatchObject({ lines, problem });
});

test("any text, cut anywhere, gives the same lines", { timeout: 30_000 }, () => {
  const text = fc.array(fc.string({ unit: "binary" }).map((line) => line.replaceAll("\n", "")));
  fc.assert(
    fc.property(text, fc.array(fc.nat({ max: 9 })), (lines, sizes) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
      const chunks: Buffer[] = [];
      let at = 0;
      for (const size of sizes) {
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      chunks.push(bytes.subarray(at));
      expect(split(chunks, 1024 * 1024)).toEqual({ lines, problem: null, isMidLine: false });
    }),
    { seed: 17, numRuns: 50 },
  );
});

test("a line of 8 MiB in pieces of 16 bytes takes linear time", { timeout: 30_000 }, () => {
  // Half a million pieces: copying the whole line for each would be 2 TB, far beyond the deadline.
  const splitter = new LineSplitter(8 * 1024 * 1024);
  const piece = Buffer.alloc(16, "x");
  for (let i = 0; i < (8 * 1024 * 1024) / 16; i += 1) {
    splitter.push(piece);
  }
  expect(splitter.push(Buffer.from("\n")).lines[0]).toHaveLength(8 * 1024 * 1024);
  expect(splitter.push(Buffer.from("next\n")).lines).toEqual(["next"]);
});
