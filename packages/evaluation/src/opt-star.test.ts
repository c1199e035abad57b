// The dynamic programme against every schedule there is where that can be tried, and against simple ones elsewhere.
import { describe, expect, test } from "vitest";
import { optStar, optStarInput, scheduleCost, type OptStarInput } from "./opt-star.ts";
import { logNormalNoise, Random } from "./random.ts";
import { PRICES } from "./score.ts";
import { blank, NO_TROUBLE, type Workload } from "./workload.ts";

const CHEAP = { perCpuSec: 1, perDelay: 0.5, perResize: 0.5, perDropped: 100 };

function input(work: readonly number[], change: Partial<OptStarInput> = {}): OptStarInput {
  return {
    work: Float64Array.from(work),
    parallelism: new Float64Array(work.length).fill(Infinity),
    gotShare: new Float64Array(work.length).fill(1),
    levels: [1, 2],
    startLevel: null,
    prices: CHEAP,
    ...change,
  };
}

/** The least cost over all schedules. */
function tryAll(problem: OptStarInput): number {
  const { levels, work } = problem;
  const schedule = new Float64Array(work.length);
  let least = Infinity;
  for (let code = 0; code < levels.length ** work.length; code += 1) {
    let rest = code;
    for (let second = 0; second < work.length; second += 1) {
      schedule[second] = levels[rest % levels.length] ?? 0;
      rest = Math.floor(rest / levels.length);
    }
    least = Math.min(least, scheduleCost(problem, schedule));
  }
  return least;
}

describe("two seconds, of which the first needs 2 vCPUs", () => {
  test.for([
    // It waits: 1 + 1, and half for a CPU·s that waits.
    { prices: CHEAP, cost: 2.5, levels: [1, 1] },
    // It grows, and shrinks.
    { prices: { ...CHEAP, perDelay: 5 }, cost: 3.5, levels: [2, 1] },
    // It grows, and stays.
    { prices: { ...CHEAP, perDelay: 5, perResize: 5 }, cost: 4, levels: [2, 2] },
  ])("costs $cost", ({ prices, cost, levels }) => {
    const best = optStar(input([2, 0], { prices }));
    expect(best.cost).toBeCloseTo(cost, 12);
    expect(best.bound).toBeCloseTo(cost, 12);
    expect([...best.levels]).toEqual(levels);
  });

  test("a start elsewhere is a resize", () => {
    const prices = { ...CHEAP, perDelay: 5 };
    expect(optStar(input([2, 0], { prices, startLevel: 1 })).cost).toBeCloseTo(4, 12);
  });

  test("work that can't use more makes more useless", () => {
    const prices = { ...CHEAP, perDelay: 5 };
    const parallelism = new Float64Array(2).fill(1);
    // 1 + 1 + 5 for what waits anyway.
    expect(optStar(input([2, 0], { prices, parallelism })).cost).toBeCloseTo(7, 12);
  });

  test("a host that takes half", () => {
    const gotShare = new Float64Array(2).fill(0.5);
    const prices = { ...CHEAP, perDelay: 5 };
    // 2 vCPUs serve 1: a CPU·s waits, and needs 2 in the second second too.
    expect(optStar(input([2, 0], { prices, gotShare })).cost).toBeCloseTo(9, 12);
  });
});

describe("six seconds of three levels, every schedule tried", () => {
  const random = new Random(5, "tiny");
  const prices = { perCpuSec: 1, perDelay: 0.7, perResize: 1.3, perDropped: 100 };
  const levels = [1, 2, 4];

  test("where backlogs lie on the edges of buckets, both answers are the best", () => {
    const backlogs = Array.from({ length: 60 }, (_, i) => i / 2);
    for (let round = 0; round < 40; round += 1) {
      const work = Array.from({ length: 6 }, () => Math.floor(random.between(0, 11)) / 2);
      const problem = input(work, { levels, prices, backlogs });
      const best = optStar(problem);
      const least = tryAll(problem);
      expect(best.cost).toBeCloseTo(least, 9);
      expect(best.bound).toBeCloseTo(least, 9);
      expect(scheduleCost(problem, best.levels)).toBeCloseTo(best.cost, 9);
    }
  });

  test("where they don't, the best lies between the two, and they are close", () => {
    for (let round = 0; round < 40; round += 1) {
      const work = Array.from({ length: 6 }, () => random.between(0, 5));
      const problem = input(work, { levels, prices });
      const best = optStar(problem);
      const least = tryAll(problem);
      expect(best.bound).toBeLessThanOrEqual(least + 1e-9);
      expect(best.cost).toBeGreaterThanOrEqual(least - 1e-9);
      expect(best.cost).toBeLessThanOrEqual(1.02 * least);
      expect(best.bound).toBeGreaterThanOrEqual(0.8 * least);
      expect(scheduleCost(problem, best.levels)).toBeCloseTo(best.cost, 9);
    }
  });
});

