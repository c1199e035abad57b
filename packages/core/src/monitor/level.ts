// The level: what is wanted now, resource by resource, when it may fall, and the record of every
// change. Up at once and in one jump; down to the largest need of the hold, when it is worth a
// resize and nothing forbids it.
import {
  MAX_CPU,
  type BindingLimit,
  type Candidate,
  type MonitorDecision,
  type Resource,
  type ScaleReason,
  type Size,
} from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { actualOf, cpuCellUp, effectiveActual, memCellUp } from "./actual.ts";
import { reservedFloor } from "./reservations/reserved.ts";
import { type MonitorState } from "./state.ts";
import { type MonitorAction } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

/** Until something is decided, what it has is what it asks for. */
export function startLevel(state: MonitorState): MonitorState {
  const actual = effectiveActual(state);
  if (state.desired !== null || actual === null) return state;
  if (state.cpuSample === null || state.memorySample === null) return state;
  return {
    ...state,
    desired: {
      milliCpu: cpuCellUp(state, actual.milliCpu),
      memBytes: memCellUp(state, actual.memBytes),
    },
  };
}

/**
 * The agent told the size for the first time: what was only assumed gives way to it. What was decided
 * meanwhile rests on our own view, which may have been less than what the VM has.
 */
export function learnTold(state: MonitorState, now: MonoMs): Result {
  const actual = effectiveActual(state);
  const { desired, reasons } = state;
  if (actual === null || desired === null) return [state, []];
  const has: Size = {
    milliCpu: cpuCellUp(state, actual.milliCpu),
    memBytes: memCellUp(state, actual.memBytes),
  };
  const told: MonitorState = {
    ...state,
    desired: {
      milliCpu: reasons.cpu === "start" ? has.milliCpu : desired.milliCpu,
      memBytes: reasons.mem === "start" ? has.memBytes : desired.memBytes,
    },
  };
  if (now >= state.startedAt + state.config.policy.startHoldMs) return [told, []];
  const [first, cpuRecord] = keepWhatItHas(told, "cpu", desired.milliCpu, has.milliCpu, now);
  const [second, memRecord] = keepWhatItHas(first, "mem", desired.memBytes, has.memBytes, now);
  return [second, [...cpuRecord, ...memRecord]];
}

/** Before a full window of measurements is in, nothing less than what it has is asked for. */
function keepWhatItHas(
  state: MonitorState,
  resource: Resource,
  decided: number,
  has: number,
  now: MonoMs,
): Result {
  if (state.reasons[resource] === "start" || decided >= has) return [state, []];
  return conclude(state, { resource, to: has, reason: "start", limit: "hold" }, now);
}

/** Why nothing may be released now; null when it may. */
export function releaseObstacle(state: MonitorState, now: MonoMs): BindingLimit | null {
  const { policy } = state.config;
  if (now < state.startedAt + policy.startHoldMs) return "hold";
  if (now < state.shortGrantAt + policy.shortGrantHoldMs) return "hold";
  if (now < state.memory.oom.killedAt + policy.memory.oomHoldMs) return "hold";
  const freshSince = now - policy.staleMs;
  const cpuAt = state.cpuSample?.at ?? -Infinity;
  const memoryAt = state.memorySample?.at ?? -Infinity;
  return cpuAt >= freshSince && memoryAt >= freshSince ? null : "stale";
}

/**
 * The least that can be asked for at all: the bounds; without them one CPU step, and what it has. Only who takes levels
 * without reporting, and has told a size, is asked for less memory: nobody else leads the way down there.
 */
export function leastOf(state: MonitorState): Size {
  const { session } = state;
  if (session !== null && session.report !== null) return session.report.min;
  const isToldLevels = session?.probe.kind === "understood" && session.notified !== null;
  const memBytes = isToldLevels ? memCellUp(state, 1) : (actualOf(state)?.memBytes ?? 0);
  return { milliCpu: cpuCellUp(state, 1), memBytes };
}

/** A resource's new level. Amounts are milli-vCPU or bytes. */
export type Change = Readonly<{
  resource: Resource;
  to: number;
  reason: ScaleReason;
  limit: BindingLimit;
}>;

/** The record of a decision, and the new level. */
export function conclude(state: MonitorState, change: Change, now: MonoMs): Result {
  const before = state.desired;
  if (before === null) return [state, []];
  const desired =
    change.resource === "cpu"
      ? { ...before, milliCpu: Math.min(change.to, MAX_CPU * 1000) }
      : { ...before, memBytes: Math.min(change.to, Number.MAX_SAFE_INTEGER) };
  const isRaise = desired.milliCpu > before.milliCpu || desired.memBytes > before.memBytes;
  const sampleAt = (change.resource === "cpu" ? state.cpuSample : state.memorySample)?.at ?? now;
  const reasons = { ...state.reasons, [change.resource]: change.reason };
  const next: MonitorState = {
    ...state,
    desired,
    reasons,
    neededAt: isRaise ? sampleAt : state.neededAt,
    decisions: state.decisions + 1,
  };
  const limits = {
    cpu: change.resource === "cpu" ? change.limit : quietLimit(reasons.cpu),
    mem: change.resource === "mem" ? change.limit : quietLimit(reasons.mem),
  };
  return [next, [{ kind: "decide", decision: record(next, before, desired, limits, now) }]];
}

