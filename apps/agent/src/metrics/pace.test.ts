import { expect, test } from "vitest";
import { firstDelayMs, nextDelayMs } from "./pace.ts";

test.for([
  { luck: 0, first: 0, next: 4_650 },
  { luck: 0.25, first: 1_250, next: 4_775 },
  { luck: 0.5, first: 2_500, next: 4_900 },
  { luck: 1, first: 5_000, next: 5_150 },
])("luck $luck: first after $first ms, then $next ms behind one of 100 ms", (row) => {
  expect(firstDelayMs(5_000, row.luck)).toBe(row.first);
  expect(nextDelayMs(5_000, 100, row.luck)).toBeCloseTo(row.next, 6);
});

test("behind one that took longer than a period, at once", () => {
  expect(nextDelayMs(5_000, 6_000, 0.5)).toBe(0);
});
