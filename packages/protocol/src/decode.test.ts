import { describe, expect, test } from "vitest";
import { decodeFromAgent, decodeFromMonitor } from "./decode.ts";
import { MAX_FRAME_BYTES } from "./limits.ts";

const REFUSED_FROM_MONITOR = [
  { text: "", kind: "not-json", id: null },
  { text: "hello", kind: "not-json", id: null },
  { text: '{"type":"HealthCheck","id":NaN}', kind: "not-json", id: null },
  { text: "null", kind: "not-an-object", id: null },
  { text: "3", kind: "not-an-object", id: null },
  { text: '"HealthCheck"', kind: "not-an-object", id: null },
  { text: '[{"type":"HealthCheck","id":2}]', kind: "not-an-object", id: null },
  { text: "{}", kind: "no-id", id: null },
  { text: '{"type":"HealthCheck"}', kind: "no-id", id: null },
  { text: '{"type":"HealthCheck","id":null}', kind: "no-id", id: null },
  { text: '{"type":"HealthCheck","id":"2"}', kind: "no-id", id: null },
  { text: '{"type":"HealthCheck","id":-2}', kind: "no-id", id: null },
  { text: '{"type":"HealthCheck","id":2.5}', kind: "no-id", id: null },
  { text: '{"type":"HealthCheck","id":1e400}', kind: "no-id", id: null },
  { text: '{"type":"HealthCheck","id":9007199254740992}', kind: "no-id", id: null },
  { text: '{"type":"HealthCheck","__proto__":{"id":2}}', kind: "no-id", id: null },
  { text: '{"id":3}', kind: "unknown-type", id: 3 },
  { text: '{"type":7,"id":3}', kind: "unknown-type", id: 3 },
  { text: '{"type":"healthcheck","id":3}', kind: "unknown-type", id: 3 },
  { text: '{"TYPE":"HealthCheck","id":3}', kind: "unknown-type", id: 3 },
  { text: '{"type":"__proto__","id":3}', kind: "unknown-type", id: 3 },
  { text: '{"type":"constructor","id":3}', kind: "unknown-type", id: 3 },
  { text: '{"type":"SizeReport","id":3}', kind: "unknown-type", id: 3 }, // the other direction's
  { text: '{"type":"ScaleRequest","id":3}', kind: "bad-fields", id: 3 },
  { text: '{"type":"ScaleRequest","target":null,"id":3}', kind: "bad-fields", id: 3 },
  { text: '{"type":"ScaleRequest","target":[1,2],"id":3}', kind: "bad-fields", id: 3 },
  { text: '{"type":"ScaleRequest","target":{"cpu":1},"id":3}', kind: "bad-fields", id: 3 },
  {
    text: '{"type":"ScaleRequest","target":{"cpu":"1","mem":1},"id":3}',
    kind: "bad-fields",
    id: 3,
  },
  {
    text: '{"type":"ScaleRequest","target":{"cpu":1e400,"mem":1},"id":3}',
    kind: "bad-fields",
    id: 3,
  },
  {
    text: '{"type":"ScaleRequest","target":{"__proto__":{"cpu":1,"mem":1}},"id":3}',
    kind: "bad-fields",
    id: 3,
  },
  {
    text: '{"type":"ScaleRequest","target":{"cpu":1,"mem":1},"ageMs":-1,"id":3}',
    kind: "bad-fields",
    id: 3,
  },
  {
    text: '{"type":"ScaleRequest","target":{"cpu":1,"mem":1},"reason":null,"id":3}',
    kind: "bad-fields", // an absent field is absent, not null
    id: 3,
  },
  { text: '{"type":"DownscaleResult","Ok":1,"Status":"","id":4}', kind: "bad-fields", id: 4 },
  { text: '{"type":"DownscaleResult","Status":"","id":4}', kind: "bad-fields", id: 4 },
  { text: '{"type":"InternalError","id":4}', kind: "bad-fields", id: 4 },
];

const wish = { type: "ScaleRequest", id: 3 };