/** One word for the whole size: what is wanted most urgently, else why it is not less. */
export function overallReason(state: MonitorState, now: MonoMs): ScaleReason {
  const { reasons, desired, memoryNeed } = state;
  const actual = effectiveActual(state);
  if (memoryNeed?.reason === "memory-emergency") return "memory-emergency";
  if (desired !== null && actual !== null) {
    if (desired.memBytes > actual.memBytes && reasons.mem !== "start") return reasons.mem;
    if (desired.milliCpu > actual.milliCpu && reasons.cpu !== "start") return reasons.cpu;
  }
  const isStarting = now < state.startedAt + state.config.policy.startHoldMs;
  if (isStarting && reasons.cpu === "start" && reasons.mem === "start") return "start";
  if (isReserved(state)) return "reservation";
  return isHeld(state) ? "hold" : "idle";
}

/** A reservation, and nothing else, keeps one of both where it is. */
function isReserved(state: MonitorState): boolean {
  const { desired } = state;
  const need = currentNeed(state);
  if (desired === null || need === null) return false;
  const floor = reservedFloor(state);
  return (
    (floor.milliCpu === desired.milliCpu && cpuCellUp(state, need.milliCpu) < floor.milliCpu) ||
    (floor.memBytes === desired.memBytes && memCellUp(state, need.memBytes) < floor.memBytes)
  );
}

/** More is wanted than is needed now and than the bounds ask for: it is only not given back yet. */
function isHeld(state: MonitorState): boolean {
  const { desired } = state;
  const need = currentNeed(state);
  if (desired === null || need === null) return false;
  const least = leastOf(state);
  return (
    Math.max(cpuCellUp(state, need.milliCpu), least.milliCpu) < desired.milliCpu ||
    Math.max(memCellUp(state, need.memBytes), least.memBytes) < desired.memBytes
  );
}

/** What the last samples alone would ask for; null before them. */
export function currentNeed(state: MonitorState): Size | null {
  const { cpuNeed, memoryNeed } = state;
  if (cpuNeed === null || memoryNeed === null) return null;
  return { milliCpu: Math.round(cpuNeed.need * 1000), memBytes: memoryNeed.needBytes };
}

/** A decision as data, from what is known now. */
export function record(
  state: MonitorState,
  before: Size,
  result: Size,
  limits: Readonly<{ cpu: BindingLimit; mem: BindingLimit }>,
  now: MonoMs,
): MonitorDecision {
  return {
    by: "monitor",
    sequence: state.decisions,
    atMs: now,
    cpu: {
      inputs: state.cpuNeed?.inputs ?? {},
      candidates: cpuCandidates(state),
      limit: limits.cpu,
      reason: state.reasons.cpu,
      before: before.milliCpu,
      result: result.milliCpu,
    },
    mem: {
      inputs: state.memoryNeed?.inputs ?? {},
      candidates: memoryCandidates(state),
      limit: limits.mem,
      reason: state.reasons.mem,
      before: before.memBytes,
      result: result.memBytes,
    },
    result,
  };
}

function quietLimit(reason: ScaleReason): BindingLimit {
  return reason === "idle" ? "floor" : "hold";
}

function cpuCandidates(state: MonitorState): readonly Candidate[] {
  const need = state.cpuNeed;
  if (need === null) return [];
  const milli = (vcpus: number) => Math.round(vcpus * 1000);
  return [
    { source: "use", amount: milli(need.byUse) },
    ...(need.byQueue === null ? [] : [{ source: "run-queue", amount: milli(need.byQueue) }]),
    { source: "bounds-min", amount: leastOf(state).milliCpu },
    ...reserved(reservedFloor(state).milliCpu),
  ];
}

function memoryCandidates(state: MonitorState): readonly Candidate[] {
  const need = state.memoryNeed;
  if (need === null) return [];
  return [
    { source: "need", amount: need.needBytes },
    { source: "aim", amount: need.aimBytes },
    { source: "keep", amount: need.keepBytes },
    { source: "safety", amount: need.safeBytes },
    { source: "bounds-min", amount: leastOf(state).memBytes },
    ...reserved(reservedFloor(state).memBytes),
  ];
}

function reserved(amount: number): readonly Candidate[] {
  return amount === 0 ? [] : [{ source: "reservations", amount }];
}
