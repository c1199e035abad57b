// Who gets what is there, and what becomes of those who have waited for long enough.
import { type Size } from "@selfscale/protocol";
import { sayCpu, sayMem } from "../../agent/explain.ts";
import { type MonoMs } from "../../agent/types.ts";
import { floorFor, roomIn, sizeOf } from "./floor.ts";
import { type Change, type Facts, type Reservations } from "./state.ts";
import { type Base, type Reservation, type ReservationRequest, type Verdict } from "./types.ts";

type Result = readonly [Reservations, readonly Change[]];

/** Grants what can be used, whoever came first; what has waited for long enough ends one way or the other. */
export function judgeWaiting(before: Reservations, facts: Facts, now: MonoMs): Result {
  const { base } = before;
  const changes: Change[] = [];
  const active: Reservation[] = [];
  let granted = before.active.filter((one) => one.state === "granted").map(requestOf);
  for (const one of before.active) {
    if (one.state === "granted") {
      active.push(one);
      continue;
    }
    const { request } = one;
    const { state, ...judged } = judge(request, { base, granted, facts }, now);
    const verdict: Verdict = { ...judged, waitedMs: now - one.askedAt };
    if (state !== "waiting" || one.verdict === null) changes.push({ request, state, verdict });
    if (state === "refused") continue;
    if (state === "granted") granted = [...granted, request];
    active.push({ ...one, state, verdict, grantedAt: state === "granted" ? now : null });
  }
  return [{ active, base: active.length === 0 ? null : base }, changes];
}

function requestOf({ request }: Reservation): ReservationRequest {
  return request;
}

type Judged = Readonly<{ state: "waiting" | "granted" | "refused" } & Omit<Verdict, "waitedMs">>;
type Known = Readonly<{
  base: Base | null;
  granted: readonly ReservationRequest[];
  facts: Facts;
}>;

function judge(request: ReservationRequest, known: Known, now: MonoMs): Judged {
  const there = thereFor(request, known);
  const isThere = there.milliCpu >= request.milliCpu && there.memBytes >= request.memBytes;
  if (isThere) {
    const text = `${saySize(there)} can be used`;
    return { state: "granted", granted: there, reason: "there", text };
  }
  const { obstacle } = known.facts;
  if (now < request.waitUntil) return { state: "waiting", granted: null, ...obstacle };
  if (request.ifNotGranted === "fail") {
    const text = `not there in time: ${obstacle.text}`;
    return { state: "refused", granted: null, reason: obstacle.reason, text };
  }
  const text = `goes on with ${saySize(there)}: ${obstacle.text}`;
  return { state: "granted", granted: there, reason: "proceeded", text };
}

/** What of it can be used now, beside all that was granted before. */
function thereFor(request: ReservationRequest, { base, granted, facts }: Known): Size {
  const { usable } = facts;
  if (usable === null) return { milliCpu: 0, memBytes: 0 };
  const milliCpu = Math.min(request.milliCpu, usable.milliCpu);
  if (request.memBytes === 0 || base === null) return { milliCpu, memBytes: 0 };
  const { memBytes } = floorFor(base, [...granted, request]);
  const sizeBytes = Math.max(usable.memBytes, sizeOf(base, usable.totalBytes));
  // Asked forwards first: the way back rounds down.
  if (memBytes <= sizeBytes) return { milliCpu, memBytes: request.memBytes };
  const room = Math.max(0, roomIn(base, sizeBytes, granted));
  return { milliCpu, memBytes: Math.min(request.memBytes, room) };
}

/** Of both only what there is. */
function saySize({ milliCpu, memBytes }: Size): string {
  const parts = [
    ...(memBytes > 0 || milliCpu === 0 ? [sayMem(memBytes)] : []),
    ...(milliCpu > 0 ? [sayCpu(milliCpu)] : []),
  ];
  return parts.join(", ");
}
