// Every recorded row of the deployed desired size, the places where we differ on purpose, and time, which no row has.
import { type Size } from "@selfscale/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEPLOYED_LEGACY_CONFIG } from "./defaults.ts";
import { legacyDesired, type LegacyInput, type LegacyWarning } from "./desired.ts";
import {
  downscaleDenied,
  INITIAL_OVERRIDES,
  overridesWakeAt,
  upscaleRequested,
} from "./overrides.ts";
import { GOAL_ROWS, type GoalRow } from "./testing/vectors.ts";

/** SEED=n replays another stream of random inputs. */
const RUNS = { seed: Number(process.env["SEED"] ?? 17), numRuns: 1000 };

const GIB = 1024 ** 3;
const units = (count: number): Size => ({ milliCpu: 250 * count, memBytes: GIB * count });

/** What the deployed agent logs, and our word for it. */
const WARNINGS: Readonly<Record<string, LegacyWarning>> = {
  "Making scaling decision without all required metrics available": "metrics-missing",
  "not enough working set size values to make scaling determination": "working-set-too-short",
  "Can't decrease desired resources to within VM maximum because of vm-monitor previously denied downscale request":
    "denied-above-max",
};
/** Here the deployed agent wraps at 2^16 units and shrinks the VM to its minimum. */
const WRAPS = "wrap/uint16-overflow";

function inputOf(row: GoalRow): LegacyInput {
  if (row.vm === null) throw new Error(`${row.name} has no VM`);
  return {
    config: row.config,
    ...row.vm,
    metrics: row.metrics,
    metricsAt: { system: 0, lfc: 0 },
    metricsFreshMs: 60_000,
    overrides: {
      requested: row.requested === null ? null : { ...row.requested, at: 0 },
      denied: row.denied === null ? null : { ...row.denied, at: 0 },
    },
    now: 0,
  };
}

const sound = GOAL_ROWS.filter(({ vm, expect: wanted }) => vm !== null && wanted !== null);

describe("equals the deployed desired size", () => {
  test("every row with a VM is tried", () => {
    expect(sound.length).toBe(GOAL_ROWS.length - 7); // six have no VM, one panics
  });

  test.for(sound.filter(({ name }) => name !== WRAPS))("$name", (row) => {
    const wish = legacyDesired(inputOf(row));
    expect(wish.desired).toEqual(row.expect?.desired);
    expect(wish.goalComputeUnits).toBe(row.expect?.effectiveGoalCU);
    expect(wish.metricsComputeUnits).toBe(row.expect?.goalCU);
    expect(wish.warnings).toEqual(row.expect?.warnings.map((text) => WARNINGS[text]));
  });

  test(`${WRAPS}: the goal is as deployed, the size does not wrap but stops at bounds.max`, () => {
    const row = sound.find(({ name }) => name === WRAPS);
    if (row === undefined) throw new Error("the vectors have no row that wraps");
    const wish = legacyDesired(inputOf(row));
    expect(wish.goalComputeUnits).toBe(65_536);
    expect(row.expect?.desired).toEqual(row.vm?.bounds.min);
    expect(wish.desired).toEqual(row.vm?.bounds.max);
  });
});

const IDLE: LegacyInput = {
  config: DEPLOYED_LEGACY_CONFIG,
  bounds: { min: units(1), max: units(8) },
  using: units(4),
  metrics: {
    system: {
      load1: 0.1,
      load5: 0.1,
      memTotalBytes: 4 * GIB,
      memUsageBytes: 0.3 * GIB,
      memCachedBytes: 0,
    },
    lfc: null,
  },
  metricsAt: { system: 1_000, lfc: 1_000 },
  metricsFreshMs: 60_000,
  overrides: INITIAL_OVERRIDES,
  now: 1_000,
};
const asked = upscaleRequested(INITIAL_OVERRIDES, units(4), 1_000);
const denied = downscaleDenied(INITIAL_OVERRIDES, units(4), units(3), 1_000);
const both = downscaleDenied(asked, units(4), units(3), 1_000);
const busy = {
  ...IDLE.metrics,
  system: { ...IDLE.metrics.system, load1: 1.4 },
} as LegacyInput["metrics"];
const none = { system: null, lfc: null };
const FLAT = { workingSetPagesPerMinute: Array<number>(60).fill(131_072) };

