// May this machine be made smaller, now? Judged at the moment it is asked, by what is in use, each
// resource by itself.
import { type ScaleReason, type Size } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { vetoOf } from "../policy/calm.ts";
import { usedNow } from "../policy/cpu.ts";
import { isCacheShort, kernelBytesNow, lowestSafeBytes } from "../policy/memory.ts";
import { actualOf, cpuCellUp, cpuGiven, effectiveActual, memCellUp } from "./actual.ts";
import { memoryGiven } from "./desire.ts";
import { reservedFloor, sayKept } from "./reservations/reserved.ts";
import { type MonitorState } from "./state.ts";

export type Verdict = Readonly<{
  ok: boolean;
  /** For people; short. */
  status: string;
  reason: ScaleReason | null;
  /** What would be agreed to now; null when nothing is measured. */
  lowest: Size | null;
  lowersCpu: boolean;
  lowersMem: boolean;
}>;

type No = Readonly<{ status: string; reason: ScaleReason }>;
type Judged = Readonly<{ no: No | null; lowest: number }>;

const MIB = 1024 * 1024;
const WHOLE_CPU_MILLI = 1000;

/** Per resource: what is lowered, whether that is safe now, and how low it could go. */
export function judgeShrink(state: MonitorState, target: Size, now: MonoMs): Verdict {
  const actual = actualOf(state);
  const used = effectiveActual(state);
  if (actual === null || used === null) {
    const status = "no measurements yet";
    return { ok: false, status, reason: "start", lowest: null, lowersCpu: true, lowersMem: true };
  }
  const haveBytes = haveNow(state, actual);
  const lowersMem = target.memBytes < haveBytes;
  const lowersCpu = target.milliCpu < used.milliCpu;
  const memory = judgeMemory(state, target.memBytes, haveBytes, now);
  const cpu = judgeCpu(state, target.milliCpu, used.milliCpu, now);
  const floor = reservedFloor(state);
  const lowest = {
    milliCpu: Math.max(cpu.lowest, Math.min(used.milliCpu, floor.milliCpu)),
    memBytes: Math.max(memory.lowest, Math.min(Math.round(haveBytes), floor.memBytes)),
  };
  const reserved = {
    mem: lowersMem && target.memBytes < floor.memBytes ? keptFor(state, "mem") : null,
    cpu: lowersCpu && target.milliCpu < floor.milliCpu ? keptFor(state, "cpu") : null,
  };
  const no =
    reserved.mem ?? reserved.cpu ?? (lowersMem ? memory.no : null) ?? (lowersCpu ? cpu.no : null);
  if (no !== null) return { ok: false, ...no, lowest, lowersCpu, lowersMem };
  const what = [
    ...(lowersMem ? [`${Math.round(target.memBytes / MIB)} MiB`] : []),
    ...(lowersCpu ? [`${target.milliCpu / 1000} vCPU`] : []),
  ];
  const status = what.length === 0 ? "nothing to give back" : `agreed to ${what.join(", ")}`;
  return { ok: true, status, reason: null, lowest: null, lowersCpu, lowersMem };
}

function keptFor(state: MonitorState, resource: "cpu" | "mem"): No {
  return { status: sayKept(state, resource), reason: "reservation" };
}

/** The last report may be older than what the kernel shows: a slice may just have gone. Bytes. */
export function haveNow(state: MonitorState, actual: Size): number {
  const total = state.memorySample?.value.totalBytes;
  const kernel = kernelBytesNow(state.memory, actual.memBytes);
  if (total === undefined || kernel === null) return actual.memBytes;
  return Math.min(actual.memBytes, total + kernel);
}

function judgeMemory(state: MonitorState, target: number, have: number, now: MonoMs): Judged {
  const policy = state.config.policy.memory;
  const refuse = (status: string, reason: ScaleReason): Judged => ({
    no: { status, reason },
    lowest: Math.round(have),
  });
  const sample = state.memorySample;
  const told = actualOf(state)?.memBytes ?? have;
  const safe = lowestSafeBytes(state.memory, memoryGiven(state, told), policy, now);
  if (sample === null || safe === null) return refuse("not enough measurements yet", "start");
  if (now - sample.at > state.config.policy.staleMs) {
    return refuse("memory measurements are stale", "hold");
  }
  const pauseMs = unplugPauseMs(state, now);
  if (pauseMs > 0) {
    return refuse(`the last unplug freed nothing; again in ${Math.ceil(pauseMs / 1000)} s`, "hold");
  }
  const veto = vetoOf(state.memory, policy, now);
  if (veto !== null) return refuse(veto, "memory");
  if (isCacheShort(state.memory, policy, now)) {
    return refuse("the file cache is being read back", "cache");
  }
  const lowest = Math.min(Math.round(have), memCellUp(state, safe));
  if (target >= safe) return { no: null, lowest };
  const status = `memory is in use: ${Math.ceil(safe / MIB)} MiB are needed now`;
  return { no: { status, reason: "memory" }, lowest };
}

function judgeCpu(state: MonitorState, target: number, have: number, now: MonoMs): Judged {
  const policy = state.config.policy.cpu;
  const { quota } = cpuGiven(state);
  const used = usedNow(state.cpu, quota, policy, now);
  if (used === null) {
    return { no: { status: "no CPU measurements yet", reason: "start" }, lowest: have };
  }
  const throttled = state.session?.report?.throttledShare ?? 0;
  const isCalm = throttled < policy.calmThrottledShare;
  // As full as it may become before it grows: what the level asks for is never refused here.
  const needed = cpuCellUp(state, (used / policy.busyLimitShare) * 1000);
  const lowest = Math.min(have, isCalm ? needed : Math.max(needed, WHOLE_CPU_MILLI));
  if (!isCalm && target < WHOLE_CPU_MILLI) {
    const status = `throttled in ${Math.round(throttled * 100)} % of periods already`;
    return { no: { status, reason: "cpu" }, lowest };
  }
  if (target >= needed) return { no: null, lowest };
  const status = `CPU is in use: ${needed / 1000} vCPU are needed now`;
  return { no: { status, reason: "cpu" }, lowest };
}

/** An agreement to unplug memory: remember what MemTotal was, to see whether it moves. */
export function noteAgreement(state: MonitorState, now: MonoMs): MonitorState["unplug"] {
  const totalBytes = state.memorySample?.value.totalBytes ?? 0;
  const { unplug } = state;
  const isFruitless = unplug !== null && !hasMoved(unplug.totalBytes, totalBytes);
  return { failures: isFruitless ? unplug.failures + 1 : 0, agreedAt: now, totalBytes };
}

/**
 * How long a shrink is refused because those before gave nothing back; 0: not at all. One failure
 * is free: the agent may have acted too late on a consent. Ours pauses longer than this by itself.
 */
function unplugPauseMs(state: MonitorState, now: MonoMs): number {
  const { unplug, config } = state;
  if (unplug === null || unplug.failures === 0) return 0;
  if (hasMoved(unplug.totalBytes, state.memorySample?.value.totalBytes ?? 0)) return 0;
  const { retryMinMs, retryMaxMs } = config.policy.memory;
  const pauseMs = Math.min(retryMaxMs, retryMinMs * 2 ** (unplug.failures - 1));
  return Math.max(0, unplug.agreedAt + pauseMs - now);
}

/** virtio-mem moves blocks of 2 MiB or more; less is the kernel's own bookkeeping. */
function hasMoved(beforeBytes: number, afterBytes: number): boolean {
  return Math.abs(afterBytes - beforeBytes) >= MIB;
}
