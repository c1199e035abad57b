import { type Score } from "@selfscale/evaluation";
import { expect, test } from "vitest";
import { summarize } from "./summary.ts";
import { type TaskResult } from "./task.ts";

const NOTHING: Score = {
  ...{ hours: 1, provisioned: 100, unitBill: 100, cost: 100, unitCost: 100 },
  ...{ resizes: 0, resizesPerHour: 0, oomKills: 0, meanDelaySec: 0, p99DelaySec: 0 },
  ...{ saturatedShare: 0, missGib: 0, swapSec: 0, droppedCpuSec: 0, reactionSec: null },
  ...{ averageSlack: 0, averageInsufficient: 0, cpuScalings: 0 },
};

/** A run of source `source` where `mine` costs so much, and `base` twice the clairvoyant. */
function result(source: string, seed: number, mine: Partial<Score>): TaskResult {
  return {
    ...{ workload: source, source, seed, kind: "trace", clairvoyant: NOTHING, notes: [] },
    scores: [
      { policy: "mine", score: { ...NOTHING, ...mine } },
      { policy: "base", score: { ...NOTHING, cost: 200, unitCost: 300, oomKills: 1 } },
    ],
  };
}

const RESULTS = [
  result("a", 1, { cost: 100, unitCost: 150, oomKills: 2, meanDelaySec: 0.01 }),
  result("a", 2, { cost: 400, unitCost: 150, meanDelaySec: 0.03 }),
  result("b", 1, { cost: 800, unitCost: 150, meanDelaySec: 0.1 }),
];
const HOW = { baseline: "base", billing: "dimension" } as const;

test("ratios are geometric within a source, then over sources", () => {
  const [mine, base] = summarize(RESULTS, ["mine", "base"], HOW);
  // √(1 · 4) = 2 in a, 8 in b: √(2 · 8).
  expect(mine?.cost).toBeCloseTo(4, 9);
  expect(base?.cost).toBeCloseTo(2, 9);
  expect(base?.versus).toBeNull();
  expect(mine?.versus?.cost.mean).toBeCloseTo(2, 9);
});

test("the rest are means of sources' means, and deaths are counted", () => {
  const [mine] = summarize(RESULTS, ["mine"], HOW);
  expect(mine?.meanDelayMs).toBeCloseTo((20 + 100) / 2, 9);
  expect(mine?.oomKills).toBe(2);
  // In a 2 − 1 and 0 − 1, in b 0 − 1.
  expect(mine?.versus?.oomKills.mean).toBeCloseTo(-0.5, 9);
});

test("the bill of whole units", () => {
  const [mine] = summarize(RESULTS, ["mine"], { ...HOW, billing: "unit" });
  expect(mine?.cost).toBeCloseTo(1.5, 9);
  expect(mine?.versus?.cost).toEqual({ mean: 0.5, low: 0.5, high: 0.5 });
});

test("intervals hold the mean, and are wide where runs differ", () => {
  const many = Array.from({ length: 40 }, (_, seed) =>
    result("a", seed, { cost: seed % 2 === 0 ? 100 : 400 }),
  );
  const interval = summarize(many, ["mine"], HOW)[0]?.versus?.cost;
  expect(interval?.mean).toBeCloseTo(1, 9);
  expect(interval?.low).toBeGreaterThan(0.7);
  expect(interval?.low).toBeLessThan(0.9);
  expect(interval?.high).toBeGreaterThan(1.1);
  expect(interval?.high).toBeLessThan(1.4);
});
