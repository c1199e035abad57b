import fs from "node:fs";
import path from "node:path";
import { readRecordings, type RecordedEvent } from "@selfscale/recording";
import { describe, expect, test } from "vitest";
import { showStories, storiesAsJson } from "./show.ts";
import { tellStories, type Choice } from "./transcript.ts";
import { understand } from "./understand.ts";

const EVERYTHING: Choice = { vm: null, link: null, isRaw: false };
const here = (name: string) => path.join(import.meta.dirname, name);
const scenario = (name: string) =>
  readRecordings(fs.readFileSync(here(`scenarios/${name}.jsonl`), "utf8"));

/** Written anew by `vitest run -u`; the reviewer reads the difference. */
describe("as it is told", () => {
  test.for([
    { name: "two-vms", story: "two-vms", choice: EVERYTHING },
    { name: "two-vms", story: "one-link", choice: { vm: "pg-1", link: 5, isRaw: false } },
    { name: "two-vms", story: "raw", choice: { vm: "pg-1", link: 4, isRaw: true } },
    { name: "two-vms", story: "nobody", choice: { vm: "pg-9", link: null, isRaw: false } },
    { name: "a-monitors", story: "a-monitors", choice: EVERYTHING },
  ])("$story", async ({ name, story, choice }) => {
    const told = showStories(tellStories(scenario(name), choice));
    await expect(told).toMatchFileSnapshot(here(`golden/${story}.txt`));
  });

  test("as JSON", async () => {
    const told = storiesAsJson(tellStories(scenario("a-monitors"), EVERYTHING));
    for (const line of told.trimEnd().split("\n")) JSON.parse(line);
    await expect(told).toMatchFileSnapshot(here("golden/a-monitors.jsonl"));
  });
});

test("an answer is told from another message with its number", () => {
  const at = { vm: null, link: 1, isBinary: false, clippedFromBytes: null } as const;
  const frame = (atMs: number, way: "in" | "out", message: object): RecordedEvent => {
    return { ...at, atMs, kind: "frame", way, text: JSON.stringify(message) };
  };
  const events = [
    frame(0, "out", { content: {}, type: "HealthCheck", id: 2 }),
    frame(1, "in", { type: "UpscaleConfirmation", id: 2 }), // of the wrong kind
    frame(2, "in", { type: "HealthCheck", id: 4 }), // of the wrong number
    frame(3, "in", { type: "HealthCheck", id: 2 }),
    frame(4, "in", { type: "HealthCheck", id: 2 }), // a second time
  ];
  const heard = [...understand("agent", events).values()];
  expect(heard.map(({ answerTo }) => answerTo?.afterMs ?? null)).toEqual([
    null,
    null,
    null,
    3,
    null,
  ]);
  expect(heard[0]?.answer).toBe(heard[3]);
});

test("where a second policy would want another size; what was measured is no part of the story", () => {
  const header = { app: "monitor", release: "0.1.0", startedAt: "now", pid: 1, part: 1 } as const;
  const level = (milliCpu: number, mib: number) => ({ milliCpu, memBytes: mib * 1024 ** 2 });
  const events: RecordedEvent[] = [
    {
      atMs: 1,
      kind: "shadow",
      preset: "demo",
      live: level(2_500, 1024),
      shadow: level(1_000, 640),
    },
    {
      ...{ atMs: 2, kind: "sample" },
      cpu: {
        ...{ busyMs: 1, runDelayMs: null, somePressureMs: null, runnable: null },
        ...{ onlineCount: 1, presentCount: 1 },
      },
      mem: {
        ...{ totalBytes: 1, availableBytes: 1, cachedBytes: 1, swapTotalBytes: 0 },
        ...{ swapFreeBytes: 0, anonBytes: 1, shmemBytes: 0, somePressureMs: null },
        ...{ counters: null, blocks: null },
      },
    },
    {
      atMs: 2_000,
      kind: "shadow",
      preset: "demo",
      live: level(1_000, 640),
      shadow: level(1_000, 640),
    },
  ];
  const recording = { header, events, skippedLines: 0, isTorn: false };
  expect(showStories(tellStories([recording], EVERYTHING))).toBe(
    "Recorded by the monitor, release 0.1.0, process 1, from now.\n" +
      "   +0.001  shadow demo: would want 1 vCPU, 640 MiB, where the live policy wants 2.5 vCPU, 1 GiB\n" +
      "   +2.000  shadow demo: both want 1 vCPU, 640 MiB again\n",
  );
  const ofLink = tellStories([recording], { ...EVERYTHING, link: 1 });
  expect(ofLink[0]?.lines).toEqual([]);
});
