// From a sample to the level: what the policy says is needed becomes what is wanted.
import { UNPLUG_SLICE_TIMEOUT_MS } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { senseCpu } from "../policy/cpu.ts";
import { senseMemory, type MemoryGiven } from "../policy/memory.ts";
import { type OomKills } from "../policy/oom.ts";
import { expectGrowth, noticeGrowth, reserveBytes, tReactMs } from "../policy/reserve.ts";
import { holdMsOf, idleUnitSec, learnHold, rememberMs } from "../policy/hold.ts";
import { addPeak, postponePeaks, releaseOf } from "../policy/window.ts";
import {
  actualOf,
  cpuCellUp,
  cpuGiven,
  effectiveActual,
  fitted,
  memCellUp,
  stepOf,
} from "./actual.ts";
import { explain } from "./explain.ts";
import { conclude, leastOf, releaseObstacle, startLevel } from "./level.ts";
import { grantedFloor, reservedFloor } from "./reservations/reserved.ts";
import { count, type MonitorState } from "./state.ts";
import { type CpuSample, type MemorySample, type MonitorAction } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

const WHOLE_CPU_MILLI = 1000;
const GIB = 1024 ** 3;

/** Bytes kept free for the time that growing takes. */
export function currentReserve(state: MonitorState): number {
  const { config, reaction } = state;
  const reactMs = tReactMs(reaction, config.tReactStartMs, config.policy.memory);
  return reserveBytes(config.rMaxBytesPerSec, reactMs, config.policy.memory);
}

/** What memory is judged against, when the VM has `toldBytes`. */
export function memoryGiven(state: MonitorState, toldBytes: number): MemoryGiven {
  return { toldBytes, reserveBytes: currentReserve(state), stepBytes: stepOf(state).memBytes };
}

/** A CPU sample came: what is needed, and what follows. */
export function onCpuSample(before: MonitorState, sample: CpuSample, now: MonoMs): Result {
  const { policy } = before.config;
  const ready = startLevel(
    afterGap({ ...before, cpuSample: { at: now, value: sample } }, before, "cpu", now),
  );
  if (ready.desired === null) return [ready, []];
  const [cpu, need] = senseCpu(before.cpu, sample, cpuGiven(ready), policy.cpu, now);
  // What was reserved was needed, whether it was used or not: it goes as late as anything that was.
  const keptMilli = Math.max(cpuCellUp(ready, need.keep * 1000), grantedFloor(ready).milliCpu);
  const cpuPeaks = addPeak(
    ready.peaks.cpu,
    keptMilli,
    now,
    rememberMs(policy.cpu, policy.cpu.regretMax),
  );
  const peaks = { ...ready.peaks, cpu: cpuPeaks };
  const holds = {
    ...ready.holds,
    cpu: learnHold(
      ready.holds.cpu,
      cpuPeaks,
      { perUnit: WHOLE_CPU_MILLI, staleMs: policy.staleMs },
      policy.cpu,
      now,
    ),
  };
  return decideCpu({ ...ready, cpu, cpuNeed: need, peaks, holds }, now);
}