describe("time", () => {
  test.for([
    { name: "fresh metrics shrink", given: { now: 60_999 }, want: 1 },
    { name: "stale metrics hold", given: { now: 61_000 }, want: 4 },
    { name: "stale metrics still grow", given: { now: 61_000, metrics: busy }, want: 6 },
    { name: "no metrics hold", given: { metrics: none }, want: 4 },
    {
      name: "stale metrics hold no more than bounds.max",
      given: { now: 61_000, using: units(9) },
      want: 8,
    },
    { name: "a request counts from its base", given: { overrides: asked }, want: 5 },
    { name: "a request counts just below 10 s", given: { overrides: asked, now: 10_999 }, want: 5 },
    { name: "a request is over at 10 s", given: { overrides: asked, now: 11_000 }, want: 1 },
    {
      name: "a request counts without metrics",
      given: { overrides: asked, metrics: none },
      want: 5,
    },
    // Deployed agents take an UpscaleRequest for memory, so plenty of CPU does not count as having had much.
    {
      name: "a request is about memory",
      given: {
        overrides: upscaleRequested(INITIAL_OVERRIDES, { milliCpu: 1750, memBytes: GIB }, 1_000),
      },
      want: 2,
    },
    { name: "a denial counts just below 5 s", given: { overrides: denied, now: 5_999 }, want: 4 },
    { name: "a denial is over at 5 s", given: { overrides: denied, now: 6_000 }, want: 1 },
    {
      name: "a request counts as long as configured",
      given: {
        overrides: asked,
        now: 3_999,
        config: { ...DEPLOYED_LEGACY_CONFIG, requestedUpscaleValidSeconds: 3 },
      },
      want: 5,
    },
    {
      name: "and no longer",
      given: {
        overrides: asked,
        now: 4_000,
        config: { ...DEPLOYED_LEGACY_CONFIG, requestedUpscaleValidSeconds: 3 },
      },
      want: 1,
    },
    {
      name: "a denial counts as long as configured",
      given: {
        overrides: denied,
        now: 8_999,
        config: { ...DEPLOYED_LEGACY_CONFIG, retryDeniedDownscaleSeconds: 8 },
      },
      want: 4,
    },
    {
      name: "a denial is over when configured",
      given: {
        overrides: denied,
        now: 9_000,
        config: { ...DEPLOYED_LEGACY_CONFIG, retryDeniedDownscaleSeconds: 8 },
      },
      want: 1,
    },
    { name: "of both, the larger counts", given: { overrides: both, now: 5_999 }, want: 5 },
  ] satisfies { name: string; given: Partial<LegacyInput>; want: number }[])(
    "$name: $want units",
    ({ given, want }) => {
      expect(legacyDesired({ ...IDLE, ...given }).desired).toEqual(units(want));
    },
  );

  // The working set below is 1 GiB of pages, which is 2 units, and it is stale at 61 s by its own age.
  test.for([
    { name: "both fresh", at: { system: 30_000, lfc: 30_000 }, lfc: FLAT, isOn: true, want: 2 },
    { name: "stale system", at: { system: 1_000, lfc: 30_000 }, lfc: FLAT, isOn: true, want: 4 },
    {
      name: "stale working set",
      at: { system: 60_000, lfc: 1_000 },
      lfc: FLAT,
      isOn: true,
      want: 4,
    },
    { name: "no working set", at: { system: 60_000, lfc: 60_000 }, lfc: null, isOn: true, want: 4 },
    {
      name: "stale, not needed",
      at: { system: 60_000, lfc: 1_000 },
      lfc: FLAT,
      isOn: false,
      want: 2,
    },
    {
      name: "none, not needed",
      at: { system: 60_000, lfc: 1_000 },
      lfc: null,
      isOn: false,
      want: 1,
    },
  ])("LFC metrics on: $isOn; $name: $want units", ({ at, lfc, isOn, want }) => {
    const config = { ...DEPLOYED_LEGACY_CONFIG, enableLFCMetrics: isOn };
    const metrics = { ...IDLE.metrics, lfc };
    const wish = legacyDesired({ ...IDLE, config, metrics, metricsAt: at, now: 61_000 });
    expect(wish.desired).toEqual(units(want));
    expect(wish.mayShrink).toBe(want < 4);
  });

  test("a stale working set still grows", () => {
    const config = { ...DEPLOYED_LEGACY_CONFIG, enableLFCMetrics: true };
    const metrics = { ...IDLE.metrics, lfc: FLAT };
    const at = { system: 60_000, lfc: 0 };
    const wish = legacyDesired({
      ...IDLE,
      config,
      metrics,
      metricsAt: at,
      using: units(1),
      now: 61_000,
    });
    expect(wish.desired).toEqual(units(2));
    expect(wish.warnings).toEqual(["metrics-stale"]);
  });

  test("a second request counts anew, from its own base", () => {
    const again = upscaleRequested(asked, units(5), 9_000);
    const at = (now: number) => legacyDesired({ ...IDLE, overrides: again, now }).desired;
    expect(at(18_999)).toEqual(units(6));
    expect(at(19_000)).toEqual(units(1));
  });

  test("a VM above its maximum that refuses is told of, unless it has more of something", () => {
    const at = (requested: Size) => {
      const overrides = downscaleDenied(INITIAL_OVERRIDES, units(4), requested, 1_000);
      const bounds = { min: units(1), max: units(2) };
      return legacyDesired({ ...IDLE, bounds, overrides }).warnings;
    };
    expect(at(units(3))).toEqual(["denied-above-max"]);
    expect(at({ ...units(3), milliCpu: 250 })).toEqual([]);
    expect(at({ ...units(3), memBytes: GIB })).toEqual([]);
  });

  test("staleness is said, and only where there is something to be stale", () => {
    const at = (metrics: LegacyInput["metrics"]) =>
      legacyDesired({ ...IDLE, metrics, now: 90_000 }).warnings;
    expect(at(IDLE.metrics)).toEqual(["metrics-stale"]);
    expect(at(none)).toEqual(["metrics-missing"]);
  });

  test.for([
    { name: "nothing said", overrides: INITIAL_OVERRIDES, now: 1_000, want: null },
    { name: "a request", overrides: asked, now: 1_000, want: 11_000 },
    { name: "a denial", overrides: denied, now: 1_000, want: 6_000 },
    { name: "both: the first to end", overrides: both, now: 1_000, want: 6_000 },
    { name: "both: then the other", overrides: both, now: 6_000, want: 11_000 },
    { name: "both over", overrides: both, now: 11_000, want: null },
  ])("$name: wakes at $want", ({ overrides, now, want }) => {
    expect(overridesWakeAt(overrides, DEPLOYED_LEGACY_CONFIG, now)).toBe(want);
  });
});

