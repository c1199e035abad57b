import { expect, test } from "vitest";
import { eventLine, headerLine } from "./format.ts";
import { readRecordings, UnreadableRecordingError } from "./read.ts";

const HEADER = {
  app: "monitor",
  release: "0.1.0",
  startedAt: "2026-01-02T03:04:05.678Z",
  pid: 7,
  part: 1,
} as const;
const head = headerLine(HEADER);
const opened = eventLine({ atMs: 1, vm: null, link: 1, kind: "opened", peer: "::1:9" });

test("the file's own bytes: a change of these is a change of the format", () => {
  expect(head).toBe(
    '{"kind":"selfscale-recording","version":1,"app":"monitor","release":"0.1.0",' +
      '"startedAt":"2026-01-02T03:04:05.678Z","pid":7,"part":1}\n',
  );
  expect(opened).toBe('{"atMs":1,"link":1,"kind":"opened","peer":"::1:9"}\n');
  const frame = {
    vm: "a",
    link: 2,
    kind: "frame",
    way: "in",
    text: "{}\n",
    isBinary: false,
  } as const;
  expect(eventLine({ atMs: 1.2499, ...frame, clippedFromBytes: null })).toBe(
    '{"atMs":1.2,"vm":"a","link":2,"kind":"frame","way":"in","text":"{}\\n"}\n',
  );
});

test("kinds and fields of a later release are passed over", () => {
  const later = head.replace('"pid"', '"host":"n1","pid"');
  const extra = opened.replace('"link"', '"span":"x","link"');
  const [recording] = readRecordings(
    `${later}${extra}{"atMs":2,"link":1,"kind":"ping"}\n{"kind":"note"}\n`,
  );
  expect(recording?.header).toEqual(HEADER);
  expect(recording?.events).toHaveLength(1);
  expect(recording).toMatchObject({ skippedLines: 2, isTorn: false });
});

test.for([
  { name: "cut inside a line", tail: opened.slice(0, 20) },
  { name: "cut just before its end", tail: opened.trimEnd() },
])("a torn last line is no error: $name", ({ tail }) => {
  const [recording] = readRecordings(`${head}${opened}${tail}`);
  expect(recording).toMatchObject({ skippedLines: 0, isTorn: true });
  expect(recording?.events).toHaveLength(1);
});

test("garbage within is counted, and what follows is read", () => {
  const [recording] = readRecordings(`${head}{"atMs":1,"li\n[]\n\n"x"\n${opened}`);
  expect(recording).toMatchObject({ skippedLines: 3, isTorn: false });
  expect(recording?.events).toHaveLength(1);
});

test("files one after another are told apart", () => {
  const second = headerLine({ ...HEADER, part: 2 });
  const parts = readRecordings(`${head}${opened}${second}${opened}${opened}`);
  expect(parts.map(({ header, events }) => [header.part, events.length])).toEqual([
    [1, 1],
    [2, 2],
  ]);
});

test.for([
  { text: "", problem: "not a recording: it is empty" },
  { text: "hello\n", problem: "not a recording: its first line is no header" },
  { text: head.slice(0, 30), problem: "not a recording: its first line is no header" },
  { text: `${opened}${head}`, problem: "not a recording: its first line is no header" },
  {
    text: head.replace('"version":1', '"version":2').replace("0.1.0", "9.0.0"),
    problem: "made by a newer release (release 9.0.0): format 2, and only up to 1 is known here",
  },
  {
    text: head.replace('"monitor"', '"driver"'),
    problem: "its header names neither an agent nor a monitor",
  },
])("$problem", ({ text, problem }) => {
  expect(() => readRecordings(text)).toThrow(new UnreadableRecordingError(problem));
});
