import { expect, test } from "vitest";
import { eventLine, headerLine } from "./format.ts";
import { type OwnEvent, type SampleEvent, type ShadowEvent } from "./measured.ts";
import { readRecordings } from "./read.ts";

const head = headerLine({
  ...{ app: "monitor", release: "0.1.0", startedAt: "2026-01-02T03:04:05.678Z" },
  ...{ pid: 7, part: 1 },
});

const SAMPLE: SampleEvent = {
  kind: "sample",
  cpu: {
    ...{ busyMs: 1_010, runDelayMs: 12.34, somePressureMs: null, runnable: 2 },
    ...{ onlineCount: 1, presentCount: 4 },
  },
  mem: {
    ...{ totalBytes: 4e8, availableBytes: 3e8, cachedBytes: 1e8, swapTotalBytes: 0 },
    ...{ swapFreeBytes: 0, anonBytes: 5e7, shmemBytes: 0, somePressureMs: 1.5 },
    counters: { refaultedAnonPages: 1, refaultedFilePages: 2, allocationStalls: 3, oomKills: 0 },
    blocks: { blockBytes: 134_217_728, onlineCount: 4, offlineCount: 0 },
  },
};
const SHADOW: ShadowEvent = {
  kind: "shadow",
  preset: "demo",
  live: { milliCpu: 2_000, memBytes: 1024 },
  shadow: { milliCpu: 1_000, memBytes: 512 },
};

const read = (text: string) => readRecordings(head + text)[0];

test.for<[string, OwnEvent]>([
  ["a sample", SAMPLE],
  [
    "a sample of a kernel that tells little",
    { ...SAMPLE, mem: { ...SAMPLE.mem, counters: null, blocks: null, somePressureMs: null } },
  ],
  ["levels of two policies", SHADOW],
])("%s is read as it was written", ([, event]) => {
  expect(read(eventLine({ atMs: 12.3, ...event }))).toMatchObject({
    events: [{ atMs: 12.3, ...event }],
    skippedLines: 0,
  });
});

test("the file's own bytes: a change of these is a change of the format", () => {
  expect(eventLine({ atMs: 1, ...SHADOW })).toBe(
    '{"atMs":1,"kind":"shadow","preset":"demo","live":{"milliCpu":2000,"memBytes":1024},' +
      '"shadow":{"milliCpu":1000,"memBytes":512}}\n',
  );
  const line = eventLine({ atMs: 1, ...SAMPLE, cpu: { ...SAMPLE.cpu, runDelayMs: 12.3449 } });
  expect(line).toContain('{"atMs":1,"kind":"sample","cpu":{"busyMs":1010,');
  expect(line).toContain('"runDelayMs":12.34,');
  // Of what docs/recording.md says of the room that it takes.
  expect(line.length).toBeLessThan(520);
});

test("what is more than this release knows is left out, what is less makes no event", () => {
  const more = eventLine({ atMs: 1, ...SAMPLE }).replace('"busyMs"', '"guestMs":1,"busyMs"');
  expect(read(more)?.events).toEqual([{ atMs: 1, ...SAMPLE }]);
  for (const bad of [
    eventLine({ atMs: 1, ...SAMPLE }).replace('"busyMs":1010', '"busyMs":"1010"'),
    eventLine({ atMs: 1, ...SAMPLE }).replace('"anonBytes":50000000,', ""),
    eventLine({ atMs: 1, ...SHADOW }).replace('"preset":"demo",', ""),
    eventLine({ atMs: 1, ...SHADOW }).replace('{"milliCpu":1000,"memBytes":512}', "null"),
    '{"atMs":1,"kind":"sample"}\n',
  ]) {
    expect(read(bad), bad).toMatchObject({ events: [], skippedLines: 1 });
  }
});
