import { describe, expect, test } from "vitest";
import { digestsOf, goldenProblems, readDigests } from "./golden-gate.ts";

const PING = "v1/from-agent/valid/ping.json";
const PONG = "v1/from-monitor/valid/pong.json";
const FILES = { [PING]: '{"type":"Ping"}', [PONG]: '{"type":"Pong"}' };

function digests(files: Readonly<Record<string, string>>) {
  const encoder = new TextEncoder();
  return digestsOf(
    new Map(Object.entries(files).map(([path, text]) => [path, encoder.encode(text)])),
  );
}

const without = (path: string) =>
  Object.fromEntries(Object.entries(FILES).filter(([name]) => name !== path));

describe("the golden frames of a release", () => {
  test.for<{ name: string; now: Record<string, string>; finds: readonly string[] }>([
    { name: "unchanged", now: FILES, finds: [] },
    {
      name: "one changed",
      now: { ...FILES, [PING]: '{"type":"Ping","id":2}' },
      finds: [`${PING}: was changed`],
    },
    {
      name: "one that got a newline",
      now: { ...FILES, [PING]: `${FILES[PING]}\n` },
      finds: [`${PING}: was changed`],
    },
    { name: "one removed", now: without(PONG), finds: [`${PONG}: is gone`] },
    {
      name: "one renamed",
      now: { ...without(PONG), "v1/from-monitor/valid/echo.json": FILES[PONG] },
      finds: [`${PONG}: is gone, renamed to v1/from-monitor/valid/echo.json`],
    },
    {
      name: "one moved from valid to lenient",
      now: { ...without(PING), "v1/from-agent/lenient/ping.json": FILES[PING] },
      finds: [`${PING}: is gone, renamed to v1/from-agent/lenient/ping.json`],
    },
    {
      name: "two swapped",
      now: { [PING]: FILES[PONG], [PONG]: FILES[PING] },
      finds: [`${PING}: was changed`, `${PONG}: was changed`],
    },
    { name: "all gone", now: {}, finds: [`${PING}: is gone`, `${PONG}: is gone`] },
    { name: "one added", now: { ...FILES, "v1/from-agent/valid/more.json": "{}" }, finds: [] },
    {
      name: "a version added",
      now: { ...FILES, "v3/from-agent/valid/ping.json": '{"type":"Ping"}' },
      finds: [],
    },
  ])("$name", ({ now, finds }) => {
    expect(goldenProblems(digests(FILES), digests(now))).toEqual(finds);
  });

  test("a release without frames holds nothing", () => {
    expect(goldenProblems(readDigests("\n"), digests(FILES))).toEqual([
      "this release lists no frame",
    ]);
  });
});

describe("the list of a release", () => {
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

  test("is read as sha256sum writes it", () => {
    expect(readDigests(`${empty}  ${PING}\n`)).toEqual(digests({ [PING]: "" }));
  });

  test.for(["hello", `${empty} ${PING}`, `${empty.slice(1)}  ${PING}`, `${empty}  `])(
    "%s is no line of it",
    (line) => {
      expect(() => readDigests(line)).toThrow("no digest and path");
    },
  );
});
