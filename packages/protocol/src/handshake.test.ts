import { describe, expect, test } from "vitest";
import {
  decodeHandshakeReply,
  decodeRange,
  describeMismatch,
  encodeHandshakeReply,
  encodeRange,
  highestShared,
  readUuid,
  sharedFeatures,
  type HandshakeReply,
} from "./handshake.ts";

const v = (min: number, max: number) => ({ min, max });

test.for([
  { name: "both current", ours: v(1, 2), theirs: v(1, 2), want: 2 },
  { name: "new agent, old monitor", ours: v(1, 2), theirs: v(1, 1), want: 1 },
  { name: "old agent, new monitor", ours: v(1, 1), theirs: v(1, 2), want: 1 },
  { name: "a wide range", ours: v(1, 2), theirs: v(0, 9), want: 2 },
  { name: "version zero only", ours: v(1, 2), theirs: v(0, 0), want: null },
  { name: "monitor dropped v1", ours: v(1, 1), theirs: v(2, 3), want: null },
])("$name: speaks $want", ({ ours, theirs, want }) => {
  expect(highestShared(ours, theirs)).toBe(want);
  expect(highestShared(theirs, ours)).toBe(want); // who asks first must not matter
});

test.for([
  { ours: ["a", "b"], theirs: ["b", "c"], want: ["b"] },
  { ours: ["a"], theirs: undefined, want: [] },
  { ours: undefined, theirs: ["a"], want: [] },
])("features $ours and $theirs: $want", ({ ours, theirs, want }) => {
  expect(sharedFeatures(ours, theirs)).toEqual(want);
});

test("a mismatch fits the close reason into which a deployed agent puts it", () => {
  const text = describeMismatch(v(1, 2), v(4294967294, 4294967295));
  const reason = `monitor returned error during protocol handshake: "${text}"`;
  expect(reason.length).toBeLessThan(123);
});

describe("the range", () => {
  test.for([
    { name: "without version 1", range: v(2, 3) },
    { name: "upside down", range: v(1, 0) },
    { name: "version zero only", range: v(0, 0) },
    { name: "above a byte", range: v(1, 256) },
    { name: "negative", range: v(-1, 1) },
    { name: "fractional", range: v(1, 1.5) },
    { name: "NaN", range: v(NaN, 1) },
    { name: "a feature in capitals", range: { ...v(1, 2), features: ["SizeReport"] } },
    { name: "too many features", range: { ...v(1, 2), features: Array<string>(33).fill("x") } },
  ])("is never offered $name", ({ range }) => {
    expect(() => encodeRange(range)).toThrow();
  });

  const ok = { ok: true, message: v(1, 2) };
  const bad = { ok: false, kind: "bad-fields", id: null };
  test.for([
    { text: '{"min":1.0,"max":2e0}', want: ok },
    { text: '{"min":1,"max":2,"features":["size-report","Nonsense",7,null]}', want: { ok: true } },
    { text: '{"min":1,"max":2,"features":"size-report"}', want: bad },
    { text: '{"min":-1,"max":2}', want: bad },
    { text: '{"min":1.5,"max":2}', want: bad },
    { text: '{"min":1,"max":4294967296}', want: bad },
    { text: '{"min":null,"max":2}', want: bad },
    { text: '{"__proto__":{"min":1,"max":2}}', want: bad },
    { text: '{"min":2,"max":1}', want: { ...bad, problem: "min is above max" } },
    { text: "[1,2]", want: { ok: false, kind: "not-an-object" } },
    { text: "GET / HTTP/1.1", want: { ok: false, kind: "not-json" } },
    { text: " ".repeat(32_769), want: { ok: false, kind: "too-large" } },
  ])("$text", ({ text, want }) => {
    expect(decodeRange(text)).toMatchObject(want);
  });

  test("keeps the features it can read, within a limit", () => {
    const features = ["size-report", "Nonsense", 7, ...Array<string>(50).fill("x")];
    const decoded = decodeRange(JSON.stringify({ ...v(1, 2), features }));
    expect(decoded).toEqual({
      ok: true,
      message: { ...v(1, 2), features: ["size-report", ...Array<string>(31).fill("x")] },
    });
  });
});

describe("the reply", () => {
  const bad: { name: string; reply: HandshakeReply }[] = [
    { name: "version 0", reply: { version: 0 } },
    { name: "a fractional version", reply: { version: 1.5 } },
    { name: "a long identity", reply: { version: 2, vm: "x".repeat(65) } },
    { name: "fractional memory", reply: { version: 2, mem: 0.5 } },
    { name: "no memory", reply: { version: 2, mem: 0 } },
    { name: "a long feature", reply: { version: 2, features: ["x".repeat(65)] } },
  ];
  test.for(bad)("is never $name", ({ reply }) => {
    expect(() => encodeHandshakeReply(reply)).toThrow();
  });

  test.for([
    { text: '{"version":2}', want: { ok: true, message: { version: 2 } } },
    { text: '{"version":2,"error":null}', want: { ok: true, message: { version: 2 } } },
    { text: '{"version":2,"error":"no"}', want: { ok: true, message: { error: "no" } } },
    { text: '{"error":"no"}', want: { ok: true, message: { error: "no" } } },
    { text: '{"error":7}', want: { ok: false, kind: "bad-fields" } },
    { text: "{}", want: { ok: false, kind: "bad-fields" } },
    { text: '{"version":"2"}', want: { ok: false, kind: "bad-fields" } },
    {
      text: '{"version":3}',
      want: { ok: false, problem: "version 3 was not offered, only 1 to 2" },
    },
    { text: '{"version":0}', want: { ok: false, kind: "bad-fields" } },
    { text: '{"version":1.5}', want: { ok: false, kind: "bad-fields" } },
    { text: '{"version":2,"vm":7}', want: { ok: false, kind: "bad-fields" } },
    { text: '{"version":2,"mem":-1}', want: { ok: false, kind: "bad-fields" } },
    { text: "2", want: { ok: false, kind: "not-an-object" } },
    { text: "", want: { ok: false, kind: "not-json" } },
  ])("$text", ({ text, want }) => {
    expect(decodeHandshakeReply(text, v(1, 2))).toMatchObject(want);
  });
});

test.for([
  { text: "4C4C4544-0042-3510-8052-B4C04F564433\n", want: "4c4c4544-0042-3510-8052-b4c04f564433" },
  { text: "00000000-0000-0000-0000-000000000000", want: null }, // QEMU without -uuid
  { text: "Not Settable", want: null },
  { text: "", want: null },
])("UUID $text is $want", ({ text, want }) => {
  expect(readUuid(text)).toBe(want);
});