/** A memory sample came: what is needed, and what follows. */
export function onMemorySample(before: MonitorState, sample: MemorySample, now: MonoMs): Result {
  const { policy } = before.config;
  const actions: MonitorAction[] = [];
  const sampled = afterGap(
    { ...before, memorySample: { at: now, value: sample } },
    before,
    "mem",
    now,
  );
  const [reaction, tookMs] = noticeGrowth(sampled.reaction, sample.totalBytes, policy.memory, now);
  if (tookMs !== null) {
    const message = `Memory that was needed is usable after ${Math.round(tookMs)} ms.`;
    actions.push(explain("info", "reacted", message, { tookMs: Math.round(tookMs) }));
  }
  const watched = { ...sampled, reaction };
  if ((sample.blocks?.offlineCount ?? 0) > 0 && !isGivingBack(watched, now)) {
    actions.push({ kind: "online-memory" });
  }
  const ready = startLevel(watched);
  const actual = actualOf(ready);
  if (actual === null) return [ready, actions];
  const given = memoryGiven(ready, actual.memBytes);
  const [memory, need] = senseMemory(ready.memory, sample, given, policy.memory, now);
  const keptCell = Math.max(memCellUp(ready, need.keepBytes), grantedFloor(ready).memBytes);
  const kept = addPeak(ready.peaks.mem, keptCell, now, rememberMs(policy.memory));
  const peaks = { ...ready.peaks, mem: kept };
  const holds = {
    ...ready.holds,
    mem: learnHold(
      ready.holds.mem,
      kept,
      { perUnit: GIB, staleMs: policy.staleMs },
      policy.memory,
      now,
    ),
  };
  const sensed = { ...ready, memory, memoryNeed: need, peaks, holds };
  const [counted, killNotes] = countKills(sensed, before.memory.oom.kills);
  const [decided, more] = decideMemory(counted, now);
  return [decided, [...actions, ...killNotes, ...more]];
}

/**
 * A block that is on its way out is offline for a moment; bringing it back would undo the unplug.
 */
function isGivingBack({ unplug }: MonitorState, now: MonoMs): boolean {
  return unplug !== null && now < unplug.agreedAt + UNPLUG_SLICE_TIMEOUT_MS;
}

function decideCpu(state: MonitorState, now: MonoMs): Result {
  const policy = state.config.policy.cpu;
  const level = state.desired?.milliCpu ?? 0;
  const need = state.cpuNeed;
  const actual = effectiveActual(state);
  if (need === null || actual === null) return [state, []];
  const needMilli = Math.round(need.need * 1000);
  if (cpuCellUp(state, needMilli) > level) {
    // Beyond what there is, by a jump worth making; below it, merely less is given back.
    const most = Math.max(level, actual.milliCpu);
    const padded = needMilli > actual.milliCpu ? (1 + policy.growMinShare) * most : 0;
    const to = cpuCellUp(state, Math.max(needMilli, Math.floor(padded)));
    const jumped = keepJump(regret(state, to, now), "cpu", to, now);
    return conclude(jumped, { resource: "cpu", to, reason: "cpu", limit: "none" }, now);
  }
  const least = leastOf(state).milliCpu;
  const floor = reservedFloor(state).milliCpu;
  const release = releaseCpu(state, now);
  const to = Math.max(least, floor, release.to);
  if (Math.max(to, release.due) >= level) return [state, []];
  const isWorthIt = isWorthResize(state, "cpu", to, now);
  const throttled = state.session?.report?.throttledShare ?? 0;
  const isCalm = to >= WHOLE_CPU_MILLI || throttled < policy.calmThrottledShare;
  if (!isWorthIt || !isCalm || releaseObstacle(state, now) !== null) return [state, []];
  const released = to < WHOLE_CPU_MILLI ? noteFraction(state, to, now) : state;
  const limit = to === floor ? "floor" : to === least ? "bounds" : "none";
  return conclude(released, { resource: "cpu", to, reason: "idle", limit }, now);
}

/** What was needed within the hold; a fraction that was regretted before is held longer. */
function releaseCpu(state: MonitorState, now: MonoMs): Readonly<{ due: number; to: number }> {
  const holdMs = holdMsOf(state.holds.cpu, state.config.policy.cpu);
  const level = state.desired?.milliCpu ?? 0;
  const kept = releaseFrom(state, "cpu", holdMs, now) ?? { due: level, to: level };
  if (kept.to >= WHOLE_CPU_MILLI) return kept;
  const { togetherShare } = state.config.policy.cpu;
  const longMs = holdMs * state.fraction.holdFactor;
  const longer = releaseOf(state.peaks.cpu, now, longMs, togetherShare) ?? kept;
  const atMostWhole = (milliCpu: number) => Math.min(WHOLE_CPU_MILLI, milliCpu);
  return {
    due: Math.max(kept.due, atMostWhole(longer.due)),
    to: Math.max(kept.to, atMostWhole(longer.to)),
  };
}

