// What the operator's file says of the node's VMs.
import { DEPLOYED_LEGACY_CONFIG, type Member, type VmSpec } from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { type Seat } from "./seat.ts";

export function nameOf(index: number): string {
  return `vm-${index + 1}`;
}

export function specOf(seat: Seat): VmSpec {
  return {
    name: nameOf(seat.index),
    bounds: seat.bounds,
    hasQuota: seat.plan.hasQuota,
    hasMetrics: seat.plan.hasMetrics,
    protocolMax: seat.agentMax,
    legacy: DEPLOYED_LEGACY_CONFIG,
  };
}

/** The VM as the node sees it. */
export function memberOf({ index, bounds, plan: { weight, priority } }: Seat): Member {
  return { name: nameOf(index), ...bounds, weight, priority };
}

/** Whether all of them can boot together. */
export function haveRoom(mins: readonly Size[], room: Size): boolean {
  const sum = (of: keyof Size) => mins.reduce((all, min) => all + min[of], 0);
  return sum("milliCpu") <= room.milliCpu && sum("memBytes") <= room.memBytes;
}
