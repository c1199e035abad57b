// How long a unit that was needed is kept, learned from how often released units are needed again. Every hold that may be
// chosen is played beside the others on the needs as they come: what it would have kept, how often it would have resized,
// how much it would have had to take back. The cheapest of late is the one that counts. Known as following the leader among
// experts; with the true distribution of the gaps it is the best that ski rental can do (Irani, Shukla and Gupta 2003,
// "Online strategies for dynamic power management": e/(e−1) instead of 2).
import { type MonoMs } from "../agent/types.ts";
import { peakOf, type PeakWindow } from "./window.ts";

/** What a hold costs. A unit is a vCPU, or a GiB. */
export type HoldPolicy = Readonly<{
  /**
   * How long a unit that was needed is kept until something was learned, and where there is nothing to choose from
   * (`holdMaxMs` below twice `holdMinMs`). Longer costs idle units, shorter more resizes.
   * @default cpu 12 s, memory 1 min
   */
  holdMs: number;
  /**
   * The shortest hold to choose from; the others are twice the one before. Less lets it follow every burst.
   * @default cpu 1.5 s, memory 15 s
   */
  holdMinMs: number;
  /**
   * The longest of them. More keeps units for work that comes back seldom.
   * @default cpu 48 s, memory 4 min
   */
  holdMaxMs: number;
  /**
   * What a resize is taken to cost, as seconds of one unit. More: fewer resizes, longer holds. `calm` moves it.
   * @default 4
   */
  resizeUnitSec: number;
  /**
   * What it is taken to cost to take back a unit that was released, as seconds of that unit. More: longer holds.
   * @default cpu 2, memory 10
   */
  regretSec: number;
  /**
   * What was learned counts half after this long. Less follows a change of the load sooner, and chance with it.
   * @default cpu 10 min, memory 30 min
   */
  forgetMs: number;
  /**
   * Holds that cost more than the cheapest by no more than this share are as good: the longest of them counts. More is patient
   * where it costs a little.
   * @default 0.02
   */
  tieShare: number;
  /**
   * A release is worth a resize once what it gives back has been idle for so many unit-seconds altogether. More: fewer
   * resizes, more idle units. `calm` moves it.
   * @default 10
   */
  worthUnitSec: number;
  /**
   * Units whose time is up within this last part of the hold go along with those that are due. Less has more, smaller resizes.
   * @default 0.1
   */
  togetherShare: number;
}>;

export type HoldState = Readonly<{
  /** The hold that counts, as the power of two of the shortest; -1: none was chosen yet. */
  chosen: number;
  /** By hold: the level that it would have now, what of it has been idle, and what it has cost of late. Unit-seconds. */
  levels: readonly number[];
  idle: readonly number[];
  costs: readonly number[];
  at: MonoMs | null;
}>;

/**
 * Not a setting: how far back a window of needs goes at least, for how long something has been idle. What is older counts as
 * idle since the last growth, so more of it would change nothing but the memory it takes.
 */
const REMEMBER_MS = 900_000;

export function initialHold(): HoldState {
  return { chosen: -1, levels: [], idle: [], costs: [], at: null };
}

/** The hold that counts now, milliseconds. */
export function holdMsOf(state: HoldState, policy: HoldPolicy): number {
  return state.chosen < 0 ? policy.holdMs : policy.holdMinMs * 2 ** state.chosen;
}

/** How far back a window of needs must go: no hold, `patience` times as long at most, is longer. Milliseconds. */
export function rememberMs({ holdMs, holdMaxMs }: HoldPolicy, patience = 1): number {
  return Math.max(REMEMBER_MS, patience * Math.max(holdMs, holdMaxMs));
}

/** `perUnit`: that many of the window's values are a unit. `staleMs`: a longer pause between two readings proves nothing. */
export type HoldGiven = Readonly<{ perUnit: number; staleMs: number }>;

/** One more need is in `window`. */
export function learnHold(
  before: HoldState,
  window: PeakWindow,
  { perUnit, staleMs }: HoldGiven,
  policy: HoldPolicy,
  now: MonoMs,
): HoldState {
  const { holdMinMs, holdMaxMs, forgetMs } = policy;
  if (holdMinMs <= 0 || holdMaxMs < 2 * holdMinMs) return before;
  const stepMs = before.at === null ? 0 : now - before.at;
  const sec = stepMs > staleMs ? 0 : stepMs / 1000;
  const keep = forgetMs > 0 ? 2 ** (-stepMs / forgetMs) : 0;
  const levels: number[] = [];
  const idle: number[] = [];
  const costs: number[] = [];
  for (let i = 0, holdMs = holdMinMs; holdMs <= holdMaxMs; i += 1, holdMs *= 2) {
    const peak = (peakOf(window, now, holdMs) ?? 0) / perUnit;
    const had = before.levels[i] ?? peak;
    const excess = Math.max(0, had - peak);
    const waste = excess > 0 ? (before.idle[i] ?? 0) + excess * sec : 0;
    // What is in excess was idle for the hold already.
    const isWorthIt = waste + (excess * holdMs) / 1000 >= policy.worthUnitSec;
    const level = excess > 0 && !isWorthIt ? had : peak;
    levels.push(level);
    idle.push(level === peak ? 0 : waste);
    const cost = (before.costs[i] ?? 0) * keep + level * sec;
    costs.push(cost + changeCost(had, level, policy));
  }
  return { chosen: choose(costs, policy), levels, idle, costs, at: now };
}

function changeCost(had: number, level: number, { resizeUnitSec, regretSec }: HoldPolicy): number {
  if (level === had) return 0;
  return resizeUnitSec + Math.max(0, level - had) * regretSec;
}

/** The longest of those that cost about the least: patience is free there, and a resize is not. */
function choose(costs: readonly number[], { tieShare }: HoldPolicy): number {
  const least = costs.reduce((cheapest, one) => Math.min(cheapest, one), Infinity);
  const enough = least * (1 + tieShare);
  return costs.findLastIndex((one) => one <= enough);
}

/**
 * How long everything between `to` and `level` has been idle, added up. Unit-seconds; `unseenMs`: for what is not in the
 * window any more.
 */
export function idleUnitSec(
  window: PeakWindow,
  span: Readonly<{ to: number; level: number; perUnit: number; unseenMs: number }>,
  now: MonoMs,
): number {
  const { to, level, perUnit, unseenMs } = span;
  let above = level;
  let idle = 0;
  let sinceMs = unseenMs;
  for (const { at, value } of window) {
    const upTo = Math.max(to, value);
    if (upTo < above) {
      idle += (above - upTo) * sinceMs;
      above = upTo;
    }
    sinceMs = now - at;
    if (above <= to) break;
  }
  idle += Math.max(0, above - to) * sinceMs;
  return idle / perUnit / 1000;
}
