// May this machine be made smaller, now? Judged at the moment it is asked, by what is in use, each resource by itself.
import { type ScaleReason, type Size } from "@selfscale/protocol";
import { busyNow } from "../policy/cpu.ts";
import { lowestSafeBytes, vetoOf } from "../policy/memory.ts";
import { actualOf, effectiveActual, fitted, stepOf } from "./actual.ts";
import { currentReserve } from "./desire.ts";
import { type MonitorState } from "./state.ts";
import { type MonoMs } from "./types.ts";

export type Verdict = Readonly<{
  ok: boolean;
  /** For people; short. */
  status: string;
  reason: ScaleReason | null;
  /** What would be agreed to now; null when that is no smaller than what it has. */
  lowest: Size | null;
  lowersCpu: boolean;
}>;

const MIB = 1024 * 1024;

export function judgeShrink(state: MonitorState, target: Size, now: MonoMs): Verdict {
  const actual = actualOf(state);
  const used = effectiveActual(state);
  if (actual === null || used === null) return refusal("no measurements yet", "start", null, false);
  const lowersMem = target.memBytes < actual.memBytes;
  const lowersCpu = target.milliCpu < used.milliCpu;
  const lowest = lowestNow(state, actual, used, now);
  if (lowersMem) {
    const problem = memoryProblem(state, target, lowest, now);
    if (problem !== null) return refusal(problem, "memory", lowest, lowersCpu);
  }
  if (lowersCpu) {
    if (lowest === null) return refusal("no CPU measurements yet", "start", null, true);
    if (target.milliCpu < lowest.milliCpu) {
      const text = `CPU is in use: ${lowest.milliCpu / 1000} vCPU are needed now`;
      return refusal(text, "cpu", lowest, true);
    }
  }
  const what = [
    ...(lowersMem ? [`${Math.round(target.memBytes / MIB)} MiB`] : []),
    ...(lowersCpu ? [`${target.milliCpu / 1000} vCPU`] : []),
  ];
  const status = what.length === 0 ? "nothing to give back" : `agreed to ${what.join(", ")}`;
  return { ok: true, status, reason: null, lowest: null, lowersCpu };
}

function memoryProblem(
  state: MonitorState,
  target: Size,
  lowest: Size | null,
  now: MonoMs,
): string | null {
  const sample = state.memorySample;
  if (sample === null || lowest === null) return "not enough memory measurements yet";
  if (now - sample.at > state.config.policy.staleMs) return "memory measurements are stale";
  const veto = vetoOf(state.memory, sample.value, state.config.policy.memory, now);
  if (veto !== null) return veto;
  if (target.memBytes >= lowest.memBytes) return null;
  return `memory is in use: ${Math.round(lowest.memBytes / MIB)} MiB are needed now`;
}

/** The smallest size that is safe at this moment, on the grid; null while it can't be told. */
function lowestNow(state: MonitorState, actual: Size, used: Size, now: MonoMs): Size | null {
  const { policy } = state.config;
  const reserve = currentReserve(state);
  const memBytes = lowestSafeBytes(state.memory, actual.memBytes, reserve, policy.memory, now);
  const busy = busyOf(state, used, now);
  if (memBytes === null || busy === null) return null;
  const step = stepOf(state);
  const milliCpu =
    Math.ceil((busy * 1000) / policy.cpu.busyTargetShare / step.milliCpu) * step.milliCpu;
  const safe = { milliCpu: Math.max(step.milliCpu, milliCpu), memBytes };
  const fit = fitted(state, safe);
  // Bounds may lie below what is in use: the truth is not clamped to them from above.
  return {
    milliCpu: Math.max(fit.milliCpu, safe.milliCpu),
    memBytes: Math.max(fit.memBytes, Math.min(safe.memBytes, actual.memBytes)),
  };
}

/** Under a quota below the online CPUs the agent's reading is the truth. */
function busyOf(state: MonitorState, used: Size, now: MonoMs): number | null {
  const report = state.session?.report ?? null;
  const online = (state.cpuSample?.value.onlineCount ?? 1) * 1000;
  const cpuUsed = report?.cpuUsed ?? null;
  if (cpuUsed !== null && used.milliCpu < online) return cpuUsed;
  return busyNow(state.cpu, now);
}

function refusal(
  status: string,
  reason: ScaleReason,
  lowest: Size | null,
  lowersCpu: boolean,
): Verdict {
  return { ok: false, status, reason, lowest, lowersCpu };
}
