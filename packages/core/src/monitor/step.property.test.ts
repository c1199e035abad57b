// Whatever comes, in whatever order: it never throws, never says what the agent can't know, never
// asks for too little.
import fc from "fast-check";
import { decodeFromMonitor, encodeFromAgent, isSpoken, type FromAgent } from "@selfscale/protocol";
import { expect, test } from "vitest";
import { MONITOR_DEFAULTS } from "./config.ts";
import { initialMonitor, type MonitorState } from "./state.ts";
import { monitorStatus } from "./status.ts";
import { monitorWakeAt, stepMonitor } from "./step.ts";
import { cpuSample, memorySample } from "./testing/samples.ts";
import { type MonitorEvent } from "./types.ts";

const MIB = 1024 ** 2;

const milli = fc.integer({ min: 1, max: 8_000 });
const allocation = fc
  .record({ cpu: milli, mem: fc.integer({ min: 1, max: 5_000 }) })
  .map(({ cpu, mem }) => ({ cpu: cpu / 1000, mem: mem * MIB }));
const id = fc.integer({ min: 0, max: 400 });
const link = fc.integer({ min: 0, max: 3 });

const outcome = fc.constantFrom("accepted", "clamped", "deferred", "refused");
const agentFrame: fc.Arbitrary<FromAgent> = fc.oneof(
  id.map((of): FromAgent => ({ type: "HealthCheck", content: {}, id: of })),
  fc.record({ granted: allocation, of: id }).map(({ granted, of }): FromAgent => ({
    type: "UpscaleNotification",
    content: { granted },
    id: of,
  })),
  fc.record({ target: allocation, of: id }).map(({ target, of }): FromAgent => ({
    type: "DownscaleRequest",
    content: { target },
    id: of,
  })),
  id.map((of): FromAgent => ({ type: "InvalidMessage", content: { error: "?" }, id: of })),
  id.map((of): FromAgent => ({ type: "InternalError", content: { error: "?" }, id: of })),
  fc.record({ one: outcome, permit: allocation, of: id }).map(({ one, permit, of }): FromAgent => ({
    type: "ScaleResponse",
    content: { outcome: one, resources: { cpu: { outcome: one }, mem: { outcome: one } }, permit },
    id: of,
  })),
  fc
    .record({
      sizes: fc.tuple(allocation, allocation, allocation, allocation, allocation),
      step: fc.constantFrom({ cpu: 0.25, mem: 128 * MIB }, { cpu: 1, mem: 1 }),
      reason: fc.constantFrom("met", "node-full", "no-cpu-quota"),
      used: fc.option(milli),
      share: fc.option(fc.integer({ min: 0, max: 100 })),
      of: id,
    })
    .map(
      ({ sizes: [actual, requested, permit, a, b], step, reason, used, share, of }): FromAgent => ({
        type: "SizeReport",
        content: {
          actual,
          requested,
          permit,
          bounds: {
            min: { cpu: Math.min(a.cpu, b.cpu), mem: Math.min(a.mem, b.mem) },
            max: { cpu: Math.max(a.cpu, b.cpu), mem: Math.max(a.mem, b.mem) },
          },
          step,
          reason: reason,
          ...(used === null ? {} : { cpuUsed: used / 1000 }),
          ...(share === null ? {} : { throttledShare: share / 100 }),
        },
        id: of,
      }),
    ),
);

const name = fc.constantFrom("a", "b", "c", "d");
const reservation: fc.Arbitrary<MonitorEvent> = fc.oneof(
  fc
    .record({
      id: name,
      door: fc.constantFrom("http", "sql"),
      owner: fc.string(),
      reason: fc.string(),
      memBytes: fc.integer({ min: 0, max: 6_000 }).map((mib) => mib * MIB),
      milliCpu: fc.constantFrom(0, 250, 3_000),
      waitUntil: fc.integer({ min: 1_000_000, max: 1_200_000 }),
      holdUntil: fc.option(fc.integer({ min: 1_000_000, max: 1_400_000 })),
      ifNotGranted: fc.constantFrom("fail", "proceed"),
    })
    .map((request): MonitorEvent => ({ kind: "reservation-asked", request })),
  name.map((of): MonitorEvent => ({ kind: "reservation-released", id: of })),
  fc
    .record({ door: fc.constantFrom("http", "sql"), ids: fc.array(name) })
    .map((list): MonitorEvent => ({ kind: "reservations-listed", ...list })),
);

const event: fc.Arbitrary<MonitorEvent> = fc.oneof(
  { weight: 3, arbitrary: reservation },
  {
    weight: 6,
    arbitrary: cpuSample.map((sample): MonitorEvent => ({ kind: "cpu-sampled", sample })),
  },
  {
    weight: 8,
    arbitrary: memorySample.map((sample): MonitorEvent => ({ kind: "memory-sampled", sample })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ link, version: fc.constantFrom(1, 2) })
      .map((opened): MonitorEvent => ({ kind: "link-opened", ...opened, features: [] })),
  },
  {
    weight: 1,
    arbitrary: link.map((of): MonitorEvent => ({ kind: "link-closed", link: of, problem: "gone" })),
  },
  {
    weight: 6,
    arbitrary: fc.record({ link, frame: agentFrame }).map(({ link: of, frame }): MonitorEvent => ({
      kind: "frame-received",
      link: of,
      text: encodeFromAgent(frame),
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ link, text: fc.string() })
      .map((heard): MonitorEvent => ({ kind: "frame-received", ...heard })),
  },
  { weight: 2, arbitrary: fc.constant<MonitorEvent>({ kind: "tick" }) },
);

