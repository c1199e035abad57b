import { expect, test } from "vitest";
import {
  addPeak,
  addThinned,
  addTo,
  entryAgo,
  peakOf,
  postponePeaks,
  releaseOf,
  type PeakWindow,
  type Series,
} from "./window.ts";

const peaks = (values: readonly (readonly [number, number])[], holdMs = 100): PeakWindow =>
  values.reduce<PeakWindow>((window, [at, value]) => addPeak(window, value, at, holdMs), []);

test.for([
  { name: "nothing yet", values: [], at: 0, want: null },
  { name: "one value", values: [[0, 5]] as const, at: 50, want: 5 },
  {
    name: "a peak outlasts what follows",
    values: [
      [0, 9],
      [50, 3],
    ] as const,
    at: 99,
    want: 9,
  },
  {
    name: "and ends with the hold",
    values: [
      [0, 9],
      [50, 3],
    ] as const,
    at: 100,
    want: 3,
  },
  {
    name: "a rise replaces all before",
    values: [
      [0, 3],
      [10, 7],
    ] as const,
    at: 105,
    want: 7,
  },
  {
    name: "a repeated value counts from its last time",
    values: [
      [0, 7],
      [60, 7],
    ] as const,
    at: 150,
    want: 7,
  },
  { name: "all too old", values: [[0, 9]] as const, at: 1_000, want: null },
])("$name: $want", ({ values, at, want }) => {
  expect(peakOf(peaks(values), at, 100)).toBe(want);
});

test("a staircase holds falling values only, however many come", () => {
  let window: PeakWindow = [];
  for (let at = 0; at < 10_000; at += 10) window = addPeak(window, (at * 37) % 8, at, 1_000);
  const values = window.map((entry) => entry.value);
  expect(values).toEqual([...values].sort((a, b) => b - a));
  expect(window.length).toBeLessThanOrEqual(8); // as many as there are cells
});

test("time that was not watched does not count", () => {
  const window = postponePeaks(peaks([[0, 9]]), 500);
  expect(peakOf(window, 550, 100)).toBe(9);
  expect(peakOf(window, 600, 100)).toBeNull();
});

test("a series keeps the last entry that is older than the window", () => {
  let series = addTo<string>([], "a", 0, 100);
  for (const [at, value] of [
    [50, "b"],
    [120, "c"],
    [160, "d"],
  ] as const) {
    series = addTo(series, value, at, 100);
  }
  expect(series.map((entry) => entry.value)).toEqual(["b", "c", "d"]);
  expect(entryAgo(series, 160, 100)?.value).toBe("b");
  expect(entryAgo(series, 160, 40)?.value).toBe("c");
  expect(entryAgo(series, 160, 1_000)?.value).toBe("b"); // the oldest there is
  expect(entryAgo([], 0, 0)).toBeNull();
});

test.for([
  { name: "all of it is old: the last one before stays", ages: [900, 500], kept: [500] },
  {
    name: "one before those that are new enough stays",
    ages: [900, 500, 60, 20],
    kept: [500, 60, 20],
  },
  { name: "nothing is old", ages: [99, 20], kept: [99, 20] },
  { name: "exactly that old is old", ages: [200, 100, 20], kept: [100, 20] },
  { name: "there is nothing yet", ages: [], kept: [] },
])("a series forgets what is older than 100 ms; $name", ({ ages, kept }) => {
  const series = ages.map((age) => ({ at: 1_000 - age, value: age }));
  expect(addTo(series, 0, 1_000, 100).map(({ value }) => value)).toEqual([...kept, 0]);
});

test("a thinned series is dense where it is new, and reaches as far back", () => {
  let series: Series<number> = [];
  const density = { keepMs: 10_000, fineMs: 1_000, coarseMs: 1_000 };
  for (let at = 0; at <= 60_000; at += 100) series = addThinned(series, at, at, density);
  expect(series.length).toBeLessThanOrEqual(22);
  const ages = series.map((entry) => 60_000 - entry.at);
  expect(ages.filter((age) => age <= 900)).toEqual([
    900, 800, 700, 600, 500, 400, 300, 200, 100, 0,
  ]);
  expect(ages[0]).toBeGreaterThanOrEqual(10_000);
  expect(ages[0]).toBeLessThanOrEqual(11_000);
  expect(Math.max(...ages.slice(1).map((age, index) => (ages[index] ?? 0) - age))).toBeLessThan(
    2_000,
  );
});

test("what is due soon is released with what is due now", () => {
  const window = peaks([
    [0, 9],
    [5, 6],
    [50, 2],
  ]);
  expect(releaseOf(window, 99, 100, 0.1)).toEqual({ due: 9, to: 2 });
  expect(releaseOf(window, 99, 100, 0.01)).toEqual({ due: 9, to: 6 });
  expect(releaseOf(window, 102, 100, 0.1)).toEqual({ due: 6, to: 2 });
  expect(releaseOf(window, 60, 100, 0.1)).toEqual({ due: 9, to: 9 });
  expect(releaseOf([], 0, 100, 0.1)).toBeNull();
});
