// Control mode: who decides this VM's size. A function of the connection and of time; it sizes nothing itself.
import { note } from "./explain.ts";
import { type ControlMode, type VmState } from "./vm-state.ts";
import { type MonoMs, type VmAction } from "./types.ts";

export function modeOf(state: VmState, now: MonoMs): ControlMode {
  const { link, timers } = state;
  if (link.kind !== "up") return "held";
  if (link.version >= 2) {
    const isSilent = state.level === null && now >= link.readyAt + timers.firstLevelMs;
    return isSilent ? "held" : "compute-controlled";
  }
  // The RFC author's draft sends ScaleRequest without ever raising the version.
  if (state.level !== null) return "compute-controlled";
  if (state.spec.hasMetrics && now >= link.readyAt + timers.metricsModeAfterMs) {
    return "metrics-based";
  }
  return "held";
}

/** When the mode may change by time alone. */
export function modeWakeAt(state: VmState): MonoMs | null {
  const { link, timers } = state;
  if (link.kind !== "up" || state.level !== null) return null;
  if (link.version >= 2) {
    return state.mode === "compute-controlled" ? link.readyAt + timers.firstLevelMs : null;
  }
  if (!state.spec.hasMetrics || state.mode !== "held") return null;
  return link.readyAt + timers.metricsModeAfterMs;
}

/** Stage: notice a change of mode, and scrape metrics exactly while a version-1 link needs them. */
export function modeStage(state: VmState, now: MonoMs): readonly [VmState, readonly VmAction[]] {
  const actions: VmAction[] = [];
  const mode = modeOf(state, now);
  if (mode !== state.mode) {
    const isSilent = mode === "held" && state.link.kind === "up" && state.link.version >= 2;
    actions.push(
      isSilent
        ? note("monitor-silent", "The monitor named no size; the VM keeps what it has.")
        : note("mode-changed", `Control mode is ${mode} now, was ${state.mode}.`, { mode }),
    );
  }
  // Beside sizing, metrics can prove whose monitor this is where no UUID does; without that it never shrinks.
  const isUnproven = state.identity === "unproven";
  const isSizedByThem =
    state.link.kind === "up" && state.link.version === 1 && mode !== "compute-controlled";
  const isWanted =
    state.spec.hasMetrics && state.link.kind === "up" && (isSizedByThem || isUnproven);
  if (isWanted !== state.isScraping) actions.push({ kind: "scrape", isWanted });
  return [{ ...state, mode, isScraping: isWanted }, actions];
}
