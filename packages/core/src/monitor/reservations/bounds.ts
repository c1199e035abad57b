// What the operator's bounds leave for reservations.
import { type MonoMs } from "../../agent/types.ts";
import { sayCpu, sayMem } from "../../agent/explain.ts";
import { floorFor, roomIn } from "./floor.ts";
import { type Change, type Facts, type Reservations } from "./state.ts";
import { type Base, type Reservation, type ReservationRequest } from "./types.ts";

type Result = readonly [Reservations, readonly Change[]];

/** Where the next one must fit: the largest size, and what counts already. */
type Bounded = Readonly<{
  base: Base | null;
  counted: readonly ReservationRequest[];
  max: NonNullable<Facts["max"]>;
  cellUp: Facts["cellUp"];
}>;

/**
 * What the bounds can't hold together with all that came before is refused at once; who goes on in any case gets as much of
 * it as fits. What was granted stays, whatever the bounds become.
 */
export function refuseBeyondBounds(before: Reservations, facts: Facts, now: MonoMs): Result {
  const { max, cellUp } = facts;
  if (max === null) return [before, []];
  const { base } = before;
  const isGranted = (one: Reservation) => one.state === "granted";
  let counted = before.active.filter(isGranted).map((one) => one.request);
  const active: Reservation[] = [];
  const refused: Reservation[] = [];
  for (const one of before.active) {
    const bounded = { base, counted, max, cellUp };
    const request = isGranted(one) ? one.request : fitting(one.request, bounded);
    if (request === null) {
      refused.push(one);
      continue;
    }
    active.push(request === one.request ? one : { ...one, request });
    if (!isGranted(one)) counted = [...counted, request];
  }
  const changes = refused.map(({ request, askedAt }): Change => {
    const text = textFor(request, { base, counted, max, cellUp });
    const verdict = { granted: null, reason: "bounds", text, waitedMs: now - askedAt } as const;
    return { request, state: "refused", verdict };
  });
  return [{ active, base: active.length === 0 ? null : base }, changes];
}

/** The request as it can be met; null when it can't. */
function fitting(request: ReservationRequest, bounded: Bounded): ReservationRequest | null {
  if (isWithin(request, bounded)) return request;
  if (request.ifNotGranted === "fail") return null;
  const { base, counted, max } = bounded;
  const room = base === null ? request.memBytes : Math.max(0, roomIn(base, max.memBytes, counted));
  const memBytes = Math.min(request.memBytes, room);
  const milliCpu = Math.min(request.milliCpu, max.milliCpu);
  const cut = { ...request, memBytes, milliCpu };
  return memBytes + milliCpu > 0 && isWithin(cut, bounded) ? cut : null;
}

function isWithin(request: ReservationRequest, { base, counted, max, cellUp }: Bounded): boolean {
  const size = cellUp(floorFor(base, [...counted, request]));
  const isMem = request.memBytes === 0 || size.memBytes <= max.memBytes;
  const isCpu = request.milliCpu === 0 || request.milliCpu <= max.milliCpu;
  return isMem && isCpu;
}

function textFor(request: ReservationRequest, { base, counted, max, cellUp }: Bounded): string {
  if (request.milliCpu > max.milliCpu) {
    const most = sayCpu(max.milliCpu);
    return `${sayCpu(request.milliCpu)} are more than this machine may have: its largest size is ${most}`;
  }
  const { memBytes } = cellUp(floorFor(base, [...counted, request]));
  const most = sayMem(max.memBytes);
  const asked = sayMem(request.memBytes);
  return `${asked} beyond what is in use and reserved take ${sayMem(memBytes)}: the largest size of this machine is ${most}`;
}