/** Ten minutes of noise with bursts. */
function noisy(): Workload {
  const ticks = 2_401;
  const parts = blank(ticks);
  const random = new Random(9, "noisy");
  const noise = logNormalNoise(random, { cv: 0.3, tauSec: 8, tickSec: 0.25 });
  for (let tick = 0; tick < ticks; tick += 1) {
    parts.cpu[tick] = (tick % 800 > 600 ? 3 : 0.7) * noise();
    parts.stealShare[tick] = tick > 2_000 ? 0.25 : 0;
  }
  const min = { cpu: 0.25, memGib: 1 };
  const max = { cpu: 8, memGib: 8 };
  const named = { name: "noisy", source: "hand", seed: 1, ticks, min, max };
  return { ...named, ...parts, hints: [], trouble: NO_TROUBLE };
}

describe("ten minutes of noise and bursts", () => {
  const problem = optStarInput(noisy());
  const best = optStar(problem);

  test("the grid: means of seconds, 32 levels", () => {
    const { cpu } = noisy();
    const first = [0, 1, 2, 3].reduce((sum, tick) => sum + (cpu[tick] ?? 0), 0) / 4;
    expect(problem.work.length).toBe(600);
    expect(problem.work[0]).toBeCloseTo(first, 12);
    expect(problem.gotShare[599]).toBeCloseTo(0.75, 12);
    expect(problem.parallelism[0]).toBe(Infinity);
    expect(problem.levels).toHaveLength(32);
    expect(problem.levels.slice(0, 2)).toEqual([0.25, 0.5]);
    expect(problem.levels.at(-1)).toBe(8);
  });

  test("the schedule costs what it says, and little more than the bound", () => {
    expect(scheduleCost(problem, best.levels)).toBeCloseTo(best.cost, 6);
    expect(best.bound).toBeLessThanOrEqual(best.cost);
    expect(best.bound).toBeGreaterThan(0.9 * best.cost);
  });

  const upTo = (value: number) => problem.levels.find((level) => level >= value) ?? 8;
  const need = [...problem.work].map((work, i) => work / (problem.gotShare[i] ?? 1));
  const heldFor = (seconds: number) =>
    need.map((_, i) => upTo(Math.max(...need.slice(Math.max(0, i - seconds), i + 1))));

  test.for([
    { name: "the largest", levels: need.map(() => 8) },
    { name: "2 vCPUs", levels: need.map(() => 2) },
    { name: "whatever is needed", levels: need.map(upTo) },
    { name: "the most of 10 s", levels: heldFor(10) },
    { name: "the most of a minute", levels: heldFor(60) },
    { name: "the need of a second ago", levels: need.map((_, i) => upTo(need[i - 1] ?? 0)) },
  ])("is never above $name", ({ levels }) => {
    const cost = scheduleCost(problem, Float64Array.from(levels));
    expect(best.bound).toBeLessThanOrEqual(cost);
    expect(best.cost).toBeLessThanOrEqual(cost);
  });
});

test.for([
  { min: 0.5, max: 16, second: 1, count: 32 },
  // 0.5, 1, … 12.5 and the largest.
  { min: 0.5, max: 12.75, second: 1, count: 26 },
  { min: 1, max: 1, second: undefined, count: 1 },
])("levels from $min to $max are whole quarters apart, both ends among them", (range) => {
  const wide = {
    ...noisy(),
    min: { cpu: range.min, memGib: 1 },
    max: { cpu: range.max, memGib: 8 },
  };
  const { levels } = optStarInput(wide, PRICES);
  expect(levels[0]).toBe(range.min);
  expect(levels[1]).toBe(range.second);
  expect(levels.at(-1)).toBe(range.max);
  expect(levels).toHaveLength(range.count);
});
