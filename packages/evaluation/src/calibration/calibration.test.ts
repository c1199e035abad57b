// The kept measurement is one: dated, of a named machine, of enough samples, and nowhere beyond what can be.
import { describe, expect, test } from "vitest";
import { actuatorOf } from "./actuator.ts";
import { TCG_CALIBRATION } from "./tcg.ts";
import { type Calibration, type Spread } from "./types.ts";

const kept: Calibration = TCG_CALIBRATION;
const { resizeCost, partialUnplugs, memUpSteps, memDownSteps } = kept;

/** Between what measurements of a real machine must lie, whichever it is: milliseconds, or bytes per second. */
const LIMITS: readonly (readonly [keyof Calibration, Spread | null, number, number])[] = [
  ["cpuUpMs", kept.cpuUpMs, 1, 30_000],
  ["cpuSeenMs", kept.cpuSeenMs, 1, 30_000],
  ["cpuOnlineMs", kept.cpuOnlineMs, 0.1, 10_000],
  ["cpuOfflineMs", kept.cpuOfflineMs, 0.1, 10_000],
  ["quotaDownMs", kept.quotaDownMs, 0.1, 1_000],
  ["quotaUpMs", kept.quotaUpMs, 0.1, 1_000],
  ["memUpFixedMs", kept.memUpFixedMs, 0.1, 10_000],
  ["memUpBytesPerSec", kept.memUpBytesPerSec, 1e8, 1e12],
  ["memDownFixedMs", kept.memDownFixedMs, 0.1, 10_000],
  ["memDownBytesPerSec", kept.memDownBytesPerSec, 1e7, 1e11],
  ["pageInLoopBytesPerSec", kept.pageInLoopBytesPerSec, 1e6, 1e11],
  ["pageInMemsetBytesPerSec", kept.pageInMemsetBytesPerSec, 1e6, 1e11],
];

describe("the calibration that is kept", () => {
  test("has a date and a machine", () => {
    expect(new Date(kept.measuredAt).toISOString()).toBe(kept.measuredAt);
    expect(Date.parse(kept.measuredAt)).toBeGreaterThan(Date.parse("2026-11-01"));
    expect(kept.machine.cores).toBeGreaterThan(0);
    expect(kept.machine.qemu).toMatch(/^\d+\.\d+/);
    expect(kept.profile).toBe("tcg");
  });

  test.for(LIMITS)("%s is possible", ([, spread, least, most]) => {
    if (spread === null) return; // no CPU cgroup where it was measured, said so in the data
    expectSpread(spread);
    expect(spread.median).toBeGreaterThanOrEqual(least);
    expect(spread.median).toBeLessThanOrEqual(most);
  });

  test("tells each size apart, larger ones taking longer", () => {
    for (const steps of [memUpSteps, memDownSteps]) {
      expect(steps.length).toBeGreaterThanOrEqual(3);
      steps.forEach(expectSpread);
      const sorted = [...steps].sort((a, b) => a.bytes - b.bytes);
      expect(steps).toEqual(sorted);
      expect(steps.at(-1)?.median).toBeGreaterThan(steps[0]?.median ?? Infinity);
    }
  });

  test("counts unplugs, and what they gave", () => {
    for (const { n, partial, share, doneShare } of Object.values(partialUnplugs)) {
      expect(n).toBeGreaterThanOrEqual(10);
      expect(partial).toBeLessThanOrEqual(n);
      expect(share).toBeCloseTo(partial / n, 3);
      expect(doneShare).toBeGreaterThan(0);
      expect(doneShare).toBeLessThanOrEqual(1);
    }
  });

  test("prices resizes", () => {
    Object.values(resizeCost).forEach(expectSpread);
    expect(resizeCost.memUnplugMsPer128MiB.median).toBeGreaterThan(0);
  });

  test("as an actuator: seconds and GiB, from the medians", () => {
    const actuator = actuatorOf(kept);
    expect(actuator.cpuUpSec).toBe(kept.cpuUpMs.median / 1000);
    expect(actuator.memDownGibPerSec).toBeCloseTo(kept.memDownBytesPerSec.median / 2 ** 30, 9);
    expect(actuator.partialUnplugShare).toBe(
      (partialUnplugs.idle.partial + partialUnplugs.used.partial) /
        (partialUnplugs.idle.n + partialUnplugs.used.n),
    );
    expect(actuatorOf({ ...kept, quotaDownMs: null }).cpuDownSec).toBe(
      kept.cpuOfflineMs.median / 1000,
    );
  });
});

function expectSpread({ n, median, p10, p90 }: Spread): void {
  expect(n).toBeGreaterThanOrEqual(10);
  expect(p10).toBeLessThanOrEqual(median);
  expect(median).toBeLessThanOrEqual(p90);
}