test("whatever a guest reports and says: whole numbers, in the bounds, and never less than held without fresh metrics", () => {
  const number = fc.oneof(fc.double(), fc.double({ min: 0, max: 1e3 }), fc.nat());
  const size = fc.record({
    milliCpu: fc.integer({ min: 1, max: 1_024_000 }),
    memBytes: fc.integer({ min: 1, max: 2 ** 45 }),
  });
  const system = fc.record({
    load1: number,
    load5: number,
    memTotalBytes: number,
    memUsageBytes: number,
    memCachedBytes: number,
  });
  const saying = fc.record({
    requested: fc.option(
      fc.record({ base: size, cpu: fc.boolean(), memory: fc.boolean(), at: fc.nat(20) }),
    ),
    denied: fc.option(fc.record({ current: size, requested: size, at: fc.nat(20) })),
  });
  const all = fc.tuple(fc.option(system), saying, size, size, size, fc.nat(120_000));
  fc.assert(
    fc.property(all, ([system, overrides, a, b, using, now]) => {
      const bounds = {
        min: {
          milliCpu: Math.min(a.milliCpu, b.milliCpu),
          memBytes: Math.min(a.memBytes, b.memBytes),
        },
        max: {
          milliCpu: Math.max(a.milliCpu, b.milliCpu),
          memBytes: Math.max(a.memBytes, b.memBytes),
        },
      };
      const metrics = { system, lfc: null };
      const wish = legacyDesired({
        ...IDLE,
        metrics,
        bounds,
        using,
        overrides,
        metricsAt: { system: 0, lfc: 0 },
        now,
      });
      for (const field of ["milliCpu", "memBytes"] as const) {
        const desired = wish.desired[field];
        // A refused shrink may keep a VM above its maximum, but never gives it more than it had.
        const top = Math.max(bounds.max[field], overrides.denied?.current[field] ?? 0);
        expect(Number.isSafeInteger(desired)).toBe(true);
        expect(desired).toBeGreaterThanOrEqual(bounds.min[field]);
        expect(desired).toBeLessThanOrEqual(top);
        const mayShrink = wish.hasAllMetrics && now < 60_000;
        const held = Math.min(using[field], bounds.max[field]);
        if (!mayShrink) expect(desired).toBeGreaterThanOrEqual(held);
      }
    }),
    RUNS,
  );
});
