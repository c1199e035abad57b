// The size the VM has, as the monitor may believe it: what the agent said on this link; its own
// reading otherwise.
import { MAX_CPU, type Size } from "@selfscale/protocol";
import { type QuotaView } from "../policy/cpu.ts";
import { type AgentReport, type MonitorState } from "./state.ts";

const MIB = 1024 * 1024;
const WHOLE_CPU_MILLI = 1000;
/** Until the agent tells its grid: quarters of a core, and a Linux memory block. */
const DEFAULT_STEP: Size = { milliCpu: 250, memBytes: 128 * MIB };

/** Own view: online memory blocks (all of them are RAM that QEMU gave) and CPUs in use. */
export function ownView(state: MonitorState): Size | null {
  const memory = state.memorySample?.value;
  const cpu = state.cpuSample?.value;
  if (memory === undefined || cpu === undefined) return null;
  const { blocks } = memory;
  // Without hotplug there are no blocks: MemTotal, rounded up to what a machine could have.
  const memBytes =
    blocks === null || blocks.onlineCount === 0
      ? Math.ceil(memory.totalBytes / DEFAULT_STEP.memBytes) * DEFAULT_STEP.memBytes
      : blocks.onlineCount * blocks.blockBytes;
  return { milliCpu: cpu.onlineCount * 1000, memBytes };
}

/** null until there are samples or a report. */
export function actualOf(state: MonitorState): Size | null {
  const { session } = state;
  const report = session?.report ?? null;
  if (report !== null) return report.actual;
  const own = ownView(state);
  const notified = session?.notified ?? null;
  if (notified === null || own === null) return own;
  return {
    // A CPU quota is invisible from inside; what was notified is the best there is.
    milliCpu: notified.milliCpu,
    memBytes: Math.max(notified.memBytes, own.memBytes),
  };
}

/** What counts as having it: advice that was taken is met although the vCPUs stay plugged. */
export function effectiveActual(state: MonitorState): Size | null {
  const actual = actualOf(state);
  const report = state.session?.report ?? null;
  if (actual === null || report === null || !isAdvice(report)) return actual;
  return { ...actual, milliCpu: Math.min(actual.milliCpu, report.requested.milliCpu) };
}

/**
 * The agent can't enforce CPU here: what it requested is advice. Its one reason may be another, a full
 * node's for instance; but where CPU moves in whole vCPUs, less than there is can be nothing else.
 */
export function isAdvice(report: AgentReport): boolean {
  if (report.reason === "no-cpu-quota") return true;
  const isWhole = report.stepMilliCpu >= WHOLE_CPU_MILLI;
  return isWhole && report.requested.milliCpu < report.actual.milliCpu;
}

/**
 * What the guest can use now, and the agent's word while a quota below the online CPUs really cuts
 * it. A quota that throttles nothing falsifies nothing: then the guest sees its own need best, also
 * on a node whose CPUs are busy with others, where `cpuUsed` says only what could be had.
 */
export function cpuGiven(state: MonitorState): Readonly<{ have: number; quota: QuotaView | null }> {
  const onlineMilli = (state.cpuSample?.value.onlineCount ?? 1) * 1000;
  const report = state.session?.report ?? null;
  if (report === null || report.actual.milliCpu >= onlineMilli) {
    return { have: onlineMilli / 1000, quota: null };
  }
  const have = report.actual.milliCpu / 1000;
  const { cpuUsed, throttledShare } = report;
  const isCut = have < 1 || (throttledShare ?? 1) >= state.config.policy.cpu.calmThrottledShare;
  return { have, quota: isCut ? { cpuUsed, throttledShare } : null };
}

/** The granularity of sizes. `memBytes` 1: memory is fixed, any size is its own cell. */
export function stepOf(state: MonitorState): Size {
  const report = state.session?.report ?? null;
  if (report === null) return DEFAULT_STEP;
  return { milliCpu: report.stepMilliCpu, memBytes: Math.max(report.stepMemBytes, 1) };
}

/**
 * Up to the next cell, and never to what is no size. Cells are counted from bounds.min, which lies on
 * the agent's grid.
 */
export function memCellUp(state: MonitorState, bytes: number): number {
  const step = stepOf(state).memBytes;
  const origin = (state.session?.report?.min.memBytes ?? 0) % step;
  const cell = Math.max(step, origin + Math.ceil((bytes - origin) / step) * step);
  return Math.min(cell, Number.MAX_SAFE_INTEGER);
}

/** Up to the next cell, never to nothing, nor to more than is a size. */
export function cpuCellUp(state: MonitorState, milliCpu: number): number {
  const step = stepOf(state).milliCpu;
  return Math.min(Math.max(1, Math.ceil(milliCpu / step)) * step, MAX_CPU * 1000);
}

/** The wish as the agent will round and clamp it, as far as it told us how. */
export function fitted(state: MonitorState, wish: Size): Size {
  const size = {
    milliCpu: cpuCellUp(state, wish.milliCpu),
    memBytes: memCellUp(state, wish.memBytes),
  };
  const report = state.session?.report ?? null;
  if (report === null) return size;
  const clamp = (value: number, min: number, max: number) => Math.max(Math.min(value, max), min);
  return {
    milliCpu: clamp(size.milliCpu, report.min.milliCpu, report.max.milliCpu),
    memBytes: clamp(size.memBytes, report.min.memBytes, report.max.memBytes),
  };
}

/** Desired is reached, cell for cell, or as far as the bounds let it be. */
export function isMet(state: MonitorState): boolean {
  const actual = effectiveActual(state);
  if (actual === null || state.desired === null) return true;
  const want = fitted(state, state.desired);
  const have = {
    milliCpu: cpuCellUp(state, actual.milliCpu),
    memBytes: memCellUp(state, actual.memBytes),
  };
  return want.milliCpu === have.milliCpu && want.memBytes === have.memBytes;
}
