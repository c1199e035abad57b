// Means by hand, intervals where they are known, and how often a 95 % interval holds the truth.
import { describe, expect, test } from "vitest";
import {
  excludes,
  geometricMean,
  geometricMeanInterval,
  pairedDifferenceInterval,
  pairedRatioInterval,
  type SamplePair,
} from "./bootstrap.ts";
import { Random } from "./random.ts";

const at = (source: string, ...values: readonly number[]) =>
  values.map((value) => ({ source, value }));

describe("the mean", () => {
  test("within a source, then over sources", () => {
    // √(1 · 4) = 2 and 8: √(2 · 8) = 4. Over all three at once it would be 3.17.
    expect(geometricMean([...at("a", 1, 4), ...at("b", 8)])).toBeCloseTo(4, 12);
  });

  test.for([[at("a", 1, 0)], [at("a", -1)], [at("a", NaN)], [at("a", Infinity)], [[]]])(
    "of %j does not exist",
    ([samples]) => {
      expect(() => geometricMean(samples ?? [])).toThrow();
    },
  );
});

describe("the interval", () => {
  test("of equal ratios is a point", () => {
    const interval = geometricMeanInterval(at("a", 1.5, 1.5, 1.5));
    for (const value of Object.values(interval)) expect(value).toBeCloseTo(1.5, 12);
  });

  test("of two values reaches from one to the other: each is drawn twice in a quarter of the cases", () => {
    const { mean, low, high } = geometricMeanInterval(at("a", 1, 4));
    expect([mean, low, high].map((value) => Number(value.toFixed(9)))).toEqual([2, 1, 4]);
  });

  test("keeps each source: one sample each can't be drawn differently", () => {
    const { low, high } = geometricMeanInterval([...at("a", 2), ...at("b", 8)]);
    expect(low).toBeCloseTo(4, 12);
    expect(high).toBeCloseTo(4, 12);
  });

  test("is the same for the same seed, and another for another", () => {
    const samples = at("a", 1, 2, 3, 4, 5, 6, 7);
    const one = geometricMeanInterval(samples, { seed: 3, resamples: 200 });
    expect(geometricMeanInterval(samples, { seed: 3, resamples: 200 })).toEqual(one);
    expect(geometricMeanInterval(samples, { seed: 4, resamples: 200 })).not.toEqual(one);
  });
});

describe("pairs", () => {
  /** Costs that differ a hundredfold between traces, and by a tenth between policies. */
  const pairs: readonly SamplePair[] = Array.from({ length: 20 }, (_, i) => {
    const theirs = 10 ** (i / 10);
    return { source: "a", mine: theirs * (0.9 + 0.001 * (i % 5)), theirs };
  });

  test("a tenth less is told from chance though traces differ a hundredfold", () => {
    const interval = pairedRatioInterval(pairs);
    expect(interval.mean).toBeCloseTo(0.902, 4);
    expect(interval.high).toBeLessThan(0.903);
    expect(excludes(interval, 1)).toBe(true);
  });

  test("the same on both sides is no difference", () => {
    const same = pairs.map(({ source, mine }) => ({ source, mine, theirs: mine }));
    expect(excludes(pairedRatioInterval(same), 1)).toBe(false);
    expect(pairedDifferenceInterval(same)).toEqual({ mean: 0, low: 0, high: 0 });
  });

  test("counts may be 0", () => {
    const kills = [0, 0, 3, 1].map((theirs) => ({ source: "a", mine: 0, theirs }));
    expect(pairedDifferenceInterval(kills).mean).toBe(-1);
    expect(() => pairedRatioInterval(kills)).toThrow("no ratio of 0 to 0");
  });
});

test("of 200 intervals of 40 normal values about 95 % hold the mean", () => {
  const random = new Random(11, "coverage");
  let held = 0;
  for (let trial = 0; trial < 200; trial += 1) {
    const pairs = Array.from({ length: 40 }, () => ({
      source: "a",
      mine: 3 + random.normal(),
      theirs: 1,
    }));
    const interval = pairedDifferenceInterval(pairs, { seed: trial, resamples: 2_000 });
    if (!excludes(interval, 2)) held += 1;
  }
  expect(held / 200).toBeGreaterThan(0.88);
  expect(held / 200).toBeLessThan(0.99);
});
