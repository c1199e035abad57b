// How much memory is needed: what can't be reclaimed, where its slope leads, a reserve, the cache that is really used,
// and what the kernel keeps. It decides a need in bytes of RAM as QEMU gives it.
import { type MemorySample } from "../monitor/types.ts";
import { type MonoMs } from "../agent/types.ts";
import { type MemoryPolicy } from "./config.ts";
import { addTo, entryAgo, type Series } from "./window.ts";

const PAGE_BYTES = 4096;
/** The kernel's page table entry of each page it manages: 64 bytes of 4096. */
const BOOKKEEPING_SHARE = 0.016;
/** MemTotal and the told size must both have stood still this long before the difference counts. */
const STEADY_MS = 1_000;
const SLOPE_LONG_MS = 1_000;
const CALM_WINDOW_MS = 10_000;
/** Two polls apart: the shortest time over which a slope is believed. */
const SLOPE_SHORT_MS = 150;
/** Allocations that stall only matter when memory is really low; page cache traffic stalls too. */
const STALL_AVAILABLE_SHARE = 0.2;

export type MemoryState = Readonly<{
  samples: Series<MemorySample>;
  /** Told size − MemTotal when both last stood still; null until then. */
  kernelBytes: number | null;
  steady: Readonly<{ toldBytes: number; totalBytes: number; since: MonoMs }> | null;
  /** Cache that was read back after it was dropped, and until when it is kept. */
  cache: Readonly<{ bytes: number; until: MonoMs }> | null;
  oomKilledAt: MonoMs;
}>;

export type MemoryNeed = Readonly<{
  needBytes: number;
  /** Where the slope leads beyond that: what to grow to once it must grow. */
  aheadBytes: number;
  reason: "memory" | "memory-emergency" | "cache";
  /** Why nothing may be released now; null when it may. */
  veto: string | null;
  inputs: Readonly<Record<string, number | null>>;
}>;

export function initialMemory(): MemoryState {
  return { samples: [], kernelBytes: null, steady: null, cache: null, oomKilledAt: -Infinity };
}

/** Bytes that can't be reclaimed: anonymous, shared, swapped; or all that is not available, if more. */
export function usedBytes(sample: MemorySample): number {
  const swapped = sample.swapTotalBytes - sample.swapFreeBytes;
  const byKind = sample.anonBytes + sample.shmemBytes;
  return Math.max(byKind, sample.totalBytes - sample.availableBytes) + swapped;
}

/** `toldBytes`: the VM's RAM by what the agent reports. `reserveBytes`: see reserve.ts. */
export function senseMemory(
  before: MemoryState,
  sample: MemorySample,
  toldBytes: number,
  reserveBytes: number,
  policy: MemoryPolicy,
  now: MonoMs,
): readonly [MemoryState, MemoryNeed] {
  const state = learn(before, sample, toldBytes, policy, now);
  const kernel = kernelShare(state, sample, toldBytes);
  const used = usedBytes(sample);
  const lead = leadBytes(state, policy.leadMs, policy, now);
  const further = leadBytes(state, policy.leadMs + policy.aheadMs, policy, now) - lead;
  const cache = state.cache !== null && now < state.cache.until ? state.cache.bytes : 0;
  const forUse = (used + lead) / policy.fillShare + reserveBytes;
  let needBytes = withKernel(forUse + cache, kernel, toldBytes);
  let reason: MemoryNeed["reason"] =
    cache > 0 && needBytes > toldBytes && withKernel(forUse, kernel, toldBytes) <= toldBytes
      ? "cache"
      : "memory";
  const overflow = emergencyBytes(state, sample, used, policy);
  if (overflow !== null) {
    needBytes = Math.max(needBytes, policy.emergencyFactor * toldBytes + overflow);
    reason = "memory-emergency";
  }
  const inputs = {
    usedBytes: used,
    slopeBytesPerSec: Math.round(slopeOf(state, now)),
    availableBytes: sample.availableBytes,
    reserveBytes,
    kernelBytes: kernel,
    cacheBytes: cache,
  };
  const veto = overflow === null ? vetoOf(state, sample, policy, now) : "memory is running out";
  const aheadBytes = Math.round(needBytes + further / policy.fillShare);
  return [state, { needBytes: Math.round(needBytes), aheadBytes, reason, veto, inputs }];
}

/** The smallest size at which what is in use now fits, with the reserve kept. Bytes. */
export function lowestSafeBytes(
  state: MemoryState,
  toldBytes: number,
  reserveBytes: number,
  policy: MemoryPolicy,
  now: MonoMs,
): number | null {
  const last = state.samples.at(-1)?.value;
  if (last === undefined || state.samples.length < 2) return null;
  const lead = leadBytes(state, policy.leadMs, policy, now);
  const forUse = (usedBytes(last) + lead) / policy.fillShare + reserveBytes;
  return Math.ceil(withKernel(forUse, kernelShare(state, last, toldBytes), toldBytes));
}

/** Why nothing may be taken at this moment, whatever the size; null when it may. */
export function vetoOf(
  state: MemoryState,
  sample: MemorySample,
  policy: MemoryPolicy,
  now: MonoMs,
): string | null {
  if (now < state.oomKilledAt + policy.oomHoldMs) return "the OOM killer was at work";
  const then = entryAgo(state.samples, now, CALM_WINDOW_MS);
  if (then === null || then.at >= now) return null;
  const elapsedMs = now - then.at;
  const pressure = ((sample.somePressureMs ?? 0) - (then.value.somePressureMs ?? 0)) / elapsedMs;
  if (pressure > policy.calmPressureShare) return "tasks waited for memory in the last 10 s";
  const refaults =
    (sample.counters?.refaultedAnonPages ?? 0) - (then.value.counters?.refaultedAnonPages ?? 0);
  return refaults > 0 ? "memory is being swapped back in" : null;
}