/** What goes has been idle long enough, altogether, to pay for a resize. */
function isWorthResize(
  { config, desired, peaks, jumps, fraction }: MonitorState,
  resource: "cpu" | "mem",
  to: number,
  now: MonoMs,
): boolean {
  const isCpu = resource === "cpu";
  const policy = isCpu ? config.policy.cpu : config.policy.memory;
  const level = (isCpu ? desired?.milliCpu : desired?.memBytes) ?? 0;
  const perUnit = isCpu ? WHOLE_CPU_MILLI : GIB;
  // What the window does not know any more has not been needed since the last growth.
  const unseenMs = now - (jumps[resource].until - policy.jumpHoldMs);
  const patience = isCpu && to < WHOLE_CPU_MILLI ? fraction.holdFactor : 1;
  const idle = idleUnitSec(peaks[resource], { to, level, perUnit, unseenMs }, now);
  return idle >= policy.worthUnitSec * patience;
}

/** What the hold and a recent jump leave. null when nothing was noted. */
function releaseFrom(
  { config, peaks, jumps }: MonitorState,
  resource: "cpu" | "mem",
  holdMs: number,
  now: MonoMs,
): Readonly<{ due: number; to: number }> | null {
  const { cpu, memory } = config.policy;
  const { togetherShare } = resource === "cpu" ? cpu : memory;
  const release = releaseOf(peaks[resource], now, holdMs, togetherShare);
  const jump = jumps[resource];
  if (release === null || now >= jump.until) return release;
  return { due: Math.max(release.due, jump.to), to: Math.max(release.to, jump.to) };
}

/**
 * What was jumped to is kept for a moment: else the next sample, which needs less, would take it back.
 */
function keepJump(
  state: MonitorState,
  resource: "cpu" | "mem",
  to: number,
  now: MonoMs,
): MonitorState {
  const { cpu, memory } = state.config.policy;
  const until = now + (resource === "cpu" ? cpu.jumpHoldMs : memory.jumpHoldMs);
  return { ...state, jumps: { ...state.jumps, [resource]: { to, until } } };
}

/** Each fraction that held for long halves the extra patience again. */
function noteFraction(state: MonitorState, milliCpu: number, now: MonoMs): MonitorState {
  const releasedMilli = (state.desired?.milliCpu ?? 0) - milliCpu;
  return { ...state, fraction: { ...state.fraction, releasedAt: now, releasedMilli } };
}

/**
 * Growing again before the release has paid for its two resizes means that it was a mistake; and so does a burst that one
 * core can serve, for longer: an idle guest has one or two a minute, and who follows each of them does so for ever.
 */
function regret(state: MonitorState, to: number, now: MonoMs): MonitorState {
  const { regretMax, regretWithinMs, resizeUnitSec, regretSec } = state.config.policy.cpu;
  const { releasedAt, releasedMilli, holdFactor } = state.fraction;
  if ((state.desired?.milliCpu ?? 0) >= WHOLE_CPU_MILLI) return state;
  if (releasedAt === -Infinity) return state;
  const paidAfterMs = ((2 * resizeUnitSec * 1000) / releasedMilli + regretSec) * 1000 * holdFactor;
  const soonMs = to <= WHOLE_CPU_MILLI ? Math.max(regretWithinMs, paidAfterMs) : paidAfterMs;
  const factor = now < releasedAt + soonMs ? holdFactor * 2 : holdFactor / 2;
  const next = Math.min(Math.max(factor, 1), regretMax);
  return { ...state, fraction: { releasedAt: -Infinity, releasedMilli: 0, holdFactor: next } };
}

