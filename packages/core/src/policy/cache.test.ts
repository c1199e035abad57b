// How long a cache that was missed is kept, and what is proven of it.
import { expect, test } from "vitest";
import { type MemorySample } from "../monitor/types.ts";
import { initialCache, learnCache, refaultBytesPerSec, type CacheState } from "./cache.ts";
import { PRESETS } from "./presets.ts";
import { type Series } from "./window.ts";

const MIB = 1024 ** 2;
const policy = PRESETS.default.memory;
const given = { toldBytes: 2048 * MIB, stepBytes: 128 * MIB, bareBytes: 512 * MIB };

/** Two readings a second apart, between which `pages` of the file cache were read back. */
function samples(now: number, pages: number, cachedMib = 600): Series<MemorySample> {
  const reading = (refaultedFilePages: number): MemorySample => ({
    totalBytes: 2000 * MIB,
    availableBytes: 1000 * MIB,
    anonBytes: 100 * MIB,
    shmemBytes: 100 * MIB,
    cachedBytes: cachedMib * MIB,
    swapTotalBytes: 0,
    swapFreeBytes: 0,
    somePressureMs: 0,
    blocks: null,
    counters: { refaultedFilePages, refaultedAnonPages: 0, allocationStalls: 0, oomKills: 0 },
  });
  return [
    { at: now - 1_000, value: reading(0) },
    { at: now, value: reading(pages) },
  ];
}

const MISSED = 100_000;
const miss = (state: CacheState, now: number) =>
  learnCache(state, samples(now, MISSED), given, policy, now);
const rest = (state: CacheState, now: number) =>
  learnCache(state, samples(now, 0), given, policy, now);

test("refaults are counted by the second, in bytes", () => {
  expect(refaultBytesPerSec(samples(5_000, 10), 5_000)).toBe(10 * 4096);
  expect(refaultBytesPerSec(samples(5_000, 0), 5_000)).toBe(0);
  expect(refaultBytesPerSec([], 5_000)).toBe(0);
});

test("exactly as fast as the policy bears is no proof", () => {
  const borne = { ...policy, refaultBytesPerSec: 10 * 4096 };
  const state = learnCache(initialCache(), samples(1_000, 10), given, borne, 1_000);
  expect(state.proven).toBeNull();
  const faster = learnCache(initialCache(), samples(1_000, 11), given, borne, 1_000);
  expect(faster.proven).not.toBeNull();
});

test("a cache that is read back is proven, a twentieth of the size more than there is", () => {
  const { proven } = miss(initialCache(), 1_000);
  expect(proven).toEqual({
    bytes: Math.round(500 * MIB + 0.05 * 2048 * MIB),
    since: 1_000,
    until: 1_000 + policy.cacheHoldMs,
  });
});

test("while it is proven, one step at a time: another miss at once only renews the hold", () => {
  const once = miss(initialCache(), 1_000);
  const soon = miss(once, 1_000 + policy.cacheProbeEveryMs - 1);
  expect(soon.proven?.bytes).toBe(once.proven?.bytes);
  expect(soon.proven?.until).toBe(1_000 + policy.cacheProbeEveryMs - 1 + policy.cacheHoldMs);
  const later = learnCache(
    once,
    samples(1_000 + policy.cacheProbeEveryMs, MISSED, 900),
    given,
    policy,
    1_000 + policy.cacheProbeEveryMs,
  );
  expect(later.proven?.bytes).toBeGreaterThan(once.proven?.bytes ?? Infinity);
});

test("missed again soon after it lapsed, it is kept four times as long, up to the most", () => {
  let state = miss(initialCache(), 0);
  let now = 0;
  const holds: number[] = [];
  for (let i = 0; i < 7; i += 1) {
    holds.push(state.holdMs);
    now += state.holdMs;
    state = rest(state, now);
    expect(state.proven).toBeNull();
    now += 1_000;
    state = miss(state, now);
  }
  const first = policy.cacheHoldMs;
  expect(holds.slice(0, 3)).toEqual([first, 4 * first, 16 * first]);
  expect(holds.at(-1)).toBe(policy.cacheHoldMaxMs);
});

test("missed long after it lapsed, it begins anew", () => {
  const once = miss(initialCache(), 0);
  const lapsed = rest(once, once.holdMs);
  const again = miss(lapsed, 2 * once.holdMs);
  expect(again.holdMs).toBe(policy.cacheHoldMs);
});
