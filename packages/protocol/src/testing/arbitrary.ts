// What fast-check needs to make frames: every valid message, and things that only look like one.
import * as fc from "fast-check";
import { type Allocation } from "../allocation.ts";
import { type FromAgent, type FromMonitor } from "../messages.ts";
import { AGENT_REASONS, OUTCOMES, SCALE_REASONS } from "../reasons.ts";

/** Printed in the test's name; another one by SEED=n. */
export const SEED = Number(process.env.SEED ?? 1);
/** How often each property is tried, and how often those of arbitrary text: more by FUZZ_SECONDS=n. */
const EFFORT = Math.max(1, Math.round(Number(process.env.FUZZ_SECONDS ?? 0) / 4));
export const RUNS = { seed: SEED, numRuns: 1_000 * EFFORT };
export const TEXT_RUNS = { seed: SEED, numRuns: 5_000 * EFFORT };

const id = fc.oneof(fc.nat(20), fc.maxSafeNat());
const cpu = fc.oneof(
  fc.integer({ min: 1, max: 1_024_000 }).map((milli) => milli / 1000),
  fc.double({ min: Number.MIN_VALUE, max: 1024, noNaN: true }),
);
const size: fc.Arbitrary<Allocation> = fc.record({
  cpu,
  mem: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
});
const part = fc.record({ cpu: fc.oneof(fc.constant(0), cpu), mem: fc.maxSafeNat() });
const prose = fc.string({ unit: "binary", maxLength: 200 });
const amount = fc.double({ min: 0, max: 1e9, noNaN: true });
const type = <Type extends string>(name: Type) => fc.constant(name);

/** Every message a monitor may send. */
export const anyFromMonitor: fc.Arbitrary<FromMonitor> = fc.oneof(
  fc.record({ type: type("UpscaleRequest"), id }),
  fc.record({ type: type("UpscaleConfirmation"), id }),
  fc.record({ type: type("HealthCheck"), id }),
  fc.record(
    {
      type: type("DownscaleResult"),
      Ok: fc.boolean(),
      Status: prose,
      reason: fc.constantFrom(...SCALE_REASONS),
      lowest: size,
      id,
    },
    { requiredKeys: ["type", "Ok", "Status", "id"] },
  ),
  fc.record(
    {
      type: type("ScaleRequest"),
      target: size,
      reason: fc.constantFrom(...SCALE_REASONS),
      floor: part,
      ageMs: amount,
      id,
    },
    { requiredKeys: ["type", "target", "id"] },
  ),
  fc.record({ type: type("InvalidMessage"), error: prose, id }),
  fc.record({ type: type("InternalError"), error: prose, id }),
);

const agentReason = fc.constantFrom(...AGENT_REASONS);
const outcome = fc.constantFrom(...OUTCOMES);
const resource = fc.record({ outcome, reason: agentReason }, { requiredKeys: ["outcome"] });
const error = fc.record({ error: prose });

/** Every message an agent may send. */
export const anyFromAgent: fc.Arbitrary<FromAgent> = fc.oneof(
  fc.record({ type: type("HealthCheck"), content: fc.record({}), id }),
  fc.record({ type: type("UpscaleNotification"), content: fc.record({ granted: size }), id }),
  fc.record({ type: type("DownscaleRequest"), content: fc.record({ target: size }), id }),
  fc.record({ type: type("InvalidMessage"), content: error, id }),
  fc.record({ type: type("InternalError"), content: error, id }),
  fc.record({
    type: type("ScaleResponse"),
    content: fc.record(
      {
        outcome,
        resources: fc.record({ cpu: resource, mem: resource }),
        permit: size,
        etaMs: amount,
      },
      { requiredKeys: ["outcome", "resources", "permit"] },
    ),
    id,
  }),
  fc.record({
    type: type("SizeReport"),
    content: fc.record(
      {
        actual: size,
        requested: size,
        permit: size,
        bounds: fc.record({ min: size, max: size }),
        step: size,
        reason: agentReason,
        cpuUsed: amount,
        throttledShare: fc.double({ min: 0, max: 1, noNaN: true }),
      },
      { requiredKeys: ["actual", "requested", "permit", "bounds", "step"] },
    ),
    id,
  }),
);

/** Half right: known names holding anything, among keys that objects inherit. */
const impostor = fc.dictionary(
  fc.constantFrom(
    ...["type", "id", "content", "target", "granted", "error", "Ok", "ok", "Status", "reason"],
    ...["floor", "ageMs", "lowest", "min", "max", "version", "vm", "features", "resources"],
    ...["outcome", "permit", "etaMs", "actual", "bounds", "step", "cpu", "mem"],
    ...["__proto__", "constructor", "toString", "hasOwnProperty"],
  ),
  fc.oneof(
    { depthSize: "small" },
    fc.jsonValue(),
    fc.constantFrom("ScaleRequest", "ScaleResponse", "SizeReport", "DownscaleResult", "__proto__"),
    fc.constantFrom<unknown>(3, 2.5, -1, 2 ** 53, 2 ** 60, {}, [], "3", null, true),
  ),
);

/** Any text a peer could put into a frame. */
export const anyFrame: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }),
  fc.json(),
  impostor.map((json) => JSON.stringify(json)),
  fc.tuple(impostor, impostor).map(([outer, content]) => JSON.stringify({ ...outer, content })),
  fc
    .tuple(anyFromAgent, impostor)
    .map(([message, more]) => JSON.stringify({ ...message, ...more })),
  fc.tuple(anyFromMonitor, impostor).map(([one, more]) => JSON.stringify({ ...one, ...more })),
);
