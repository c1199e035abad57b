import { expect, test } from "vitest";
import { legacyConfigProblem } from "./config-problem.ts";
import { DEPLOYED_LEGACY_CONFIG } from "./defaults.ts";
import { GOAL_ROWS } from "./testing/vectors.ts";
import { type LegacyConfig } from "./types.ts";

test("the deployed configuration is sound", () => {
  expect(legacyConfigProblem(DEPLOYED_LEGACY_CONFIG)).toBeNull();
});

test.for(GOAL_ROWS)("$name: refused exactly where the deployed agent panics", (row) => {
  expect(legacyConfigProblem(row.config) === null).toBe(row.expect !== null);
});

const GIB = 1024 ** 3;
const cases: readonly { given: Partial<LegacyConfig>; problem: string }[] = [
  {
    given: { computeUnit: { milliCpu: 0, memBytes: GIB } },
    problem: "computeUnit.milliCpu is 0, expected a whole number above 0",
  },
  {
    given: { computeUnit: { milliCpu: 250, memBytes: GIB + 0.5 } },
    problem: "computeUnit.memBytes is 1073741824.5, expected a whole number above 0",
  },
  {
    given: { loadAverageFractionTarget: 0 },
    problem: "loadAverageFractionTarget is 0, expected above 0",
  },
  {
    given: { memoryUsageFractionTarget: -0.5 },
    problem: "memoryUsageFractionTarget is -0.5, expected above 0",
  },
  {
    given: { memoryTotalFractionTarget: NaN },
    problem: "memoryTotalFractionTarget is NaN, expected above 0",
  },
  {
    given: { lfcToMemoryRatio: Infinity },
    problem: "lfcToMemoryRatio is Infinity, expected above 0",
  },
  {
    given: { cpuStableZoneRatio: -1 },
    problem: "cpuStableZoneRatio is -1, expected 0 or more",
  },
  {
    given: { cpuMixedZoneRatio: NaN },
    problem: "cpuMixedZoneRatio is NaN, expected 0 or more",
  },
  {
    given: { lfcWindowSizeMinutes: 1 },
    problem: "lfcWindowSizeMinutes is 1, expected a whole number of at least 2",
  },
  {
    given: { lfcWindowSizeMinutes: 2.5 },
    problem: "lfcWindowSizeMinutes is 2.5, expected a whole number of at least 2",
  },
  {
    given: { lfcMinWaitBeforeDownscaleMinutes: 4 },
    problem:
      "lfcMinWaitBeforeDownscaleMinutes is 4, expected a whole number of " +
      "at least lfcWindowSizeMinutes, which is 5",
  },
];

test.for(cases)("$problem", ({ given, problem }) => {
  expect(legacyConfigProblem({ ...DEPLOYED_LEGACY_CONFIG, ...given })).toBe(problem);
});