function decideMemory(state: MonitorState, now: MonoMs): Result {
  const policy = state.config.policy.memory;
  const level = state.desired?.memBytes ?? 0;
  const need = state.memoryNeed;
  const actual = actualOf(state);
  if (need === null || actual === null) return [state, []];
  const have = actual.memBytes;
  if (memCellUp(state, need.needBytes) > level) {
    // Beyond what there is, by a jump worth making; below it, merely less is given back.
    const step = Math.min(
      policy.growMaxMinBytes,
      Math.max(policy.growMinBytes, policy.growShare * have),
    );
    const isGrowth = need.needBytes > have;
    const most = state.session?.report?.max.memBytes ?? Infinity;
    // Room for what comes next is only asked for where there can be some; the need itself is told.
    const isForCache = need.reason === "cache"; // nothing runs out: it grows by what it lacks
    const isJump = isGrowth && !isForCache;
    const jump = isJump ? Math.min(Math.max(need.aimBytes, have + step), most) : 0;
    const to = memCellUp(state, Math.max(jump, need.needBytes, need.safeBytes));
    const change = { resource: "mem", to, reason: need.reason, limit: "none" } as const;
    const [next, actions] = conclude(keepJump(state, "mem", to, now), change, now);
    return [isGrowth ? watchGrowth(next, now) : next, actions];
  }
  const least = leastOf(state).memBytes;
  const floor = reservedFloor(state).memBytes;
  const holdMs = holdMsOf(state.holds.mem, policy);
  const release = releaseFrom(state, "mem", holdMs, now) ?? { due: level, to: level };
  const to = Math.max(least, floor, release.to, memCellUp(state, need.safeBytes));
  if (Math.max(to, release.due) >= level) return [state, []];
  const isWorthIt = isWorthResize(state, "mem", to, now);
  if (!isWorthIt || need.veto !== null || releaseObstacle(state, now) !== null) return [state, []];
  const limit = to === least && to > floor ? "bounds" : to > release.to ? "floor" : "none";
  return conclude(state, { resource: "mem", to, reason: "idle", limit }, now);
}

/**
 * Start the clock on how long it takes until the memory can be used. Measured from MemTotal, which
 * is ahead of what the agent has reported by then.
 */
function watchGrowth(state: MonitorState, now: MonoMs): MonitorState {
  const { desired, memorySample, memory } = state;
  if (desired === null || memorySample === null || state.session === null) return state;
  const { totalBytes } = memorySample.value;
  const more = fitted(state, desired).memBytes - totalBytes - (memory.kernel?.bytes ?? 0);
  return { ...state, reaction: expectGrowth(state.reaction, totalBytes, more, now) };
}

/** Time in which nothing was measured proves no idleness: the holds wait as long. */
function afterGap(
  state: MonitorState,
  before: MonitorState,
  resource: "cpu" | "mem",
  now: MonoMs,
): MonitorState {
  const last = (resource === "cpu" ? before.cpuSample : before.memorySample)?.at ?? now;
  const gapMs = now - last;
  if (gapMs <= state.config.policy.staleMs) return state;
  const { to, until } = state.jumps[resource];
  const peaks = { ...state.peaks, [resource]: postponePeaks(state.peaks[resource], gapMs) };
  const jumps = { ...state.jumps, [resource]: { to, until: until + gapMs } };
  return count({ ...state, peaks, jumps }, "sampleGaps");
}

function countKills(state: MonitorState, known: OomKills): Result {
  const { count, byLimit } = state.memory.oom.kills;
  const killed = count - known.count;
  if (killed === 0) return [state, []];
  const isLimit = byLimit > known.byLimit;
  const why = isLimit
    ? "at the limit of its cgroup, which a larger machine does not move"
    : "for lack of memory";
  const message = `The kernel killed ${killed} process(es) ${why}.`;
  const counters = { ...state.counters, oomKills: state.counters.oomKills + killed };
  return [{ ...state, counters }, [explain("warn", "oom-kill", message, { killed, isLimit })]];
}