const ACCEPTED_FROM_MONITOR = [
  {
    name: "integer-valued numbers in any form",
    text: '{"type":"ScaleRequest","target":{"cpu":15e-1,"mem":1073741824.0},"id":3.0}',
    message: { ...wish, target: { cpu: 1.5, mem: 1073741824 } },
  },
  {
    name: "a target nobody can have, so that it can be answered `refused`",
    text: '{"type":"ScaleRequest","target":{"cpu":-1,"mem":1152921504606846976},"id":3}',
    message: { ...wish, target: { cpu: -1, mem: 2 ** 60 } },
  },
  {
    name: "next year's reason",
    text: '{"type":"ScaleRequest","target":{"cpu":1,"mem":2},"reason":"full-moon","id":3}',
    message: { ...wish, target: { cpu: 1, mem: 2 }, reason: "other" },
  },
  {
    name: "a reason that an object inherits",
    text: '{"type":"ScaleRequest","target":{"cpu":1,"mem":2},"reason":"__proto__","id":3}',
    message: { ...wish, target: { cpu: 1, mem: 2 }, reason: "other" },
  },
  {
    name: "unknown fields at every level, dropping them",
    text: '{"type":"ScaleRequest","target":{"cpu":1,"mem":2,"gpu":1},"__proto__":1,"id":3}',
    message: { ...wish, target: { cpu: 1, mem: 2 } },
  },
  {
    name: "any key order and space",
    text: ' {"id":3 ,\t"target":{"mem":2,"cpu":1},\r\n"type":"ScaleRequest"}\n',
    message: { ...wish, target: { cpu: 1, mem: 2 } },
  },
  {
    name: "`ok` and `status`, as deployed agents do",
    text: '{"type":"DownscaleResult","ok":false,"status":"no","id":4}',
    message: { type: "DownscaleResult", Ok: false, Status: "no", id: 4 },
  },
  {
    name: "`Ok` before `ok`",
    text: '{"type":"DownscaleResult","ok":true,"Ok":false,"Status":"no","status":"yes","id":4}',
    message: { type: "DownscaleResult", Ok: false, Status: "no", id: 4 },
  },
  {
    name: "of duplicate keys the last",
    text: '{"type":"HealthCheck","id":2,"id":4}',
    message: { type: "HealthCheck", id: 4 },
  },
  {
    name: "what Go escapes",
    text: '{"type":"InternalError","error":"\\u003ca\\u003e \\u0026","id":4}',
    message: { type: "InternalError", error: "<a> &", id: 4 },
  },
];

const size = '{"cpu":1,"mem":2}';
const answer = (outcome: string, more = "") => {
  const resources = `{"cpu":{"outcome":"accepted"},"mem":{"outcome":"${outcome}","reason":"moon"}}`;
  const content = `{"outcome":"${outcome}","resources":${resources},"permit":${size}${more}}`;
  return `{"content":${content},"type":"ScaleResponse","id":3}`;
};
const report = (more: string) => {
  const bounds = `{"min":${size},"max":${size}}`;
  const sizes = `"actual":${size},"requested":${size},"permit":${size},"step":${size}`;
  return `{"content":{${sizes},"bounds":${bounds}${more}},"type":"SizeReport","id":8}`;
};

const REFUSED_FROM_AGENT = [
  { text: '{"type":"HealthCheck","id":2}', kind: "bad-fields", id: 2 }, // required, even empty
  { text: '{"content":null,"type":"HealthCheck","id":2}', kind: "bad-fields", id: 2 },
  { text: '{"content":[],"type":"HealthCheck","id":2}', kind: "bad-fields", id: 2 },
  { text: `{"granted":${size},"type":"UpscaleNotification","id":2}`, kind: "bad-fields", id: 2 },
  {
    text: '{"content":{"granted":{"cpu":0,"mem":1}},"type":"UpscaleNotification","id":2}',
    kind: "bad-fields", // the deployed monitor ignores cpu, whatever it is
    id: 2,
  },
  {
    text: '{"content":{"granted":{"cpu":1,"mem":0}},"type":"UpscaleNotification","id":2}',
    kind: "bad-fields", // the deployed monitor takes 0
    id: 2,
  },
  {
    text: '{"content":{"target":{"cpu":1,"mem":1.5}},"type":"DownscaleRequest","id":2}',
    kind: "bad-fields",
    id: 2,
  },
  {
    text: '{"content":{"target":{"cpu":1025,"mem":1}},"type":"DownscaleRequest","id":2}',
    kind: "bad-fields",
    id: 2,
  },
  { text: '{"content":{},"type":"ScaleRequest","id":2}', kind: "unknown-type", id: 2 },
  { text: '{"content":{},"type":"ScaleResponse","id":2}', kind: "bad-fields", id: 2 },
  { text: report(',"throttledShare":1.5'), kind: "bad-fields", id: 8 },
  { text: report(',"cpuUsed":-1'), kind: "bad-fields", id: 8 },
  { text: report(',"reason":7'), kind: "bad-fields", id: 8 },
];

