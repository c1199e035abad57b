import { expect, test } from "vitest";
import { parseDuration } from "./quantities.ts";

test.for<[unknown, number | null]>([
  ["500ms", 500],
  ["0s", 0],
  ["30s", 30_000],
  ["1.5 h", 5_400_000],
  ["10 min", 600_000],
  ["10m", 600_000],
  ["10", null],
  ["", null],
  ["-1s", null],
  ["1e3s", null],
  ["1 day", null],
  ["99999999999s", null],
  [30, null],
  [null, null],
])("%j is %j milliseconds", ([text, ms]) => {
  expect(parseDuration(text)).toBe(ms);
});