function learn(
  before: MemoryState,
  sample: MemorySample,
  toldBytes: number,
  policy: MemoryPolicy,
  now: MonoMs,
): MemoryState {
  const last = before.samples.at(-1)?.value;
  const killed = (sample.counters?.oomKills ?? 0) > (last?.counters?.oomKills ?? Infinity);
  const samples = addTo(before.samples, sample, now, CALM_WINDOW_MS);
  const state = steadied({ ...before, samples }, sample, toldBytes, now);
  return {
    ...state,
    oomKilledAt: killed ? now : before.oomKilledAt,
    cache: cacheWanted(state, sample, toldBytes, policy, now),
  };
}

/** While memory comes or goes, told size and MemTotal disagree for a moment: not the kernel's share. */
function steadied(
  state: MemoryState,
  sample: MemorySample,
  toldBytes: number,
  now: MonoMs,
): MemoryState {
  const { steady } = state;
  const isSame = steady?.toldBytes === toldBytes && steady.totalBytes === sample.totalBytes;
  if (!isSame)
    return { ...state, steady: { toldBytes, totalBytes: sample.totalBytes, since: now } };
  if (now < steady.since + STEADY_MS) return state;
  const kernelBytes = Math.max(0, toldBytes - sample.totalBytes);
  return state.kernelBytes === kernelBytes ? state : { ...state, kernelBytes };
}

function kernelShare(state: MemoryState, sample: MemorySample, toldBytes: number): number {
  return state.kernelBytes ?? Math.max(0, toldBytes - sample.totalBytes);
}

/** The kernel's share is of the present size; a larger one costs it some more. */
function withKernel(bytes: number, kernelBytes: number, toldBytes: number): number {
  const total = bytes + kernelBytes;
  return total + Math.max(0, total - toldBytes) * BOOKKEEPING_SHARE;
}

/** Bytes per second at which used memory grows: the steeper of the last two polls and the last second. */
function slopeOf(state: MemoryState, now: MonoMs): number {
  const last = state.samples.at(-1);
  if (last === undefined) return 0;
  let steepest = 0;
  for (const windowMs of [SLOPE_SHORT_MS, SLOPE_LONG_MS]) {
    const then = entryAgo(state.samples, now, windowMs);
    if (then === null || last.at <= then.at) continue;
    const grown = usedBytes(last.value) - usedBytes(then.value);
    steepest = Math.max(steepest, (grown / (last.at - then.at)) * 1000);
  }
  return steepest;
}

/** What the present slope adds in `aheadMs`; a short burst is not believed to go on for ever. */
function leadBytes(state: MemoryState, aheadMs: number, policy: MemoryPolicy, now: MonoMs): number {
  const last = state.samples.at(-1);
  const then = entryAgo(state.samples, now, SLOPE_LONG_MS);
  if (last === undefined || then === null) return 0;
  const seen = Math.max(0, usedBytes(last.value) - usedBytes(then.value));
  const straight = (slopeOf(state, now) * aheadMs) / 1000;
  return Math.min(straight, policy.surgeFactor * seen, policy.leadMaxBytes);
}

/** Bytes beyond the brink; null while there is no emergency. */
function emergencyBytes(
  state: MemoryState,
  sample: MemorySample,
  used: number,
  policy: MemoryPolicy,
): number | null {
  const usable = sample.totalBytes;
  const then = state.samples.at(-2)?.value;
  const swapping =
    then !== undefined && swappedOf(sample) > swappedOf(then) && sample.availableBytes < used;
  const stalled =
    (sample.counters?.allocationStalls ?? 0) > (then?.counters?.allocationStalls ?? Infinity) &&
    sample.availableBytes < STALL_AVAILABLE_SHARE * usable;
  if (used <= policy.emergencyShare * usable && !swapping && !stalled) return null;
  return Math.max(0, used - policy.emergencyShare * usable);
}

function swappedOf(sample: MemorySample): number {
  return sample.swapTotalBytes - sample.swapFreeBytes;
}

/** Cache that keeps being read back is needed cache: give it a step more and keep it for a while. */
function cacheWanted(
  state: MemoryState,
  sample: MemorySample,
  toldBytes: number,
  policy: MemoryPolicy,
  now: MonoMs,
): MemoryState["cache"] {
  const then = entryAgo(state.samples, now, SLOPE_LONG_MS);
  if (then === null || then.at > now - SLOPE_LONG_MS) return state.cache;
  const pages =
    (sample.counters?.refaultedFilePages ?? 0) - (then.value.counters?.refaultedFilePages ?? 0);
  const bytesPerSec = (pages * PAGE_BYTES * 1000) / (now - then.at);
  if (bytesPerSec < policy.refaultBytesPerSec) return state.cache;
  const fileCache = Math.max(0, sample.cachedBytes - sample.shmemBytes);
  const bytes = fileCache + policy.cacheStepShare * toldBytes;
  return { bytes, until: now + policy.cacheHoldMs };
}
