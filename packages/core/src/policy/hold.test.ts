import { describe, expect, test } from "vitest";
import {
  holdMsOf,
  idleUnitSec,
  initialHold,
  learnHold,
  rememberMs,
  type HoldPolicy,
} from "./hold.ts";
import { addPeak, type PeakWindow } from "./window.ts";

const policy: HoldPolicy = {
  holdMs: 4_000,
  holdMinMs: 1_000,
  holdMaxMs: 32_000,
  resizeUnitSec: 4,
  regretSec: 2,
  forgetMs: 600_000,
  tieShare: 0.02,
  worthUnitSec: 0,
  togetherShare: 0.1,
};
const GIVEN = { perUnit: 1000, staleMs: 2_000 };

/** A need that goes up and down, in units, read four times a second; the hold that was learned. */
function learned(need: (sec: number) => number, sec: number, with_: Partial<HoldPolicy> = {}) {
  let window: PeakWindow = [];
  let state = initialHold();
  const all = { ...policy, ...with_ };
  for (let now = 0; now <= sec * 1000; now += 250) {
    window = addPeak(window, need(now / 1000) * 1000, now, rememberMs(policy));
    state = learnHold(state, window, GIVEN, all, now);
  }
  return { holdMs: holdMsOf(state, all), state };
}

const square = (halfSec: number, low: number, high: number) => (sec: number) =>
  Math.floor(sec / halfSec) % 2 === 0 ? low : high;

describe("the hold that is learned", () => {
  test.for([
    // Kept through: 3 units idle for 2 s cost 6, giving them back and taking them again 2 · 4 + 3 · 2.
    { name: "short gaps are held through", need: square(2, 1, 4), holdMs: 32_000 },
    // 3 units idle for 60 s cost 180: the sooner they go the better.
    { name: "long gaps are not waited for", need: square(60, 1, 4), holdMs: 2_000 },
    // A quarter of a unit idle for 20 s costs 5, less than two resizes.
    { name: "a small unit is not worth a resize", need: square(20, 1, 1.25), holdMs: 32_000 },
    { name: "where nothing changes, patience costs nothing", need: () => 2, holdMs: 32_000 },
  ])("$name", ({ need, holdMs }) => {
    expect(learned(need, 600).holdMs).toBe(holdMs);
  });

  test("what was long ago is forgotten", () => {
    const need = (sec: number) => (sec < 600 ? square(2, 1, 4)(sec) : square(60, 1, 4)(sec));
    expect(learned(need, 600).holdMs).toBe(32_000);
    expect(learned(need, 3_600).holdMs).toBeLessThanOrEqual(4_000);
  });

  test("by half in forgetMs", () => {
    const before = { ...initialHold(), levels: [0], idle: [0], costs: [8], at: 0 };
    expect(learnHold(before, [], GIVEN, policy, policy.forgetMs).costs[0]).toBe(4);
  });

  test("half a unit is released once it has been idle for what a release is worth", () => {
    const need = (sec: number) => (sec < 10 ? 2 : 1.5);
    const levelAfter = (sec: number) => learned(need, sec, { worthUnitSec: 5 }).state.levels[0];
    expect(levelAfter(16)).toBe(2);
    expect(levelAfter(30)).toBe(1.5);
  });

  test("the price of a resize moves the choice", () => {
    const need = square(10, 1, 2);
    expect(learned(need, 600, { resizeUnitSec: 1, regretSec: 0 }).holdMs).toBe(1_000);
    expect(learned(need, 600, { resizeUnitSec: 8 }).holdMs).toBe(32_000);
  });

  test("one hold alone is fixed; and so is it when the range makes no sense", () => {
    for (const range of [
      { holdMinMs: 4_000, holdMaxMs: 4_000 },
      { holdMinMs: 0, holdMaxMs: 4_000 },
      { holdMinMs: 9_000, holdMaxMs: 1_000 },
    ]) {
      expect(learned(square(60, 1, 4), 300, range)).toMatchObject({ holdMs: 4_000 });
    }
  });

  test("who forgets at once has sums that are numbers still", () => {
    const { state } = learned(square(2, 1, 4), 60, { forgetMs: 0 });
    expect(state.costs.every(Number.isFinite)).toBe(true);
  });

  test("a pause in the readings costs nobody anything", () => {
    const window = addPeak([], 4_000, 0, rememberMs(policy));
    const before = learnHold(initialHold(), window, GIVEN, policy, 0);
    const later = addPeak(window, 4_000, 500_000, rememberMs(policy));
    const after = learnHold(before, later, GIVEN, policy, 500_000);
    expect(after.costs).toEqual(before.costs);
    const slow = { ...GIVEN, staleMs: 600_000 };
    expect(learnHold(before, later, slow, policy, 500_000).costs[0]).toBeGreaterThan(0);
  });
});

describe("how long it has been idle altogether", () => {
  const window: PeakWindow = [
    { at: 10_000, value: 4_000 },
    { at: 40_000, value: 3_000 },
    { at: 60_000, value: 1_000 },
  ];
  test.for([
    { name: "nothing above the level", to: 4_000, level: 4_000, want: 0 },
    { name: "one unit since it was needed", to: 3_000, level: 4_000, want: 60 },
    { name: "and two more for a shorter time", to: 1_000, level: 4_000, want: 60 + 2 * 30 },
    { name: "half of a step", to: 2_000, level: 3_000, want: 30 },
    { name: "what the window does not know", to: 4_000, level: 5_500, want: 1.5 * 90 },
    { name: "below the last need", to: 500, level: 3_000, want: 2 * 30 + 0.5 * 10 },
  ])("$name", ({ to, level, want }) => {
    const span = { to, level, perUnit: 1000, unseenMs: 90_000 };
    expect(idleUnitSec(window, span, 70_000)).toBeCloseTo(want, 9);
  });
});
