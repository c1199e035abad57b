// How much memory is needed: what can't be reclaimed, where its slope leads, a reserve, the cache
// that is really used, and what the kernel keeps. It decides amounts in bytes of RAM as QEMU gives
// it, and when nothing may be released.
import { type MonoMs } from "../agent/types.ts";
import { type MemorySample } from "../monitor/types.ts";
import { initialCache, learnCache, refaultBytesPerSec, type CacheState } from "./cache.ts";
import { type MemoryPolicy } from "./config.ts";
import { vetoOf } from "./calm.ts";
import { kernelShare, learnKernel, withKernel, type KernelState } from "./kernel.ts";
import { initialOom, learnOom, type OomState } from "./oom.ts";
import { keptReserve } from "./reserve.ts";
import {
  addPeak,
  addThinned,
  entryAgo,
  peakOf,
  type Density,
  type PeakWindow,
  type Series,
} from "./window.ts";

const MIB = 1024 * 1024;

/** Not a setting: the previous reading, ten a second, even when it came a little early. */
const PREVIOUS_MS = 80;
/** Not a setting: shorter intervals say nothing about a share of time. */
const LEAST_WINDOW_MS = 80;
/** Not a setting, it decides nothing: how much longer every sample is kept than slopes need, for readings that come late. */
const LATE_MS = 200;
/** Not a setting, it decides nothing: of what is older one sample in so long is enough, for it changes slowly. */
const COARSE_MS = 1_000;

export type MemoryState = Readonly<{
  samples: Series<MemorySample>;
  /** What the kernel kept for its own use within `calmWindowMs`, negated: its peaks are the least of it. */
  ownTroughs: PeakWindow;
  kernel: KernelState;
  cache: CacheState;
  oom: OomState;
}>;

/** What the size is judged against. */
export type MemoryGiven = Readonly<{
  /** The VM's RAM by what the agent reports, bytes. */
  toldBytes: number;
  /** rMax × tReact, see reserve.ts. How much of it is kept depends on what is in use. */
  reserveBytes: number;
  /** Smallest step of the size, bytes. */
  stepBytes: number;
}>;

/** All in bytes of RAM as QEMU gives it. */
export type MemoryNeed = Readonly<{
  /** Below this it must grow. */
  needBytes: number;
  /** Then it grows to this: further along the slope, so that one jump is enough. */
  aimBytes: number;
  /** Above this it may shrink: cache that may still be in use is in it. */
  keepBytes: number;
  /** What can't be given back, the kernel and a margin: nothing smaller is ever asked for. */
  safeBytes: number;
  reason: "memory" | "memory-emergency" | "cache";
  /** Why nothing may be released now; null when it may. */
  veto: string | null;
  inputs: Readonly<Record<string, number | null>>;
}>;

export function initialMemory(): MemoryState {
  return {
    samples: [],
    ownTroughs: [],
    kernel: null,
    cache: initialCache(),
    oom: initialOom(),
  };
}

/** Bytes of processes, shared memory and swap: they stay until somebody frees them. */
export function heldBytes(sample: MemorySample): number {
  return sample.anonBytes + sample.shmemBytes + swappedBytes(sample);
}

/**
 * Everything the kernel could not hand out: `heldBytes` and its own slabs, tables and margins.
 * Memory that is just being unplugged is isolated, a block at a time, and for that moment not
 * available either: taken for use it would undo every shrink, so of the kernel's part the least of
 * `calmWindowMs` counts.
 */
function takenBytes(
  state: MemoryState,
  sample: MemorySample,
  policy: MemoryPolicy,
  now: MonoMs,
): number {
  const least = -(peakOf(state.ownTroughs, now, policy.calmWindowMs) ?? 0);
  return residentBytes(sample) + Math.max(0, least);
}

/** In whole MiB: on a grid the window stays short. */
function ownBytes(sample: MemorySample): number {
  const bytes = sample.totalBytes - sample.availableBytes - residentBytes(sample);
  return Math.floor(bytes / MIB) * MIB;
}

function residentBytes(sample: MemorySample): number {
  return sample.anonBytes + sample.shmemBytes;
}

