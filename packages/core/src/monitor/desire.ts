// From needs to the size wanted: up at once, in one jump; down only what was not needed for a whole hold, if nothing objects.
import {
  type MonitorDecision,
  type ResourceDecision,
  type ScaleReason,
  type Size,
} from "@selfscale/protocol";
import { senseCpu } from "../policy/cpu.ts";
import { senseMemory } from "../policy/memory.ts";
import { expectGrowth, noticeGrowth, reserveBytes, tReactMs } from "../policy/reserve.ts";
import { addPeak, peakOf } from "../policy/window.ts";
import { actualOf, effectiveActual, fitted, stepOf } from "./actual.ts";
import { type MonitorState } from "./state.ts";
import { type CpuSample, type MemorySample, type MonitorAction, type MonoMs } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

export function currentReserve(state: MonitorState): number {
  const { config, reaction } = state;
  const reactMs = tReactMs(reaction, config.tReactStartMs);
  return reserveBytes(config.rMaxBytesPerSec, reactMs, config.policy.memory);
}

/** A CPU sample came: what is needed, and what follows. */
export function onCpuSample(before: MonitorState, sample: CpuSample, now: MonoMs): Result {
  const sampled: MonitorState = { ...before, cpuSample: { at: now, value: sample } };
  const actual = effectiveActual(sampled);
  if (actual === null) return [sampled, []];
  const { policy } = before.config;
  const report = before.session?.report ?? null;
  const isLimited = report !== null && report.actual.milliCpu < sample.onlineCount * 1000;
  const [cpu, need] = senseCpu(
    before.cpu,
    sample,
    actual.milliCpu / 1000,
    isLimited ? { cpuUsed: report.cpuUsed, throttledShare: report.throttledShare } : null,
    policy.cpu,
    now,
  );
  const cpuPeaks = addPeak(before.cpuPeaks, need.need * 1000, now, policy.cpu.holdMs);
  return decideCpu({ ...sampled, cpu, cpuNeed: need, cpuPeaks }, actual, now);
}

/** A memory sample came: what is needed, and what follows. */
export function onMemorySample(before: MonitorState, sample: MemorySample, now: MonoMs): Result {
  const { policy } = before.config;
  const actions: MonitorAction[] = [];
  const [reaction, tookMs] = noticeGrowth(before.reaction, sample.totalBytes, now);
  if (tookMs !== null) {
    const message = `Memory that was needed is usable after ${Math.round(tookMs)} ms.`;
    actions.push({
      kind: "explain",
      note: { level: "info", reason: "reacted", message, data: { tookMs } },
    });
  }
  const killed =
    (sample.counters?.oomKills ?? 0) - (before.memorySample?.value.counters?.oomKills ?? Infinity);
  if (killed > 0) {
    const message = `The kernel killed ${killed} process(es) for lack of memory.`;
    actions.push({ kind: "explain", note: { level: "warn", reason: "oom-kill", message } });
  }
  if ((sample.blocks?.offlineCount ?? 0) > 0) actions.push({ kind: "online-memory" });
  const sampled: MonitorState = {
    ...before,
    reaction,
    memorySample: { at: now, value: sample },
    counters: {
      ...before.counters,
      oomKills: before.counters.oomKills + Math.max(0, Number.isFinite(killed) ? killed : 0),
    },
  };
  const actual = actualOf(sampled);
  if (actual === null) return [sampled, actions];
  const [memory, need] = senseMemory(
    before.memory,
    sample,
    actual.memBytes,
    currentReserve(sampled),
    policy.memory,
    now,
  );
  const memoryPeaks = addPeak(before.memoryPeaks, need.needBytes, now, policy.memory.holdMs);
  const [decided, more] = decideMemory(
    { ...sampled, memory, memoryNeed: need, memoryPeaks },
    actual,
    now,
  );
  return [decided, [...actions, ...more]];
}

function decideCpu(state: MonitorState, actual: Size, now: MonoMs): Result {
  const { cpu: policy } = state.config.policy;
  const need = state.cpuNeed;
  if (need === null) return [state, []];
  const before = state.desired?.milliCpu ?? actual.milliCpu;
  const have = Math.max(actual.milliCpu, 1);
  const needMilli = need.need * 1000;
  if (needMilli > before) {
    // Beyond what there is, by a jump worth making; below it, merely less is given back.
    const isGrowth = needMilli > have;
    const target = isGrowth ? Math.max(needMilli, (1 + policy.growMinShare) * have) : needMilli;
    const milliCpu = roundUp(target, stepOf(state).milliCpu);
    const cpuPeaks = addPeak(state.cpuPeaks, milliCpu, now, policy.holdMs);
    return conclude(
      { ...state, cpuPeaks },
      "cpu",
      { ...desiredOr(state, actual), milliCpu },
      "cpu",
      "none",
      now,
    );
  }
  const peak = peakOf(state.cpuPeaks, now, policy.holdMs) ?? needMilli;
  const floor = leastOf(state).milliCpu;
  const milliCpu = Math.max(floor, roundUp(peak, stepOf(state).milliCpu));
  if (milliCpu >= before) return [state, []];
  const isWorthIt = milliCpu <= before * (1 - policy.shedShare) || milliCpu <= floor;
  const throttled = state.session?.report?.throttledShare ?? 0;
  const isCalm = milliCpu >= 1000 || throttled < policy.calmThrottledShare;
  if (!isWorthIt || !isCalm || !mayRelease(state, now)) return [state, []];
  return conclude(state, "cpu", { ...desiredOr(state, actual), milliCpu }, "idle", "none", now);
}

