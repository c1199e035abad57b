// Free memory kept against what comes faster than we react: rMax × tReact, both measured on this machine.
import { type MonoMs } from "../agent/types.ts";
import { type MemoryPolicy } from "./config.ts";

export type Reaction = Readonly<{
  /** The last measured times from the sample that showed the need to usable memory. */
  measuredMs: readonly number[];
  /** A growth that is on its way: when it was asked for, and the MemTotal that says it is there. */
  pending: Readonly<{ since: MonoMs; untilTotalBytes: number }> | null;
}>;

/** Enough for a 99th percentile that is not just the worst of a handful. */
const KEEP = 128;
/** A growth that takes longer was refused or cut; it says nothing about how fast we are. */
const GIVE_UP_MS = 10_000;

export function initialReaction(): Reaction {
  return { measuredMs: [], pending: null };
}

/** The 99th percentile of what was measured; `startMs` until something was. */
export function tReactMs(reaction: Reaction, startMs: number): number {
  if (reaction.measuredMs.length === 0) return startMs;
  const sorted = [...reaction.measuredMs].sort((a, b) => a - b);
  const index = Math.min(sorted.length - 1, Math.ceil(sorted.length * 0.99) - 1);
  return sorted[Math.max(0, index)] ?? startMs;
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

/** Growth was decided on by the sample taken `now`: start the watch, unless one is running. */
export function expectGrowth(
  reaction: Reaction,
  totalBytes: number,
  moreBytes: number,
  now: MonoMs,
): Reaction {
  if (reaction.pending !== null) return reaction;
  // Whatever the kernel keeps for the new memory's bookkeeping, and a grid cell cut off: most of it.
  const untilTotalBytes = totalBytes + moreBytes * 0.75;
  return { ...reaction, pending: { since: now, untilTotalBytes } };
}

/** A memory sample: is the growth we wait for usable? Gives the time it took, once. */
export function noticeGrowth(
  reaction: Reaction,
  totalBytes: number,
  now: MonoMs,
): readonly [Reaction, number | null] {
  const { pending } = reaction;
  if (pending === null) return [reaction, null];
  if (now > pending.since + GIVE_UP_MS) return [{ ...reaction, pending: null }, null];
  if (totalBytes < pending.untilTotalBytes) return [reaction, null];
  const tookMs = now - pending.since;
  const measuredMs = [...reaction.measuredMs, tookMs].slice(-KEEP);
  return [{ measuredMs, pending: null }, tookMs];
}