/** One more sample, and what is needed by it. */
export function senseMemory(
  before: MemoryState,
  sample: MemorySample,
  given: MemoryGiven,
  policy: MemoryPolicy,
  now: MonoMs,
): readonly [MemoryState, MemoryNeed] {
  const learned = learn(before, sample, given, policy, now);
  const { toldBytes } = given;
  const kernel = kernelShare(learned.kernel, sample, toldBytes);
  const held = heldBytes(sample);
  const taken = takenBytes(learned, sample, policy, now);
  const sizeFor = (bytes: number) => Math.round(withKernel(bytes, kernel, toldBytes));
  const reserve = (more: number) => keptReserve(given.reserveBytes, kernel + taken + more, policy);
  const base = (more: number) => Math.max((held + more) / policy.fillShare, taken + more);
  // Cache is let go in an instant: it is a reserve too, and the larger of the two is enough.
  const room = (more: number, cacheBytes: number) =>
    base(more) + Math.max(reserve(more), cacheBytes);

  const lead = surgeBytes(learned, policy.leadMs, policy, now);
  const farther = surgeBytes(learned, policy.leadMs + policy.aheadMs, policy, now);
  const safeBytes = Math.round(held + kernel + policy.safetyBytes);
  const bareBytes = Math.max(fitBytes(learned, sample, given, policy, now), safeBytes);
  const emptyBytes = sizeFor(base(0));
  const cacheGiven = { toldBytes, stepBytes: given.stepBytes, bareBytes: emptyBytes };
  const cache = learnCache(learned.cache, learned.samples, cacheGiven, policy, now);
  const state: MemoryState = { ...learned, cache };
  const proven = cache.proven?.bytes ?? 0;
  const lessonBytes = state.oom.lesson?.bytes ?? 0;
  let needBytes = Math.max(sizeFor(room(lead, proven)), lessonBytes);
  let aimBytes = Math.max(sizeFor(room(farther, proven)), lessonBytes);
  const others = Math.max(sizeFor(room(lead, 0)), lessonBytes);
  const isForCache = needBytes > toldBytes && others <= toldBytes;
  let reason: MemoryNeed["reason"] = isForCache ? "cache" : "memory";
  const overflow = emergencyBytes(state, sample, policy, now);
  if (overflow !== null) {
    needBytes = Math.max(needBytes, Math.round(policy.emergencyFactor * toldBytes + overflow));
    aimBytes = Math.max(aimBytes, needBytes);
    reason = "memory-emergency";
  }
  const keepBytes = Math.max(needBytes, bareBytes, emptyBytes + cache.keptBytes);
  const inputs = {
    heldBytes: held,
    takenBytes: taken,
    slopeBytesPerSec: Math.round(slopeOf(state, policy, now)),
    leadBytes: Math.round(lead),
    availableBytes: sample.availableBytes,
    reserveBytes: reserve(lead),
    kernelBytes: kernel,
    cacheBytes: Math.round(Math.max(proven, cache.keptBytes)),
    overflowBytes: overflow,
    ...(lessonBytes > 0 && { lessonBytes }),
    ...(sample.cgroup && { cgroupBytes: sample.cgroup.currentBytes }),
  };
  const veto = overflow === null ? vetoOf(state, policy, now) : "memory is running out";
  return [
    state,
    { needBytes, aimBytes, keepBytes: Math.round(keepBytes), safeBytes, reason, veto, inputs },
  ];
}

/**
 * The smallest size at which what is in use now fits, with the reserve kept: what a shrink is
 * judged by. It asks for a little more than growth does, so that both never chase each other.
 * Bytes.
 */
export function lowestSafeBytes(
  state: MemoryState,
  given: MemoryGiven,
  policy: MemoryPolicy,
  now: MonoMs,
): number | null {
  const last = state.samples.at(-1)?.value;
  if (last === undefined || state.samples.length < 2) return null;
  return fitBytes(state, last, given, policy, now);
}

/** What the kernel keeps of the present size, bytes; null before the first sample. */
export function kernelBytesNow(state: MemoryState, toldBytes: number): number | null {
  const last = state.samples.at(-1)?.value;
  return last === undefined ? null : kernelShare(state.kernel, last, toldBytes);
}

/** True while dropped cache is being read back faster than the policy bears. */
export function isCacheShort(state: MemoryState, policy: MemoryPolicy, now: MonoMs): boolean {
  return refaultBytesPerSec(state.samples, now) > policy.refaultBytesPerSec;
}

