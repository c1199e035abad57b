// How long a unit that was needed is kept, learned from how often released units are needed again. Every hold that may be
// chosen is played beside the others on the needs as they come: what it would have kept, how often it would have resized,
// how much it would have had to take back. The cheapest of late is the one that counts. Known as following the leader among
// experts; with the true distribution of the gaps it is the best that ski rental can do (Irani, Shukla and Gupta 2003,
// "Online strategies for dynamic power management": e/(e−1) instead of 2).
import { type MonoMs } from "../agent/types.ts";
import { peakOf, type PeakWindow } from "./window.ts";

/** What a hold costs. A unit is a vCPU, or a GiB. */
export type HoldPolicy = Readonly<{
  /** How long a unit that was needed is kept where there is nothing to choose from: `holdMaxMs` below twice `holdMinMs`. */
  holdMs: number;
  /** The shortest hold to choose from; the others are twice the one before, up to the longest. */
  holdMinMs: number;
  holdMaxMs: number;
  /** What a resize costs, as seconds of one unit. More: fewer resizes, longer holds. */
  resizeUnitSec: number;
  /** What it costs to take back a unit that was released, as seconds of that unit. */
  regretSec: number;
  /** What was learned counts half after this long. */
  forgetMs: number;
  /** A release is worth a resize once what it gives back has been idle for so many unit-seconds altogether. */
  worthUnitSec: number;
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

/** Costs that differ by less are the same. */
const TIE_FACTOR = 1.02;
/** A window of needs goes at least so far back, for how long something has been idle. On a grid it stays short. */
const REMEMBER_MS = 900_000;
/** Longer pauses between readings prove nothing. */
const LONGEST_STEP_MS = 2_000;

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

/** One more need is in `window`, whose values are `perUnit` to a unit. */
export function learnHold(
  before: HoldState,
  window: PeakWindow,
  perUnit: number,
  policy: HoldPolicy,
  now: MonoMs,
): HoldState {
  const { holdMinMs, holdMaxMs, forgetMs } = policy;
  if (holdMinMs <= 0 || holdMaxMs < 2 * holdMinMs) return before;
  const stepMs = before.at === null ? 0 : now - before.at;
  const sec = stepMs > LONGEST_STEP_MS ? 0 : stepMs / 1000;
  const keep = forgetMs > 0 ? Math.pow(0.5, stepMs / forgetMs) : 0;
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
  return { chosen: choose(costs), levels, idle, costs, at: now };
}

function changeCost(had: number, level: number, { resizeUnitSec, regretSec }: HoldPolicy): number {
  if (level === had) return 0;
  return resizeUnitSec + Math.max(0, level - had) * regretSec;
}

/** The longest of those that cost about the least: patience is free there, and a resize is not. */
function choose(costs: readonly number[]): number {
  const enough = costs.reduce((least, one) => Math.min(least, one), Infinity) * TIE_FACTOR;
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
