// How much file cache is worth its memory, judged by what happens when it gets less: pages that are
// read back soon after they were dropped prove a need; where none are, the claim falls a little at
// a time, never past one step of it.
import { type MonoMs } from "../agent/types.ts";
import { type MemorySample } from "../monitor/types.ts";
import { type MemoryPolicy } from "./config.ts";
import { entryAgo, type Series } from "./window.ts";

/** Not a setting: what the kernel counts in. */
const PAGE_BYTES = 4096;
/** Not a setting: "per second" is what `refaultBytesPerSec` says. */
const REFAULT_WINDOW_MS = 1_000;

export type CacheState = Readonly<{
  /**
   * Cache that was read back after it was dropped, and until when it is kept. It may grow the VM.
   */
  proven: Readonly<{ bytes: number; since: MonoMs; until: MonoMs }> | null;
  /** How long the next proof counts, and when the last one ended: what is missed again is kept longer. */
  holdMs: number;
  lapsedAt: MonoMs;
  /** What a shrink leaves for the cache until it is known whether that is used. Bytes. */
  keptBytes: number;
  at: MonoMs | null;
}>;

export function initialCache(): CacheState {
  return { proven: null, holdMs: 0, lapsedAt: -Infinity, keptBytes: 0, at: null };
}

/** Bytes per second of cache that had been dropped and is read back, over the last second. */
export function refaultBytesPerSec(samples: Series<MemorySample>, now: MonoMs): number {
  const last = samples.at(-1);
  const then = entryAgo(samples, now, REFAULT_WINDOW_MS);
  if (last === undefined || then === null) return 0;
  // Counted since boot: a reading that has none is no zero.
  const [before, after] = [then.value.counters, last.value.counters];
  if (before === null || after === null) return 0;
  const pages = after.refaultedFilePages - before.refaultedFilePages;
  return (pages * PAGE_BYTES * 1000) / Math.max(last.at - then.at, REFAULT_WINDOW_MS);
}

/** Bytes. `bareBytes`: the size that would do if no cache counted. */
export type CacheGiven = Readonly<{ toldBytes: number; stepBytes: number; bareBytes: number }>;

/** One more sample (the last of `samples`). */
export function learnCache(
  before: CacheState,
  samples: Series<MemorySample>,
  given: CacheGiven,
  policy: MemoryPolicy,
  now: MonoMs,
): CacheState {
  const sample = samples.at(-1)?.value;
  if (sample === undefined) return before;
  const fileBytes = Math.max(0, sample.cachedBytes - sample.shmemBytes);
  if (refaultBytesPerSec(samples, now) > policy.refaultBytesPerSec) {
    return { ...raised(before, fileBytes, given, policy, now), keptBytes: fileBytes, at: now };
  }
  const keptBytes = probed(before, fileBytes, given, policy, now);
  const hasLapsed = before.proven !== null && now >= before.proven.until;
  if (!hasLapsed) return { ...before, keptBytes, at: now };
  return { ...before, proven: null, lapsedAt: now, keptBytes, at: now };
}

/**
 * One step more than there is now, one step at a time, and the hold begins anew. A cache that was let go and is missed
 * soon after is kept much longer the next time.
 */
function raised(
  before: CacheState,
  fileBytes: number,
  { toldBytes }: CacheGiven,
  policy: MemoryPolicy,
  now: MonoMs,
): CacheState {
  const { proven } = before;
  const isMissedAgain = proven === null && now < before.lapsedAt + before.holdMs;
  const holdMs = isMissedAgain
    ? Math.min(policy.againFactor * before.holdMs, policy.cacheHoldMaxMs)
    : proven === null
      ? policy.cacheHoldMs
      : before.holdMs;
  const until = now + holdMs;
  const isTooSoon = proven !== null && now < proven.since + policy.cacheProbeEveryMs;
  if (isTooSoon) return { ...before, proven: { ...proven, until } };
  const bytes = Math.max(proven?.bytes ?? 0, fileBytes + policy.cacheStepShare * toldBytes);
  return { ...before, holdMs, proven: { bytes: Math.round(bytes), since: now, until } };
}

/**
 * The claim falls with time, but no further than one shrink below the cache that is there, or below
 * the size it fills: whether less is enough shows only after the cache has become smaller.
 */
function probed(
  before: CacheState,
  fileBytes: number,
  { toldBytes, stepBytes, bareBytes }: CacheGiven,
  policy: MemoryPolicy,
  now: MonoMs,
): number {
  if (before.at === null) return fileBytes;
  const perMs = (policy.cacheProbeShare * toldBytes) / policy.cacheProbeEveryMs;
  const fallen = before.keptBytes - perMs * (now - before.at);
  const oneShrink = Math.ceil((policy.cacheShrinkShare * toldBytes) / stepBytes) * stepBytes;
  const least = Math.min(fileBytes, toldBytes - bareBytes) - oneShrink;
  return Math.min(Math.max(fallen, least, 0), fileBytes);
}
