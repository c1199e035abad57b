// The size the VM has, as the monitor may believe it: what the agent said on this link; its own reading otherwise.
import { type Size } from "@selfscale/protocol";
import { type MonitorState } from "./state.ts";

const MIB = 1024 * 1024;
const DEFAULT_STEP = { milliCpu: 250, memBytes: 128 * MIB };

/** Own view: online memory blocks (all of them are RAM that QEMU gave) and CPUs that are plugged. */
export function ownView(state: MonitorState): Size | null {
  const memory = state.memorySample?.value;
  const cpu = state.cpuSample?.value;
  if (memory === undefined || cpu === undefined) return null;
  const { blocks } = memory;
  // Without hotplug there are no blocks: MemTotal, rounded up to what a machine could have.
  const memBytes =
    blocks === null
      ? Math.ceil(memory.totalBytes / DEFAULT_STEP.memBytes) * DEFAULT_STEP.memBytes
      : blocks.onlineCount * blocks.blockBytes;
  return { milliCpu: cpu.presentCount * 1000, memBytes };
}

/** null until there are samples or a report. */
export function actualOf(state: MonitorState): Size | null {
  const { session } = state;
  const report = session?.report ?? null;
  if (report !== null) return report.actual;
  const own = ownView(state);
  const notified = session?.version === 1 ? session.notified : null;
  if (notified === null || own === null) return own;
  return {
    // A CPU quota is invisible from inside; what version 1 notified is the best there is.
    milliCpu: notified.milliCpu,
    memBytes: Math.max(notified.memBytes, own.memBytes),
  };
}

/** What counts as having it: advice that was taken is met although the vCPUs stay plugged. */
export function effectiveActual(state: MonitorState): Size | null {
  const actual = actualOf(state);
  const report = state.session?.report ?? null;
  if (actual === null || report === null) return actual;
  if (report.reason !== "no-cpu-quota") return actual;
  return { ...actual, milliCpu: Math.min(actual.milliCpu, report.requested.milliCpu) };
}

export function stepOf(state: MonitorState): Size {
  const report = state.session?.report ?? null;
  if (report === null) return DEFAULT_STEP;
  return { milliCpu: report.stepMilliCpu, memBytes: Math.max(report.stepMemBytes, 1) };
}

/** The wish as the agent will round and clamp it, as far as it told us how. */
export function fitted(state: MonitorState, wish: Size): Size {
  const step = stepOf(state);
  const report = state.session?.report ?? null;
  const up = (value: number, unit: number) => Math.ceil(value / unit) * unit;
  const size = {
    milliCpu: Math.max(step.milliCpu, up(wish.milliCpu, step.milliCpu)),
    memBytes: up(wish.memBytes, step.memBytes),
  };
  if (report === null) return size;
  const clamp = (value: number, min: number, max: number) => Math.min(Math.max(value, min), max);
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
  const have = fitted(state, actual);
  return want.milliCpu === have.milliCpu && want.memBytes === have.memBytes;
}
