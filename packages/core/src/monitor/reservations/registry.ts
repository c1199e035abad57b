// Who reserved what: taken in, granted once it can be used, refused, ended. It knows nothing of where the figures come from;
// stage.ts gives them and carries out what follows. Nothing is kept of what has ended.
import { type Size } from "@selfscale/protocol";
import { type MonoMs } from "../../agent/types.ts";
import { printable, refusalOf } from "./check.ts";
import { refuseBeyondBounds } from "./bounds.ts";
import { floorFor, rebased } from "./floor.ts";
import { judgeWaiting } from "./grant.ts";
import { type Change, type Facts, type Reservations } from "./state.ts";
import {
  type Base,
  type GrantedReservations,
  type Reservation,
  type ReservationDoor,
  type ReservationReason,
  type ReservationRequest,
} from "./types.ts";

const NOTHING: Size = { milliCpu: 0, memBytes: 0 };

type Result = readonly [Reservations, readonly Change[]];

/** One more, or one that is known: then its hold is the new one. What became of it is said by `settle`. */
export function ask(
  before: Reservations,
  request: ReservationRequest,
  inUse: Base | null,
  now: MonoMs,
): Result {
  const known = before.active.find((one) => one.request.id === request.id);
  if (known?.request.door === request.door) return prolong(before, known, request);
  const refusal = refusalOf(request, before.active);
  if (refusal !== null) {
    const verdict = { ...refusal, granted: null, waitedMs: 0 };
    return [before, [{ request: printable(request), state: "refused", verdict }]];
  }
  const reservation: Reservation = {
    request: printable(request),
    state: "waiting",
    askedAt: now,
    grantedAt: null,
    verdict: null,
  };
  const base = rebased(before.base, inUse, before.active);
  return [{ base, active: [...before.active, reservation] }, []];
}

/**
 * What the monitor before this one had granted: it counts at once, and nothing of it has to be granted again. What is known
 * already was asked for anew, and what can't be taken in is left out.
 */
export function find(before: Reservations, found: GrantedReservations, now: MonoMs): Result {
  const changes: Change[] = [];
  let { active } = before;
  for (const { request: asked, granted } of found.all) {
    if (refusalOf(asked, active) !== null) continue;
    const request = printable(asked);
    const text = "it was granted before the monitor was started anew";
    const verdict = { granted, reason: "found", text, waitedMs: 0 } as const;
    active = [...active, { request, state: "granted", askedAt: now, grantedAt: now, verdict }];
    changes.push({ request, state: "granted", verdict });
  }
  if (changes.length === 0) return [before, []];
  return [{ active, base: before.base ?? found.base }, changes];
}

/** What is to outlive this monitor. Who still waits does not: the connection that waits ends with it. */
export function grantedOf({ active, base }: Reservations): GrantedReservations {
  const all = active.flatMap(({ request, state, verdict }) =>
    state === "granted" ? [{ request, granted: verdict?.granted ?? NOTHING }] : [],
  );
  return { base, all };
}

/** Given back by its door. An unknown one is no news: it ended before. */
export function release(before: Reservations, id: string, now: MonoMs): Result {
  return end(before, (one) => (one.request.id === id ? wordOfRelease(one) : null), now);
}

/** What a door still has. What it has forgotten is gone. */
export function listed(
  before: Reservations,
  door: ReservationDoor,
  ids: readonly string[],
  now: MonoMs,
): Result {
  const known = new Set(ids);
  const isGone = ({ request }: Reservation) => request.door === door && !known.has(request.id);
  return end(before, (one) => (isGone(one) ? "gone" : null), now);
}

/** Time and facts have moved on: what has ended, can't be, is there, or was waited for long enough. */
export function settle(before: Reservations, facts: Facts, now: MonoMs): Result {
  const isOver = ({ request }: Reservation) =>
    request.holdUntil !== null && now >= request.holdUntil;
  const [kept, ended] = end(before, (one) => (isOver(one) ? "expired" : null), now);
  const based = { ...kept, base: kept.active.length === 0 ? null : (kept.base ?? facts.inUse) };
  const [fitting, refused] = refuseBeyondBounds(based, facts, now);
  const [settled, told] = judgeWaiting(fitting, facts, now);
  return [settled, [...ended, ...refused, ...told]];
}

/** When `settle` is due, whatever else happens; null: never. */
export function wakeAtOf({ active }: Reservations): MonoMs | null {
  let at = Infinity;
  for (const { request, state } of active) {
    if (state === "waiting") at = Math.min(at, request.waitUntil);
    at = Math.min(at, request.holdUntil ?? Infinity);
  }
  return Number.isFinite(at) ? at : null;
}

/** Somebody waits for memory or CPUs to be there: the sooner that is seen, the better. */
export function isAwaited({ active }: Reservations): boolean {
  return active.some((one) => one.state === "waiting");
}

/** What all active ones need together, before it is cut to what can be had. */
export function floorOf({ active, base }: Reservations): Size {
  return floorFor(
    base,
    active.map((one) => one.request),
  );
}

/** The same of those that were granted: what has been there. */
export function grantedFloorOf({ active, base }: Reservations): Size {
  return floorOf({ base, active: active.filter((one) => one.state === "granted") });
}

function prolong(
  before: Reservations,
  known: Reservation,
  { holdUntil }: ReservationRequest,
): Result {
  const isTime = holdUntil === null || Number.isFinite(holdUntil);
  const request = isTime ? { ...known.request, holdUntil } : known.request;
  // Told again by `settle` while it waits; the door may have missed it.
  const again: Reservation =
    known.state === "waiting" ? { ...known, request, verdict: null } : { ...known, request };
  const active = before.active.map((one) => (one === known ? again : one));
  const { state, verdict } = known;
  const changes = state === "granted" && verdict !== null ? [{ request, state, verdict }] : [];
  return [{ ...before, active }, changes];
}

function wordOfRelease({ state }: Reservation): ReservationReason {
  return state === "granted" ? "released" : "cancelled";
}

const ENDINGS: Partial<Record<ReservationReason, string>> = {
  released: "given back",
  cancelled: "given up before it was granted",
  expired: "its time is over",
  gone: "whoever held it is gone",
};

/** Ends those for which there is a word. The base goes with the last of them. */
function end(
  before: Reservations,
  wordOf: (one: Reservation) => ReservationReason | null,
  now: MonoMs,
): Result {
  const ended = before.active.filter((one) => wordOf(one) !== null);
  if (ended.length === 0) return [before, []];
  const active = before.active.filter((one) => wordOf(one) === null);
  const changes = ended.map((one): Change => {
    const reason = wordOf(one) ?? "gone";
    const waitedMs = (one.grantedAt ?? now) - one.askedAt;
    const verdict = { granted: null, reason, text: ENDINGS[reason] ?? reason, waitedMs };
    return { request: one.request, state: "ended", verdict };
  });
  return [{ active, base: active.length === 0 ? null : before.base }, changes];
}
