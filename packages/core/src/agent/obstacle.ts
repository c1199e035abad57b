// Why nothing may be taken from a VM at this moment, beyond who may decide (target.ts): signals that are old, and a guest
// that says it is running out.
import { activeOverrides } from "../legacy/overrides.ts";
import { shrinkObstacle } from "./target.ts";
import { type MonoMs } from "./types.ts";
import { type VmState } from "./vm-state.ts";

/** null when the monitor may be asked. */
export function takeObstacle(state: VmState, now: MonoMs): string | null {
  const { link, timers } = state;
  const obstacle = shrinkObstacle(state);
  if (obstacle !== null) return obstacle;
  if (link.kind === "up" && link.catchUpId !== null) {
    return "the agent stood still, and the monitor has not answered since";
  }
  if (now >= state.observedAt + timers.observeIdleMs + timers.observeMs) {
    return "QEMU has not been read for a while";
  }
  if (activeOverrides(state.overrides, state.spec.legacy, now).requested !== null) {
    return "the monitor is running out of memory";
  }
  return null;
}
