import { describe, expect, test } from "vitest";
import { ProtocolAssertionError } from "./assert.ts";
import { encodeFromAgent, encodeFromMonitor } from "./encode.ts";
import { MAX_FRAME_BYTES } from "./limits.ts";
import { SCALE_REQUEST_START, isSpoken, type FromAgent, type FromMonitor } from "./messages.ts";
import { goldenFrames } from "./testing/golden.ts";
import { utf8Bytes } from "./text.ts";

const size = { cpu: 1, mem: 1024 };
const wish = { type: "ScaleRequest", target: size, id: 3 } as const;
const report = {
  actual: size,
  requested: size,
  permit: size,
  bounds: { min: size, max: size },
  step: size,
};

function reportOf(more: object): FromAgent {
  return { type: "SizeReport", content: { ...report, ...more }, id: 2 };
}

function grant(cpu: number, mem: number): FromAgent {
  return { type: "UpscaleNotification", content: { granted: { cpu, mem } }, id: 2 };
}

const NEVER_FROM_MONITOR: { name: string; message: FromMonitor }[] = [
  { name: "a fractional id", message: { type: "UpscaleRequest", id: 3.5 } },
  { name: "a negative id", message: { type: "UpscaleRequest", id: -1 } },
  { name: "an id beyond 2^53", message: { type: "UpscaleRequest", id: 2 ** 53 } },
  { name: "NaN as id", message: { type: "UpscaleRequest", id: NaN } },
  { name: "a target of no CPU", message: { ...wish, target: { cpu: 0, mem: 1 } } },
  { name: "a target of no memory", message: { ...wish, target: { cpu: 1, mem: 0 } } },
  { name: "a fractional byte", message: { ...wish, target: { cpu: 1, mem: 1.5 } } },
  { name: "2^53 bytes", message: { ...wish, target: { cpu: 1, mem: 2 ** 53 } } },
  { name: "NaN vCPUs", message: { ...wish, target: { cpu: NaN, mem: 1 } } },
  { name: "1025 vCPUs", message: { ...wish, target: { cpu: 1025, mem: 1 } } },
  { name: "a negative floor", message: { ...wish, floor: { cpu: 0, mem: -1 } } },
  { name: "NaN in a floor", message: { ...wish, floor: { cpu: NaN, mem: 0 } } },
  { name: "a negative age", message: { ...wish, ageMs: -1 } },
  { name: "an infinite age", message: { ...wish, ageMs: Infinity } },
  { name: "a reader's word as reason", message: { ...wish, reason: "other" } },
  {
    name: "a `lowest` of nothing",
    message: {
      type: "DownscaleResult",
      Ok: false,
      Status: "",
      lowest: { cpu: 1, mem: 0 },
      id: 4,
    },
  },
];
const NEVER_FROM_AGENT: { name: string; message: FromAgent }[] = [
  { name: "a fractional id", message: { type: "HealthCheck", content: {}, id: 2.5 } },
  { name: "no CPU", message: grant(0, 1) },
  { name: "negative memory", message: grant(1, -1) },
  { name: "a fractional byte", message: grant(1, 0.5) },
  { name: "1e21 bytes, which would print as an exponent", message: grant(1, 1e21) },
  { name: "NaN", message: grant(NaN, 1) },
  { name: "Infinity", message: grant(Infinity, 1) },
  { name: "a share above 1", message: reportOf({ throttledShare: 1.01 }) },
  { name: "a negative share", message: reportOf({ throttledShare: -0.1 }) },
  { name: "NaN as cpuUsed", message: reportOf({ cpuUsed: NaN }) },
  { name: "a monitor's reason", message: reportOf({ reason: "cpu" }) },
  { name: "a reader's word as reason", message: reportOf({ reason: "other" }) },
  { name: "a step of 0", message: reportOf({ step: { cpu: 1, mem: 0 } }) },
  {
    name: "an unknown outcome",
    message: {
      type: "ScaleResponse",
      content: {
        outcome: "queued" as "accepted", // next year's word, past the types
        resources: { cpu: { outcome: "accepted" }, mem: { outcome: "accepted" } },
        permit: size,
      },
      id: 3,
    },
  },
];
describe("programmer's mistakes throw", () => {
  test.for(NEVER_FROM_MONITOR)("monitor: $name", ({ message }) => {
    expect(() => encodeFromMonitor(message)).toThrow(ProtocolAssertionError);
  });

  test.for(NEVER_FROM_AGENT)("agent: $name", ({ message }) => {
    expect(() => encodeFromAgent(message)).toThrow(ProtocolAssertionError);
  });

  test("a string where a number belongs", () => {
    expect(() => encodeFromAgent(grant("1" as unknown as number, 1))).toThrow("cpu is within");
  });
});

test("fields that are not in the protocol do not leave", () => {
  const message = { ...wish, secret: 1, target: { ...size, gpu: 1 } };
  expect(encodeFromMonitor(message)).toBe(
    '{"type":"ScaleRequest","target":{"cpu":1,"mem":1024},"id":3}',
  );
});

test("every ScaleRequest begins as one is recognised", () => {
  const all = [...goldenFrames("v2/from-monitor", "valid").values()];
  const frames = all.filter((text) => text.includes('"ScaleRequest"'));
  expect(frames).not.toEqual([]);
  for (const frame of frames) expect(frame.startsWith(SCALE_REQUEST_START)).toBe(true);
});

test("a frame has at most 32768 bytes, counted in UTF-8", () => {
  const error = (text: string): FromMonitor => ({ type: "InternalError", error: text, id: 1 });
  const room = MAX_FRAME_BYTES - utf8Bytes(encodeFromMonitor(error("")));
  expect(utf8Bytes(encodeFromMonitor(error("x".repeat(room))))).toBe(MAX_FRAME_BYTES);
  expect(() => encodeFromMonitor(error("x".repeat(room + 1)))).toThrow("32768 bytes");
  expect(() => encodeFromMonitor(error("é".repeat(room / 2 + 1)))).toThrow("32768 bytes");
});

test.for([
  { type: "UpscaleRequest", v1: true },
  { type: "DownscaleResult", v1: true },
  { type: "ScaleRequest", v1: false },
  { type: "ScaleResponse", v1: false },
  { type: "SizeReport", v1: false },
] as const)("$type belongs to version 1: $v1", ({ type, v1 }) => {
  expect(isSpoken(type, 1)).toBe(v1);
  expect(isSpoken(type, 2)).toBe(true);
});
