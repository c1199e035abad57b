// What is said about a reservation: somebody in the guest wants memory and CPUs to be there before it uses them. Data only.
import { type Size } from "@selfscale/protocol";
import { type MonoMs } from "../../agent/types.ts";

/** How a reservation came in. Each door keeps its own ids, and lists them when it starts anew. */
export const RESERVATION_DOORS = ["sql", "command", "http", "anticipation"] as const;
export type ReservationDoor = (typeof RESERVATION_DOORS)[number];

/** What a door hands in. Asking again with an id that is known prolongs it, and counts nothing twice. */
export type ReservationRequest = Readonly<{
  /** Made by the door, and never used twice by it. */
  id: string;
  door: ReservationDoor;
  /** Who asks: a role, a user, a program. For people, and for the limit per owner. */
  owner: string;
  /** What for. For people; it is shown to whoever wants the memory back. */
  reason: string;
  /** Beyond what is in use now, bytes. 0: none. */
  memBytes: number;
  /** In all, milli-vCPU. 0: none. */
  milliCpu: number;
  /** What is not there by then is not waited for any longer. Not after now: there at once, or not. */
  waitUntil: MonoMs;
  /** It ends then, if nobody has ended it before. null: only its door ends it. */
  holdUntil: MonoMs | null;
  /** At the end of the wait: nothing, or whatever is there by then. */
  ifNotGranted: "fail" | "proceed";
}>;

/** Why a reservation is what it is: a closed list, one line each. */
export const RESERVATION_REASONS = {
  // granted
  there: "The memory and the CPUs can be used.",
  proceeded: "The wait is over; it goes on with what is there.",
  found: "The monitor before this one had granted it.",
  // waiting, and refused when the wait is over
  "no-measurements": "Nothing is measured yet, so nobody knows what is in use.",
  "no-agent": "No agent is connected, and nobody else can make this machine larger.",
  "node-full": "The node has no room; the rest stays wanted.",
  agent: "The agent says why it does not move the size.",
  growing: "It was asked for and is on its way.",
  // refused at once
  bounds: "The operator's largest size of this machine is less than that.",
  "too-many": "There are too many reservations already.",
  "bad-request": "The request makes no sense.",
  // ended
  released: "It was given back.",
  cancelled: "It was given up before it was granted.",
  expired: "Its time is over.",
  gone: "Whoever held it is not there any more.",
} as const;
export type ReservationReason = keyof typeof RESERVATION_REASONS;

/** What is told to whoever asked. */
export type ReservationAnswer = Readonly<{
  /** What can be used of what was asked for; null while, or because, nothing is promised. */
  granted: Size | null;
  /** The machine is kept at least this large, for all reservations together: on the grid, within the bounds. Zero: no floor. */
  floor: Size;
  reason: ReservationReason;
  /** One sentence for people. */
  text: string;
  /** From being asked to being granted or refused, or until now. */
  waitedMs: number;
}>;

/** What is known of one alone. */
export type Verdict = Omit<ReservationAnswer, "floor">;

/** The life of a reservation. The last two are told once, and then it is forgotten. */
export type ReservationState = "waiting" | "granted" | "refused" | "ended";

/** A reservation that counts. */
export type Reservation = Readonly<{
  request: ReservationRequest;
  state: "waiting" | "granted";
  askedAt: MonoMs;
  grantedAt: MonoMs | null;
  /** The last that was told; null until the step that took it in ends. */
  verdict: Verdict | null;
}>;

/** Memory in use that no reservation explains, and what the kernel kept for itself then. Bytes. */
export type Base = Readonly<{
  /** What can't be reclaimed, and the margin that the policy always keeps. */
  usedBytes: number;
  kernelBytes: number;
  /** The size that the kernel's share was measured at. */
  toldBytes: number;
}>;

/** What outlives a restart of the monitor: what was granted, and what all of it came on top of. */
export type GrantedReservations = Readonly<{
  base: Base | null;
  /** `granted`: what of it could be used. */
  all: readonly Readonly<{ request: ReservationRequest; granted: Size }>[];
}>;

/** Reservations of one door that may be active at once, and how many of them may be one owner's. */
export const MAX_RESERVATIONS_PER_DOOR = 64;
export const MAX_RESERVATIONS_PER_OWNER = 48;
/** Longer texts are cut: they are kept, logged and sent. */
export const MAX_RESERVATION_ID_CHARS = 128;
export const MAX_RESERVATION_OWNER_CHARS = 64;
export const MAX_RESERVATION_REASON_CHARS = 200;