describe("from the monitor", () => {
  test.for(REFUSED_FROM_MONITOR)("refuses $text: $kind", ({ text, kind, id }) => {
    expect(decodeFromMonitor(text)).toMatchObject({ ok: false, kind, id });
  });

  test.for(ACCEPTED_FROM_MONITOR)("accepts $name", ({ text, message }) => {
    const decoded = decodeFromMonitor(text);
    expect(decoded).toStrictEqual({ ok: true, message });
  });
});

describe("from the agent", () => {
  test.for(REFUSED_FROM_AGENT)("refuses $text: $kind", ({ text, kind, id }) => {
    expect(decodeFromAgent(text)).toMatchObject({ ok: false, kind, id });
  });

  test("reads an unknown outcome as accepted, without its promise", () => {
    const permit = { cpu: 1, mem: 2 };
    expect(decodeFromAgent(answer("queued", ',"etaMs":5'))).toStrictEqual({
      ok: true,
      message: {
        type: "ScaleResponse",
        content: {
          outcome: "accepted",
          resources: {
            cpu: { outcome: "accepted" },
            mem: { outcome: "accepted", reason: "other" },
          },
          permit,
        },
        id: 3,
      },
    });
    expect(decodeFromAgent(answer("deferred", ',"etaMs":5'))).toMatchObject({
      message: { content: { outcome: "deferred", etaMs: 5 } },
    });
  });
});

describe("limits", () => {
  const frame = '{"type":"HealthCheck","id":2}';
  const error = (text: string) => `{"type":"InternalError","error":"${text}","id":2}`;
  const room = MAX_FRAME_BYTES - error("").length;

  test.for([
    { name: "the largest frame", text: frame.padEnd(MAX_FRAME_BYTES), want: true },
    { name: "one byte more", text: frame.padEnd(MAX_FRAME_BYTES + 1), want: false },
    { name: "the largest frame of é", text: error("é".repeat(room / 2)), want: true },
    { name: "one é more", text: error("é".repeat(room / 2 + 1)), want: false },
    { name: "a frame of 😀 too large", text: error("😀".repeat(room / 4 + 1)), want: false },
    { name: "64 MiB", text: frame.padEnd(64 * 1024 * 1024), want: false },
  ])("$name is read: $want", ({ text, want }) => {
    const decoded = decodeFromMonitor(text);
    expect(decoded.ok).toBe(want);
    if (!decoded.ok) expect(decoded.kind).toBe("too-large");
  });

  const deep = "[".repeat(16_000) + "]".repeat(16_000);
  const wide = `[${"1,".repeat(16_000)}1]`;
  test.for([
    { name: "deep, in an unknown field", text: `{"type":"HealthCheck","x":${deep},"id":2}` },
    { name: "wide, in an unknown field", text: `{"type":"HealthCheck","x":${wide},"id":2}` },
  ])("$name: read", ({ text }) => {
    expect(decodeFromMonitor(text)).toEqual({ ok: true, message: { type: "HealthCheck", id: 2 } });
  });
  test.for([
    { name: "deep, as the target", text: `{"type":"ScaleRequest","target":${deep},"id":2}` },
    { name: "wide, as the target", text: `{"type":"ScaleRequest","target":${wide},"id":2}` },
    { name: "deep, as the type", text: `{"type":${deep},"id":2}` },
    { name: "deep, as the id", text: `{"type":"HealthCheck","id":${deep}}` },
    { name: "deep, as the frame", text: deep },
    { name: "a huge type", text: `{"type":"${"x".repeat(32_000)}","id":2}` },
    { name: "a huge number", text: `{"type":"HealthCheck","id":${"9".repeat(32_000)}}` },
    { name: "a type of control characters", text: '{"type":"\\u0000\\n\\u001b[2J","id":2}' },
  ])("$name: a short problem", ({ text }) => {
    const decoded = decodeFromMonitor(text);
    expect(decoded).toMatchObject({ ok: false });
    if (!decoded.ok) expect(decoded.problem).toMatch(/^[ -~…]{1,80}$/);
  });
});
