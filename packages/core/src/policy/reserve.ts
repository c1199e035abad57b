// Free memory kept against what comes faster than we react: rMax × tReact, both measured on this
// machine.
import { type MonoMs } from "../agent/types.ts";
import { type MemoryPolicy } from "./config.ts";

export type Reaction = Readonly<{
  /** The last measured times from the sample that showed the need to usable memory. */
  measuredMs: readonly number[];
  /** A growth that is on its way: when it was asked for, and the MemTotal that says it is there. */
  pending: Readonly<{ since: MonoMs; untilTotalBytes: number }> | null;
}>;

/** Not a setting, but what tReact is: of so many, enough for a 99th percentile that is not just the worst of a handful. */
const KEEP = 128;
/** Not a setting, but what tReact is. */
const PERCENTILE = 0.99;
/** Not a setting, but what tReact is: most of it is there; the last blocks may take a moment longer, and bounds may cut a grid cell. */
const MOST_SHARE = 0.75;

export function initialReaction(): Reaction {
  return { measuredMs: [], pending: null };
}

/**
 * The 99th percentile by nearest rank (the worst, up to 100 of them); null when none was measured.
 */
export function reactP99Ms(reaction: Reaction): number | null {
  const sorted = [...reaction.measuredMs].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * PERCENTILE) - 1] ?? null;
}

/** What the reserve counts on: the start value until enough was measured, then the p99. */
export function tReactMs(reaction: Reaction, startMs: number, policy: MemoryPolicy): number {
  const p99 = reactP99Ms(reaction) ?? startMs;
  return reaction.measuredMs.length < policy.reactEnough ? Math.max(startMs, p99) : p99;
}

/** Bytes. */
export function reserveBytes(
  rMaxBytesPerSec: number,
  reactMs: number,
  policy: MemoryPolicy,
): number {
  const wanted = (rMaxBytesPerSec * reactMs) / 1000;
  return Math.round(Math.min(policy.reserveMaxBytes, Math.max(policy.reserveMinBytes, wanted)));
}

/**
 * What is kept of a reserve while `usedBytes` are in use, the kernel's share included: no VM grows
 * for the sake of an emptiness that is larger than itself by `reserveUseFactor`. Bytes.
 */
export function keptReserve(wanted: number, usedBytes: number, policy: MemoryPolicy): number {
  const most = Math.max(policy.reserveMinBytes, policy.reserveUseFactor * usedBytes);
  return Math.round(Math.min(wanted, most));
}

/** Growth was decided on by the sample taken `now`: start the watch, unless one is running. */
export function expectGrowth(
  reaction: Reaction,
  totalBytes: number,
  moreBytes: number,
  now: MonoMs,
): Reaction {
  if (reaction.pending !== null || moreBytes <= 0) return reaction;
  const untilTotalBytes = totalBytes + moreBytes * MOST_SHARE;
  return { ...reaction, pending: { since: now, untilTotalBytes } };
}

/** It was refused or put off: however long it takes now, that is not how fast we react. */
export function forgetGrowth(reaction: Reaction): Reaction {
  return reaction.pending === null ? reaction : { ...reaction, pending: null };
}

/** A memory sample: is the growth we wait for usable? Gives the time it took, once. */
export function noticeGrowth(
  reaction: Reaction,
  totalBytes: number,
  policy: MemoryPolicy,
  now: MonoMs,
): readonly [Reaction, number | null] {
  const { pending } = reaction;
  if (pending === null) return [reaction, null];
  const tookMs = now - pending.since;
  if (tookMs > policy.reactMaxMs) return [forgetGrowth(reaction), null];
  if (totalBytes < pending.untilTotalBytes) return [reaction, null];
  const measuredMs = [...reaction.measuredMs, tookMs].slice(-KEEP);
  return [{ measuredMs, pending: null }, tookMs];
}
