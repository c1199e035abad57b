// Sliding windows over time. Pure: each call gives back the next window.
import { type MonoMs } from "../agent/types.ts";

/** The largest value of the last while: a staircase of falling values, newest last. */
export type PeakWindow = readonly Readonly<{ at: MonoMs; value: number }>[];

/**
 * Adds a value. Keeping a unit until nobody has needed it for `holdMs` is the same as the maximum
 * need of the last `holdMs`, for all units at once. Values on a grid keep the staircase short.
 */
export function addPeak(
  window: PeakWindow,
  value: number,
  now: MonoMs,
  holdMs: number,
): PeakWindow {
  const kept = window.filter((entry) => entry.value > value && entry.at > now - holdMs);
  return [...kept, { at: now, value }];
}

/** The largest value that is not older than `holdMs`; null when there is none. */
export function peakOf(window: PeakWindow, now: MonoMs, holdMs: number): number | null {
  return window.find((entry) => entry.at > now - holdMs)?.value ?? null;
}

/**
 * What may be released to: `due` is what was needed within the hold, `to` what remains once what is due within its last
 * `togetherShare` goes with it: one resize, not several. null when nothing was noted.
 */
export function releaseOf(
  window: PeakWindow,
  now: MonoMs,
  holdMs: number,
  togetherShare: number,
): Readonly<{ due: number; to: number }> | null {
  const due = peakOf(window, now, holdMs);
  if (due === null) return null;
  return { due, to: peakOf(window, now, holdMs * (1 - togetherShare)) ?? due };
}

/** Time that was not watched proves nothing: it does not count towards the hold. */
export function postponePeaks(window: PeakWindow, byMs: number): PeakWindow {
  return window.map(({ at, value }) => ({ at: at + byMs, value }));
}

/** The last values of something that is measured again and again, oldest first. */
export type Series<T> = readonly Readonly<{ at: MonoMs; value: T }>[];

/** Adds a value and drops those that are older than `keepMs`, but never the last one before. */
export function addTo<T>(series: Series<T>, value: T, now: MonoMs, keepMs: number): Series<T> {
  const from = series.findIndex((entry) => entry.at > now - keepMs);
  const kept = from === -1 ? series.slice(-1) : series.slice(Math.max(0, from - 1));
  return [...kept, { at: now, value }];
}

/** How much of a series is kept, and how densely, in milliseconds. */
export type Density = Readonly<{ keepMs: number; fineMs: number; coarseMs: number }>;

/**
 * Like `addTo`, but of what is older than `fineMs` one entry per `coarseMs` is enough. Ten readings a
 * second for ten seconds would be a hundred entries to copy and walk at each.
 */
export function addThinned<T>(
  series: Series<T>,
  value: T,
  now: MonoMs,
  { keepMs, fineMs, coarseMs }: Density,
): Series<T> {
  const kept: Readonly<{ at: MonoMs; value: T }>[] = [];
  let keptAt = -Infinity;
  for (const entry of series) {
    if (entry.at <= now - fineMs && entry.at < keptAt + coarseMs) continue;
    kept.push(entry);
    keptAt = entry.at;
  }
  return addTo(kept, value, now, keepMs);
}

/** The newest entry that is at least `ageMs` old; the oldest one while none is. null when empty. */
export function entryAgo<T>(
  series: Series<T>,
  now: MonoMs,
  ageMs: number,
): Readonly<{ at: MonoMs; value: T }> | null {
  for (let i = series.length - 1; i >= 0; i -= 1) {
    const entry = series[i];
    if (entry !== undefined && entry.at <= now - ageMs) return entry;
  }
  return series[0] ?? null;
}
