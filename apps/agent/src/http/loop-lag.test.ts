import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LoopLag } from "./loop-lag.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** `aheadMs`: how much later it is than the timers know. */
function start() {
  const lags: number[] = [];
  const clock = { aheadMs: 0 };
  const lag = new LoopLag(
    () => Date.now() + clock.aheadMs,
    (ms) => lags.push(ms),
  );
  lag.start();
  return { lag, lags, clock };
}

test("a timer that fires in time shows no lag, a late one shows how late", () => {
  const { lag, lags, clock } = start();
  vi.advanceTimersByTime(500);
  clock.aheadMs = 700;
  vi.advanceTimersByTime(500);
  expect(lags).toEqual([0, 700]);
  expect(lag.worstMs).toBe(700);
  lag.stop();
});

test("who asks before the late timer fires hears of it, and ten seconds later no more", () => {
  const { lag, clock } = start();
  clock.aheadMs = 6_500;
  expect(lag.worstMs).toBe(6_000);
  vi.advanceTimersByTime(500);
  expect(lag.worstMs).toBe(6_500);
  vi.advanceTimersByTime(10_000);
  expect(lag.worstMs).toBe(0);
  lag.stop();
});
