import { type ReservationRow, type ReservationsStatus } from "@selfscale/core";

/** A reservation as others see it: the monitor's clock means nothing to them, so times are spans from now. */
export type ReservationView = Readonly<
  Pick<
    ReservationRow,
    | "id"
    | "door"
    | "owner"
    | "reason"
    | "memBytes"
    | "milliCpu"
    | "ifNotGranted"
    | "state"
    | "answer"
  > & {
    /** Since it was asked for. */
    ageMs: number;
    /** Until it is not waited for any more; null once it is granted. */
    waitLeftMs: number | null;
    /** Until it ends by itself; null when it does not. */
    holdLeftMs: number | null;
  }
>;

export type ReservationsView = Readonly<{
  floor: ReservationsStatus["floor"];
  active: readonly ReservationView[];
}>;

/** `now` by the clock of the core. */
export function viewOf({ floor, active }: ReservationsStatus, now: number): ReservationsView {
  return { floor, active: active.map((row) => rowView(row, now)) };
}

function rowView(row: ReservationRow, now: number): ReservationView {
  const { id, door, owner, reason, memBytes, milliCpu, ifNotGranted, state, answer } = row;
  const left = (until: number) => Math.max(0, Math.round(until - now));
  return {
    ...{ id, door, owner, reason, memBytes, milliCpu, ifNotGranted, state, answer },
    ageMs: Math.round(now - row.askedAtMs),
    waitLeftMs: state === "waiting" ? left(row.waitUntil) : null,
    holdLeftMs: row.holdUntil === null ? null : left(row.holdUntil),
  };
}
