// A second policy beside the live one: what would it have wanted? It sees the same samples and what the agent told the
// live one, decides a level of its own, and notes where the two differ. It never speaks, consents or acts, and nothing of it
// flows back. What it can't know is how the guest would have fared in a size of its own: it judges the guest as it is.
import { type ScaleReason, type Size } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { fitted } from "./actual.ts";
import { type MonitorConfig } from "./config.ts";
import { onCpuSample, onMemorySample } from "./desire.ts";
import { learnTold } from "./level.ts";
import { type Each, initialMonitor, type MonitorState } from "./state.ts";
import { followFloor } from "./reservations/stage.ts";
import { type MonitorEvent } from "./types.ts";

/** Two levels side by side, both as the bounds and the grid let them be. */
export type ShadowLevels = Readonly<{ live: Size; shadow: Size }>;

/** How much more, or less, was wanted over time: vCPU-seconds and GiB-seconds. */
type Amount = Readonly<{ vcpuSec: number; gibSec: number }>;

export type Shadow = Readonly<{
  /** The second policy's own memory. Its session, and what the machine measured, are the live one's. */
  monitor: MonitorState;
  levels: ShadowLevels | null;
  /** When `levels` became what they are, and up to when they are summed. */
  since: MonoMs;
  summedAt: MonoMs;
  /** When there were two levels for the first time; null before. */
  startedAt: MonoMs | null;
  more: Amount;
  less: Amount;
  changes: number;
}>;

/** What `selfscale-monitor status` shows of it, as plain data. */
export type ShadowStatus = Readonly<{
  levels: ShadowLevels | null;
  differs: boolean;
  /** How long the levels have been what they are, and how long two were compared. */
  sinceMs: number;
  comparedMs: number;
  /** By how much the shadow wanted more than the live one, and less. */
  more: Amount;
  less: Amount;
  /** Times one of two levels changed while they differed, before or after it. */
  changes: number;
  reasons: Each<ScaleReason>;
}>;

const GIB = 1024 ** 3;
const NOTHING: Amount = { vcpuSec: 0, gibSec: 0 };

export function initialShadow(config: MonitorConfig, now: MonoMs): Shadow {
  return {
    monitor: initialMonitor(config, now),
    levels: null,
    since: now,
    summedAt: now,
    startedAt: null,
    more: NOTHING,
    less: NOTHING,
    changes: 0,
  };
}

/**
 * After the live one's step with the same event. The second result is news: the levels, when one of them changed and they
 * differ or did so until now.
 */
export function stepShadow(
  before: Shadow,
  live: MonitorState,
  event: MonitorEvent,
  now: MonoMs,
): [Shadow, ShadowLevels | null] {
  const sensed = sense(heed(before.monitor, live, now), event, now);
  // As in the live one's step: what was reserved counts from after this sample on.
  const [monitor] = followFloor({ ...sensed, reservations: live.reservations }, now);
  const summed = sum({ ...before, monitor }, now);
  if (live.desired === null || monitor.desired === null) return [summed, null];
  const levels = { live: fitted(live, live.desired), shadow: fitted(live, monitor.desired) };
  const was = before.levels;
  if (was !== null && isSame(was.live, levels.live) && isSame(was.shadow, levels.shadow)) {
    return [summed, null];
  }
  const isNews = differ(levels) || (was !== null && differ(was));
  const changes = before.changes + (isNews ? 1 : 0);
  const startedAt = before.startedAt ?? now;
  return [{ ...summed, levels, since: now, startedAt, changes }, isNews ? levels : null];
}

export function shadowStatus(shadow: Shadow, now: MonoMs): ShadowStatus {
  const { levels, since, startedAt, more, less, changes, monitor } = sum(shadow, now);
  return {
    levels,
    differs: levels !== null && differ(levels),
    sinceMs: now - since,
    comparedMs: startedAt === null ? 0 : now - startedAt,
    more,
    less,
    changes,
    reasons: monitor.reasons,
  };
}

/**
 * What the live one was told and measured, in the place of the shadow's own: how long the machine takes to grow, that a
 * grant was short, that an unplug freed nothing, who reserved what. All of that came of what the live one asked for.
 */
function heed(shadow: MonitorState, live: MonitorState, now: MonoMs): MonitorState {
  const { session, reaction, shortGrantAt, unplug } = live;
  const told: MonitorState = { ...shadow, session, reaction, shortGrantAt, unplug };
  const isReportNew =
    (session?.report ?? null) !== null && (shadow.session?.report ?? null) === null;
  const isSizeNew = isReportNew || ((session?.notified ?? null) !== null && !knowsSize(shadow));
  const learned = isSizeNew ? learnTold(told, now)[0] : told;
  const { desired } = learned;
  const followed = unplug === shadow.unplug ? null : (session?.notified ?? null);
  // On version 1 the agent leads the way down, whoever decides.
  if (desired === null || session?.version !== 1 || followed === null) return learned;
  const memBytes = Math.min(desired.memBytes, followed.memBytes);
  return { ...learned, desired: { ...desired, memBytes } };
}

function knowsSize({ session }: MonitorState): boolean {
  return session !== null && (session.report !== null || session.notified !== null);
}

/** What these order done is let go of: the live one ordered its own. */
function sense(shadow: MonitorState, event: MonitorEvent, now: MonoMs): MonitorState {
  if (event.kind === "cpu-sampled") return onCpuSample(shadow, event.sample, now)[0];
  if (event.kind === "memory-sampled") return onMemorySample(shadow, event.sample, now)[0];
  return shadow;
}

/** The levels stood until now. */
function sum(shadow: Shadow, now: MonoMs): Shadow {
  const { levels, summedAt, more, less } = shadow;
  if (levels === null) return { ...shadow, summedAt: now };
  const seconds = (now - summedAt) / 1000;
  const vcpuSec = ((levels.shadow.milliCpu - levels.live.milliCpu) / 1000) * seconds;
  const gibSec = ((levels.shadow.memBytes - levels.live.memBytes) / GIB) * seconds;
  return {
    ...shadow,
    summedAt: now,
    more: {
      vcpuSec: more.vcpuSec + Math.max(0, vcpuSec),
      gibSec: more.gibSec + Math.max(0, gibSec),
    },
    less: {
      vcpuSec: less.vcpuSec + Math.max(0, -vcpuSec),
      gibSec: less.gibSec + Math.max(0, -gibSec),
    },
  };
}

function differ({ live, shadow }: ShadowLevels): boolean {
  return !isSame(live, shadow);
}

function isSame(a: Size, b: Size): boolean {
  return a.milliCpu === b.milliCpu && a.memBytes === b.memBytes;
}