const story = fc.array(fc.tuple(fc.constantFrom(0, 1, 90, 100, 250, 1_000, 5_000, 61_000), event), {
  minLength: 1,
  maxLength: 80,
});

type Target = Readonly<{ cpu: number; mem: number }>;

/** Own books, kept beside the machine: who is connected, what was measured. */
function play(steps: readonly (readonly [number, MonitorEvent])[], isProbing: boolean): void {
  let now = 1_000_000;
  let state: MonitorState = initialMonitor(
    { ...MONITOR_DEFAULTS, probeScaleRequest: isProbing },
    now,
  );
  let current: { link: number; version: number; probes: number } | null = null;
  let lastScaleAt = -Infinity;
  let held = 0;
  for (const [pause, one] of steps) {
    now += pause;
    if (one.kind === "link-opened") {
      current = { link: one.link, version: one.version, probes: 0 };
      lastScaleAt = -Infinity;
    }
    if (one.kind === "memory-sampled") {
      const { anonBytes, shmemBytes, swapTotalBytes, swapFreeBytes } = one.sample;
      held = anonBytes + shmemBytes + swapTotalBytes - swapFreeBytes;
    }
    const before = state.desired;
    const [after, actions] = stepMonitor(state, one, now);
    state = after;
    for (const action of actions) {
      if (action.kind !== "send-frame") continue;
      expect(action.link).toBe(current?.link);
      const decoded = decodeFromMonitor(action.text);
      if (!decoded.ok) throw new Error(decoded.problem);
      const { type } = decoded.message;
      if (!isSpoken(type, current?.version ?? 0))
        expect(isProbing && type === "ScaleRequest").toBe(true);
      if (type === "ScaleRequest") {
        expect(now - lastScaleAt).toBeGreaterThanOrEqual(100);
        lastScaleAt = now;
      }
      if (type === "DownscaleResult" && decoded.message.Ok && one.kind === "frame-received") {
        const { target } = (JSON.parse(one.text) as { content: { target: Target } }).content;
        const { floor } = monitorStatus(state, now).reservations;
        const lowersMem = target.mem < (monitorStatus(state, now).ladder.actual?.memBytes ?? 0);
        if (lowersMem) expect(target.mem).toBeGreaterThanOrEqual(floor.memBytes);
      }
      if (type === "DownscaleResult" && current?.version === 1) {
        expect(decoded.message).not.toHaveProperty("lowest");
      }
    }
    const isSized = one.kind === "memory-sampled" && before !== null && state.memoryNeed !== null;
    if (isSized && state.desired !== null) {
      const atLeast = held + MONITOR_DEFAULTS.policy.memory.safetyBytes;
      const isLower = state.desired.memBytes < before.memBytes;
      if (isLower) expect(state.desired.memBytes).toBeGreaterThanOrEqual(atLeast);
    }
    const { floor, active } = monitorStatus(state, now).reservations;
    if (state.desired !== null) {
      expect(state.desired.memBytes).toBeGreaterThanOrEqual(floor.memBytes);
      expect(state.desired.milliCpu).toBeGreaterThanOrEqual(floor.milliCpu);
    }
    const max = state.session?.report?.max;
    if (max !== undefined) expect(floor.memBytes).toBeLessThanOrEqual(max.memBytes);
    if (active.length === 0) expect(floor).toEqual({ milliCpu: 0, memBytes: 0 });
    for (const { holdUntil } of active) expect(holdUntil ?? Infinity).toBeGreaterThan(now);
    const wakeAt = monitorWakeAt(state);
    if (wakeAt !== null) expect(Number.isNaN(wakeAt)).toBe(false);
  }
  expect(JSON.parse(JSON.stringify(monitorStatus(state, now)))).toBeTypeOf("object");
}

test("any story, told to a monitor that does not probe", () => {
  fc.assert(
    fc.property(story, (steps) => play(steps, false)),
    { numRuns: 300, seed: 20_261_124 },
  );
});

test("any story, told to one that does", () => {
  fc.assert(
    fc.property(story, (steps) => play(steps, true)),
    { numRuns: 200, seed: 7 },
  );
});

test("a tick at every wake-up ends: time alone never makes it spin", () => {
  fc.assert(
    fc.property(story, (steps) => {
      let now = 0;
      let state = initialMonitor(MONITOR_DEFAULTS, now);
      for (const [pause, one] of steps) [state] = stepMonitor(state, one, (now += pause));
      let ticks = 0;
      const end = now + 60_000;
      for (let at = monitorWakeAt(state); at !== null && at <= end; at = monitorWakeAt(state)) {
        now = Math.max(now, at);
        [state] = stepMonitor(state, { kind: "tick" }, now);
        ticks += 1;
        if (ticks > 1_000) throw new Error(`spins at ${now}`);
      }
    }),
    { numRuns: 200, seed: 3 },
  );
});
