// What is remembered of reservations, and what must be known of the machine to judge them. Data only.
import { type Size } from "@selfscale/protocol";
import {
  type Base,
  type Reservation,
  type ReservationReason,
  type ReservationRequest,
  type ReservationState,
  type Verdict,
} from "./types.ts";

export type Reservations = Readonly<{
  /** In the order they came. */
  active: readonly Reservation[];
  /** What they come on top of; null while none is active, or nothing is measured. */
  base: Base | null;
}>;

/** What is known of the machine now. */
export type Facts = Readonly<{
  /** null: not measured yet. */
  inUse: Base | null;
  /** What the guest can use. null: not known. */
  usable: Usable | null;
  /** The operator's largest size; null while nobody has told it. */
  max: Size | null;
  /** A size as it can be had: up to the next cell. */
  cellUp: (size: Size) => Size;
  /** What keeps it from growing, should it have to. */
  obstacle: Obstacle;
}>;

/** Either of the first two is enough: reports lag behind, and the kernel's share is an estimate. */
export type Usable = Readonly<{
  /** MemTotal: what the kernel hands out, whoever has been told of it. Bytes. */
  totalBytes: number;
  /** What the agent says it gave, as far as it is online here: as QEMU counts it, bytes. */
  memBytes: number;
  /** Online, and within the quota. */
  milliCpu: number;
}>;

export type Obstacle = Readonly<{ reason: ReservationReason; text: string }>;

/** Something to tell the door that asked. */
export type Change = Readonly<{
  request: ReservationRequest;
  state: ReservationState;
  verdict: Verdict;
}>;

export const NO_RESERVATIONS: Reservations = { active: [], base: null };
