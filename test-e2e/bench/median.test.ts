import { expect, test } from "vitest";
import { medianInterval } from "./median.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

// Ranks as tables of the sign test give them.
test.for([
  [6, 1, 6],
  [8, 1, 8],
  [9, 2, 8],
  [12, 3, 10],
  [20, 6, 15],
  [25, 8, 18],
  [50, 18, 33],
])("of %i values: from the %ith to the %ith", ([count = 0, low, high]) => {
  const shuffled = upTo(count).sort((a, b) => ((a * 7) % 13) - ((b * 7) % 13));
  expect(medianInterval(shuffled)).toEqual({ median: (count + 1) / 2, low, high });
});

test("of five values it can't be told", () => {
  expect(medianInterval([5, 1, 4, 2, 3])).toEqual({ median: 3, low: NaN, high: NaN });
  expect(medianInterval([])).toEqual({ median: NaN, low: NaN, high: NaN });
});

test("it holds the true median 19 times in 20", () => {
  // A generator of its own, so that the test is the same each time.
  let seed = 20_261_126;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const tries = 2_000;
  let held = 0;
  for (let attempt = 0; attempt < tries; attempt += 1) {
    // Skewed: the true median is ln 2.
    const { low, high } = medianInterval(upTo(20).map(() => -Math.log(random())));
    if (low <= Math.LN2 && Math.LN2 <= high) held += 1;
  }
  expect(held / tries).toBeGreaterThan(0.94);
  expect(held / tries).toBeLessThan(0.98);
});
