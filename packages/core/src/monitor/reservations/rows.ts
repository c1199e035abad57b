// Reservations as they are shown: in the status, over the local API, in SQL.
import { type Size } from "@selfscale/protocol";
import { type MonoMs } from "../../agent/types.ts";
import { type MonitorState } from "../state.ts";
import { obstacleOf } from "./obstacle.ts";
import { reservedFloor } from "./reserved.ts";
import { type Reservation, type ReservationAnswer, type ReservationRequest } from "./types.ts";

/** One that is active. */
export type ReservationRow = Readonly<
  ReservationRequest & {
    state: "waiting" | "granted";
    askedAtMs: MonoMs;
    grantedAtMs: MonoMs | null;
    /** As it stands now, for one that waits; as it was granted, for the others. */
    answer: ReservationAnswer;
  }
>;

export type ReservationsStatus = Readonly<{
  /** What the size does not fall below for their sake: on the grid, within the bounds. Zero: no floor. */
  floor: Size;
  /** In the order they came. */
  active: readonly ReservationRow[];
}>;

/** `now`: to say how long somebody has been waiting. */
export function reservationsStatus(state: MonitorState, now: MonoMs): ReservationsStatus {
  const floor = reservedFloor(state);
  const active = state.reservations.active.map((one) => rowOf(one, { state, floor }, now));
  return { floor, active };
}

function rowOf(
  { request, state: is, askedAt, grantedAt, verdict }: Reservation,
  { state, floor }: Readonly<{ state: MonitorState; floor: Size }>,
  now: MonoMs,
): ReservationRow {
  const waiting = { granted: null, ...obstacleOf(state), waitedMs: now - askedAt };
  const current = is === "waiting" || verdict === null ? waiting : verdict;
  return {
    ...request,
    state: is,
    askedAtMs: askedAt,
    grantedAtMs: grantedAt,
    answer: { ...current, floor },
  };
}
