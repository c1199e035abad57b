// Every recorded row of the deployed goal, and the places where we differ on purpose.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEPLOYED_LEGACY_CONFIG, MAX_COMPUTE_UNITS } from "./defaults.ts";
import { legacyGoal } from "./goal.ts";
import { GOAL_ROWS } from "./testing/vectors.ts";
import { type LfcMetrics, type SystemMetrics } from "./types.ts";

/** SEED=n replays another stream of random inputs. */
const RUNS = { seed: Number(process.env["SEED"] ?? 17), numRuns: 1000 };

const CALM: SystemMetrics = {
  load1: 1,
  load5: 1,
  memTotalBytes: 4 * 1024 ** 3,
  memUsageBytes: 1024 ** 3,
  memCachedBytes: 1024 ** 3,
};
const FLAT: LfcMetrics = { workingSetPagesPerMinute: Array<number>(60).fill(1000) };
const WITH_LFC = { ...DEPLOYED_LEGACY_CONFIG, enableLFCMetrics: true };

const sound = GOAL_ROWS.filter((row) => row.expect !== null);

test("as deployed, the load of one minute counts alone, however close five minutes are", () => {
  for (const load5 of [2.9, 3.5, 6]) {
    const goal = legacyGoal(DEPLOYED_LEGACY_CONFIG, {
      system: { ...CALM, load1: 3, load5 },
      lfc: null,
    });
    const alone = legacyGoal(DEPLOYED_LEGACY_CONFIG, {
      system: { ...CALM, load1: 3, load5: 0 },
      lfc: null,
    });
    expect(goal.parts.cpu).toBe(alone.parts.cpu);
  }
});

describe("equals the deployed goal, to the last bit of its parts", () => {
  test.for(sound)("$name", ({ config, metrics, expect: wanted }) => {
    const goal = legacyGoal(config, metrics);
    expect(goal.parts).toEqual(wanted?.parts);
    expect(goal.hasAllMetrics).toBe(wanted?.hasAllMetrics);
    expect(goal.computeUnits).toBe(wanted?.goalCU);
  });
});

describe("a metric that no VM can have counts as missing", () => {
  const nonsense = [NaN, Infinity, -Infinity, -1, 2 ** 53];
  const fields = ["load1", "load5", "memUsageBytes", "memCachedBytes"] as const;

  test.for(fields.flatMap((field) => nonsense.map((value) => ({ field, value }))))(
    "$field is $value",
    ({ field, value }) => {
      const metrics = { system: { ...CALM, [field]: value }, lfc: null };
      expect(legacyGoal(DEPLOYED_LEGACY_CONFIG, metrics)).toEqual({
        computeUnits: 0,
        parts: { cpu: null, mem: null, lfc: null },
        hasAllMetrics: false,
        warnings: ["metrics-missing"],
      });
    },
  );

  test.for(nonsense)("a working set of %d pages", (value) => {
    const series = FLAT.workingSetPagesPerMinute.with(30, value);
    const goal = legacyGoal(WITH_LFC, { system: CALM, lfc: { workingSetPagesPerMinute: series } });
    expect(goal).toMatchObject({ parts: { lfc: null }, hasAllMetrics: false });
  });
});

test("a falling series with windows of two does not crash, as it does the deployed agent", () => {
  const config = {
    ...WITH_LFC,
    lfcWindowSizeMinutes: 2,
    lfcMinWaitBeforeDownscaleMinutes: 2,
  };
  const series = [131_072, 4, 3, 2, 1]; // its first window is 1 GiB, and is all that is projected
  const goal = legacyGoal(config, { system: CALM, lfc: { workingSetPagesPerMinute: series } });
  expect(goal.parts.lfc).toBe(1 / 0.75);
});

test("whatever is measured, the goal is a whole number of units and memory never lowers it", () => {
  const number = fc.oneof(fc.double(), fc.double({ min: 0, max: 1e12 }), fc.nat());
  const system = fc.option(
    fc.record({
      load1: number,
      load5: number,
      memTotalBytes: number,
      memUsageBytes: number,
      memCachedBytes: number,
    }),
  );
  const lfc = fc.option(fc.record({ workingSetPagesPerMinute: fc.array(number) }));
  fc.assert(
    fc.property(system, lfc, fc.boolean(), (system, lfc, lfcUseLargestWindow) => {
      const config = { ...WITH_LFC, lfcUseLargestWindow, cpuStableZoneRatio: 0.25 };
      const { computeUnits, parts } = legacyGoal(config, { system, lfc });
      expect(Number.isInteger(computeUnits)).toBe(true);
      expect(computeUnits).toBeLessThanOrEqual(MAX_COMPUTE_UNITS);
      const capped = Math.min(parts.mem ?? 0, MAX_COMPUTE_UNITS);
      expect(computeUnits).toBeGreaterThanOrEqual(capped);
    }),
    RUNS,
  );
});