function learn(
  before: MemoryState,
  sample: MemorySample,
  { toldBytes }: MemoryGiven,
  policy: MemoryPolicy,
  now: MonoMs,
): MemoryState {
  const samples = addThinned(before.samples, sample, now, densityOf(policy));
  return {
    samples,
    ownTroughs: addPeak(before.ownTroughs, -ownBytes(sample), now, policy.calmWindowMs),
    kernel: learnKernel(before.kernel, sample, toldBytes, now),
    cache: before.cache,
    oom: learnOom(before.oom, samples, toldBytes, policy, now),
  };
}

function fitBytes(
  state: MemoryState,
  sample: MemorySample,
  given: MemoryGiven,
  policy: MemoryPolicy,
  now: MonoMs,
): number {
  const { toldBytes } = given;
  const kernel = kernelShare(state.kernel, sample, toldBytes);
  const lead = surgeBytes(state, policy.leadMs, policy, now);
  const taken = takenBytes(state, sample, policy, now) + lead;
  const reserve = keptReserve(given.reserveBytes, kernel + taken, policy);
  const byHeld = (heldBytes(sample) + lead + reserve) / policy.fillShare;
  const byTaken = taken + reserve;
  return Math.ceil(withKernel(Math.max(byHeld, byTaken), kernel, toldBytes));
}

/** Windows need every reading of their time; what is looked at beyond that changes slowly. */
function densityOf({ calmWindowMs, slopeWindowMs, emergencyWindowMs }: MemoryPolicy): Density {
  const fineMs = Math.max(slopeWindowMs, emergencyWindowMs) + LATE_MS;
  return { keepMs: Math.max(calmWindowMs, fineMs), fineMs, coarseMs: COARSE_MS };
}

/**
 * What a growth in progress adds within `aheadMs`: along its slope, not far beyond what was seen.
 */
function surgeBytes(
  state: MemoryState,
  aheadMs: number,
  policy: MemoryPolicy,
  now: MonoMs,
): number {
  const last = state.samples.at(-1);
  if (last === undefined) return 0;
  let least = heldBytes(last.value);
  for (const { at, value } of state.samples) {
    if (at >= now - policy.slopeWindowMs) least = Math.min(least, heldBytes(value));
  }
  const seen = heldBytes(last.value) - least;
  const along = (slopeOf(state, policy, now) * aheadMs) / 1000;
  return Math.min(along, seen * policy.surgeFactor, policy.leadMaxBytes);
}

/**
 * Bytes per second at which held memory grows: the steeper of the last reading and `slopeWindowMs`.
 */
function slopeOf(state: MemoryState, policy: MemoryPolicy, now: MonoMs): number {
  const last = state.samples.at(-1);
  if (last === undefined) return 0;
  let steepest = 0;
  for (const windowMs of [PREVIOUS_MS, policy.slopeWindowMs]) {
    const then = entryAgo(state.samples, now, windowMs);
    if (then === null || last.at - then.at < LEAST_WINDOW_MS) continue;
    const grown = heldBytes(last.value) - heldBytes(then.value);
    steepest = Math.max(steepest, (grown / (last.at - then.at)) * 1000);
  }
  return steepest;
}

/**
 * Bytes beyond the brink; null while there is no emergency. Stalls, swapping and pressure count
 * only when little is available: copying a large file stalls too, and needs no memory.
 */
function emergencyBytes(
  state: MemoryState,
  sample: MemorySample,
  policy: MemoryPolicy,
  now: MonoMs,
): number | null {
  const usable = sample.totalBytes;
  const held = heldBytes(sample);
  const over = Math.max(0, held - policy.emergencyShare * usable);
  if (over > 0) return Math.round(over);
  if (sample.availableBytes >= policy.scarceShare * usable) return null;
  const previous = entryAgo(state.samples, now, LEAST_WINDOW_MS)?.value;
  const isSwapping = previous !== undefined && swappedBytes(sample) > swappedBytes(previous);
  const isStalled =
    (sample.counters?.allocationStalls ?? 0) > (previous?.counters?.allocationStalls ?? Infinity);
  const then = entryAgo(state.samples, now, policy.emergencyWindowMs);
  const waitedMs = (sample.somePressureMs ?? 0) - (then?.value.somePressureMs ?? Infinity);
  const isPressed =
    then !== null &&
    now - then.at >= LEAST_WINDOW_MS &&
    waitedMs > policy.emergencyPressureShare * (now - then.at);
  return isSwapping || isStalled || isPressed ? 0 : null;
}

function swappedBytes(sample: MemorySample): number {
  return sample.swapTotalBytes - sample.swapFreeBytes;
}
