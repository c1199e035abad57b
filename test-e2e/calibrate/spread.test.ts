// The arithmetic of the calibration, on figures whose answer is known.
import { expect, test } from "vitest";
import { lostMs } from "./cost.ts";
import { lineOf, spreadOf, stepsOf } from "./spread.ts";

const MIB = 1024 * 1024;
const time = (mib: number, ms: number) => ({ bytes: mib * MIB, ms });

test("a spread is of values that were seen", () => {
  const values = [5, 1, 9, 3, 7, 2, 8, 4, 6, 10];
  expect(spreadOf(values)).toEqual({ n: 10, median: 5, p10: 1, p90: 9 });
  expect(() => spreadOf([])).toThrow("nothing was measured");
});

test("a line: a fixed part and a rate, one stall notwithstanding", () => {
  const times = [128, 256, 512, 1024].flatMap((mib) => [time(mib, 50 + mib), time(mib, 50 + mib)]);
  const { fixedMs, bytesPerSec } = lineOf([...times, time(256, 9_000)]);
  expect(fixedMs.median).toBeCloseTo(50);
  expect(bytesPerSec).toMatchObject({ n: 9, median: Number((1_000 * MIB).toPrecision(4)) });
  expect(stepsOf(times).map(({ bytes, median }) => [bytes / MIB, median])).toEqual([
    [128, 178],
    [256, 306],
    [512, 562],
    [1024, 1074],
  ]);
});

test("times that do not grow with the size make no rate", () => {
  const times = [time(128, 300), time(256, 200), time(512, 100)];
  expect(() => lineOf(times)).toThrow("more bytes do not take longer");
});

test("lost work is what is missing, by the usual work of the same run", () => {
  const work = new Array<number>(200).fill(40);
  expect(lostMs(work, 1_000, 1_200)).toBe(0);
  // Half the work in ten windows of 10 ms, and none in five.
  const cut = work.map((one, at) => (at >= 100 && at < 110 ? 20 : at >= 110 && at < 115 ? 0 : one));
  expect(lostMs(cut, 1_000, 1_200)).toBeCloseTo(100);
});
