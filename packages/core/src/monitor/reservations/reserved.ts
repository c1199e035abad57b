// What the active reservations mean for the level: how far down nothing may go.
import { type Size } from "@selfscale/protocol";
import { sayMem, sayCpu } from "../../agent/explain.ts";
import { cpuCellUp, memCellUp } from "../actual.ts";
import { type MonitorState } from "../state.ts";
import { floorOf, grantedFloorOf } from "./registry.ts";
import { type Reservation } from "./types.ts";

const NO_FLOOR: Size = { milliCpu: 0, memBytes: 0 };

/** On the grid, within the bounds. Zero: there is none. */
export function reservedFloor(state: MonitorState): Size {
  if (state.reservations.active.length === 0) return NO_FLOOR;
  return onGrid(state, floorOf(state.reservations));
}

/** The part of it that was there, and so was needed. */
export function grantedFloor(state: MonitorState): Size {
  if (state.reservations.active.length === 0) return NO_FLOOR;
  return onGrid(state, grantedFloorOf(state.reservations));
}

/** Who keeps this resource from falling below the floor, in words. "" when nobody does. */
export function sayKept(state: MonitorState, resource: "cpu" | "mem"): string {
  const amount = ({ request }: Reservation) =>
    resource === "cpu" ? request.milliCpu : request.memBytes;
  const { active } = state.reservations;
  const keepers = active.filter((one) => amount(one) > 0).sort((a, b) => amount(b) - amount(a));
  const [first] = keepers;
  if (first === undefined) return "";
  const { owner, reason } = first.request;
  const others = keepers.length === 1 ? "" : ` and ${keepers.length - 1} more`;
  const size = resource === "cpu" ? sayCpu(amount(first)) : sayMem(amount(first));
  return `${size} reserved by ${owner}${reason === "" ? "" : ` (${reason})`}${others}`;
}

function onGrid(state: MonitorState, { milliCpu, memBytes }: Size): Size {
  const max = state.session?.report?.max ?? { milliCpu: Infinity, memBytes: Infinity };
  return {
    milliCpu: milliCpu === 0 ? 0 : Math.min(cpuCellUp(state, milliCpu), max.milliCpu),
    memBytes: memBytes === 0 ? 0 : Math.min(memCellUp(state, memBytes), max.memBytes),
  };
}
