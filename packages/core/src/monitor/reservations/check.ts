// Is this a request at all, and is there a place for it? What it asks for is judged elsewhere.
import {
  MAX_RESERVATION_ID_CHARS,
  MAX_RESERVATION_OWNER_CHARS,
  MAX_RESERVATION_REASON_CHARS,
  MAX_RESERVATIONS_PER_DOOR,
  MAX_RESERVATIONS_PER_OWNER,
  RESERVATION_DOORS,
  type Reservation,
  type ReservationReason,
  type ReservationRequest,
} from "./types.ts";

type No = Readonly<{ reason: ReservationReason; text: string }>;

/** Control characters, halves of characters, and whatever else has no look of its own. */
const UNPRINTABLE = /\p{C}+/gu;

/** Why it is not taken in; null when it is. */
export function refusalOf(request: ReservationRequest, active: readonly Reservation[]): No | null {
  const problem = problemOf(request, active);
  if (problem !== null) return { reason: "bad-request", text: problem };
  const ofDoor = active.filter((one) => one.request.door === request.door);
  if (ofDoor.length >= MAX_RESERVATIONS_PER_DOOR) {
    const text = `${ofDoor.length} reservations came in by ${request.door} and are active: no more are taken`;
    return { reason: "too-many", text };
  }
  const { owner } = printable(request);
  const ofOwner = ofDoor.filter((one) => one.request.owner === owner);
  if (ofOwner.length < MAX_RESERVATIONS_PER_OWNER) return null;
  const text = `${ofOwner.length} reservations of ${owner} are active: no more are taken`;
  return { reason: "too-many", text };
}

/** As it is kept: of texts only what can be shown, and not more than is read. */
export function printable(request: ReservationRequest): ReservationRequest {
  return {
    ...request,
    owner: cut(request.owner, MAX_RESERVATION_OWNER_CHARS),
    reason: cut(request.reason, MAX_RESERVATION_REASON_CHARS),
  };
}

function problemOf(request: ReservationRequest, active: readonly Reservation[]): string | null {
  const { id, door, memBytes, milliCpu, waitUntil, holdUntil } = request;
  if (id === "" || id.length > MAX_RESERVATION_ID_CHARS || id !== id.replace(UNPRINTABLE, "")) {
    return `an id has 1 to ${MAX_RESERVATION_ID_CHARS} printable characters`;
  }
  if (active.some((one) => one.request.id === id)) return "another door has this id";
  if (!RESERVATION_DOORS.includes(door)) return "there is no such door";
  if (!isAmount(memBytes)) return "memory is a whole number of bytes, 0 or more";
  if (!isAmount(milliCpu)) return "CPU is a whole number of thousandths, 0 or more";
  if (memBytes === 0 && milliCpu === 0) return "neither memory nor CPU is asked for";
  if (!Number.isFinite(waitUntil)) return "a wait has an end";
  if (holdUntil !== null && !Number.isFinite(holdUntil)) return "the time it is held is a number";
  return null;
}

function isAmount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function cut(text: string, chars: number): string {
  // Cut before anything walks through it: it may be long. A character has two units at most.
  const clean = text
    .slice(0, 2 * chars + 2)
    .replace(UNPRINTABLE, " ")
    .trim();
  const all = Array.from(clean);
  return all.length <= chars ? clean : `${all.slice(0, chars - 1).join("")}…`;
}