function decideMemory(state: MonitorState, actual: Size, now: MonoMs): Result {
  const { memory: policy } = state.config.policy;
  const need = state.memoryNeed;
  if (need === null) return [state, []];
  const before = state.desired?.memBytes ?? actual.memBytes;
  const have = actual.memBytes;
  const step = stepOf(state).memBytes;
  if (need.needBytes > before) {
    // Beyond what there is, by a jump worth making; below it, merely less is given back.
    const growMin = Math.min(policy.growMaxMinBytes, Math.max(policy.growMinBytes, have / 2));
    const least = need.needBytes > have ? Math.max(have + growMin, need.aheadBytes) : 0;
    const memBytes = roundUp(Math.max(need.needBytes, least), step);
    // What is asked for is held like what is needed: else the next sample would give it back.
    const memoryPeaks = addPeak(state.memoryPeaks, memBytes, now, policy.holdMs);
    const [next, actions] = conclude(
      { ...state, memoryPeaks },
      "mem",
      { ...desiredOr(state, actual), memBytes },
      need.reason,
      "none",
      now,
    );
    return [watchGrowth(next, memBytes, now), actions];
  }
  const peak = peakOf(state.memoryPeaks, now, policy.holdMs) ?? need.needBytes;
  const floor = leastOf(state).memBytes;
  const memBytes = Math.max(floor, roundUp(peak, step));
  if (memBytes >= before) return [state, []];
  const isWorthIt = memBytes <= before * (1 - policy.shedShare) || memBytes <= floor;
  if (!isWorthIt || need.veto !== null || !mayRelease(state, now)) return [state, []];
  return conclude(state, "mem", { ...desiredOr(state, actual), memBytes }, "idle", "none", now);
}

/**
 * Start the clock on how long it takes until the memory can be used. Measured from MemTotal, which
 * is ahead of what the agent has reported by then.
 */
function watchGrowth(state: MonitorState, memBytes: number, now: MonoMs): MonitorState {
  const total = state.memorySample?.value.totalBytes ?? 0;
  const goal = fitted(state, { milliCpu: state.desired?.milliCpu ?? 0, memBytes }).memBytes;
  const more = goal - total - (state.memory.kernelBytes ?? 0);
  if (more <= 0) return state;
  return { ...state, reaction: expectGrowth(state.reaction, total, more, now) };
}

/** A release needs a full window of fresh measurements and no recent shortage. */
function mayRelease(state: MonitorState, now: MonoMs): boolean {
  const { policy } = state.config;
  if (now < state.startedAt + policy.startHoldMs) return false;
  if (now < state.shortGrantAt + policy.shortGrantHoldMs) return false;
  const freshSince = now - policy.staleMs;
  const cpuAt = state.cpuSample?.at ?? -Infinity;
  const memoryAt = state.memorySample?.at ?? -Infinity;
  return cpuAt >= freshSince && memoryAt >= freshSince;
}

/** The least that can be asked for at all. Without a report: one CPU, and what is online now. */
function leastOf(state: MonitorState): Size {
  const report = state.session?.report ?? null;
  if (report !== null) return report.min;
  const own = actualOf(state);
  return { milliCpu: stepOf(state).milliCpu, memBytes: own?.memBytes ?? 0 };
}

function desiredOr(state: MonitorState, actual: Size): Size {
  return state.desired ?? actual;
}

/** The record of a decision, and the new level. */
function conclude(
  state: MonitorState,
  changed: "cpu" | "mem",
  desired: Size,
  reason: ScaleReason,
  limit: ResourceDecision<ScaleReason>["limit"],
  now: MonoMs,
): Result {
  const before = state.desired ?? desired;
  const isRaise = desired.milliCpu > before.milliCpu || desired.memBytes > before.memBytes;
  const sampleAt = (changed === "cpu" ? state.cpuSample?.at : state.memorySample?.at) ?? now;
  const decision: MonitorDecision = {
    by: "monitor",
    sequence: state.decisions + 1,
    atMs: now,
    cpu: {
      inputs: state.cpuNeed?.inputs ?? {},
      candidates: [{ source: "need", amount: Math.round((state.cpuNeed?.need ?? 0) * 1000) }],
      limit: changed === "cpu" ? limit : "hold",
      reason: changed === "cpu" ? reason : "hold",
      before: before.milliCpu,
      result: desired.milliCpu,
    },
    mem: {
      inputs: state.memoryNeed?.inputs ?? {},
      candidates: [{ source: "need", amount: state.memoryNeed?.needBytes ?? 0 }],
      limit: changed === "mem" ? limit : "hold",
      reason: changed === "mem" ? reason : "hold",
      before: before.memBytes,
      result: desired.memBytes,
    },
    result: desired,
  };
  return [
    {
      ...state,
      desired,
      desiredReason: reason,
      neededAt: isRaise ? sampleAt : state.neededAt,
      decisions: state.decisions + 1,
    },
    [{ kind: "decide", decision }],
  ];
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
