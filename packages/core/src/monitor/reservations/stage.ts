// Reservations in the monitor's step: what they are judged by, the level that they raise, and what is said of them.
import { most } from "../../node/amounts.ts";
import { type Size } from "@selfscale/protocol";
import { type MonoMs } from "../../agent/types.ts";
import { sayCpu, sayMem } from "../../agent/explain.ts";
import { kernelBytesNow } from "../../policy/memory.ts";
import { actualOf, cpuCellUp, effectiveActual, memCellUp, ownView } from "../actual.ts";
import { explain } from "../explain.ts";
import { conclude } from "../level.ts";
import { count, type MonitorState } from "../state.ts";
import { type MonitorAction, type MonitorEvent } from "../types.ts";
import { obstacleOf } from "./obstacle.ts";
import { ask, find, listed, release, settle } from "./registry.ts";
import { reservedFloor } from "./reserved.ts";
import { type Change, type Facts } from "./state.ts";
import {
  type Base,
  type ReservationAnswer,
  type ReservationRequest,
  type ReservationState,
} from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];
type Heard = Extract<
  MonitorEvent,
  {
    kind:
      "reservation-asked" | "reservation-released" | "reservations-listed" | "reservations-found";
  }
>;

/** A door's word. What follows from it is for the stage, in the same step. */
export function onReservation(before: MonitorState, event: Heard, now: MonoMs): Result {
  const [reservations, changes] = heard(before, event, now);
  return tell({ ...before, reservations }, changes);
}

/** Stage: who gets what is there, who has waited for long enough, and the level that all of them need. */
export function reservationsStage(before: MonitorState, now: MonoMs): Result {
  if (before.reservations.active.length === 0) return withdraw(before, now);
  const [reservations, changes] = settle(before.reservations, factsOf(before), now);
  const [told, notes] = tell({ ...before, reservations }, changes);
  const [after, records] = followFloor(told, now);
  return [after, [...records, ...notes]];
}

/** The level is never below the floor, and not above it for the sake of a reservation that is over. */
export function followFloor(before: MonitorState, now: MonoMs): Result {
  const [raised, records] = raiseToFloor(before, now);
  const [after, withdrawals] = withdraw(raised, now);
  return [after, [...records, ...withdrawals]];
}

/** At once, in one jump. */
function raiseToFloor(before: MonitorState, now: MonoMs): Result {
  const floor = reservedFloor(before);
  const { desired } = before;
  if (desired === null) return [before, []];
  const change = { reason: "reservation", limit: "none" } as const;
  const [cpu, first] =
    floor.milliCpu > desired.milliCpu
      ? conclude(before, { ...change, resource: "cpu", to: floor.milliCpu }, now)
      : ([before, []] as const);
  const [mem, second] =
    floor.memBytes > desired.memBytes
      ? conclude(cpu, { ...change, resource: "mem", to: floor.memBytes }, now)
      : ([cpu, []] as const);
  return [mem, [...first, ...second]];
}

/**
 * What was asked for on behalf of a reservation that is over, and has not come, is not wanted any more. What did come goes
 * by the ordinary policy.
 */
function withdraw(before: MonitorState, now: MonoMs): Result {
  const { desired, reasons } = before;
  if (reasons.cpu !== "reservation" && reasons.mem !== "reservation") return [before, []];
  const actual = effectiveActual(before);
  if (desired === null || actual === null) return [before, []];
  const floor = reservedFloor(before);
  const least = most(floor, {
    milliCpu: cpuCellUp(before, Math.max(actual.milliCpu, (before.cpuNeed?.need ?? 0) * 1000)),
    memBytes: memCellUp(before, Math.max(actual.memBytes, before.memoryNeed?.needBytes ?? 0)),
  });
  const change = (of: keyof Size) =>
    floor[of] === least[of]
      ? ({ reason: "reservation", limit: "floor" } as const)
      : ({ reason: "hold", limit: "hold" } as const);
  const [cpu, first] =
    reasons.cpu === "reservation" && desired.milliCpu > least.milliCpu
      ? conclude(before, { ...change("milliCpu"), resource: "cpu", to: least.milliCpu }, now)
      : ([before, []] as const);
  const [mem, second] =
    reasons.mem === "reservation" && desired.memBytes > least.memBytes
      ? conclude(cpu, { ...change("memBytes"), resource: "mem", to: least.memBytes }, now)
      : ([cpu, []] as const);
  return [mem, [...first, ...second]];
}

function heard(
  before: MonitorState,
  event: Heard,
  now: MonoMs,
): readonly [MonitorState["reservations"], readonly Change[]] {
  switch (event.kind) {
    case "reservation-asked":
      return ask(before.reservations, event.request, inUseNow(before), now);
    case "reservation-released":
      return release(before.reservations, event.id, now);
    case "reservations-listed":
      return listed(before.reservations, event.door, event.ids, now);
    case "reservations-found":
      return find(before.reservations, event.found, now);
    default:
      return event satisfies never;
  }
}

function factsOf(state: MonitorState): Facts {
  return {
    inUse: inUseNow(state),
    usable: usableNow(state),
    max: mostOf(state),
    cellUp: ({ milliCpu, memBytes }) => ({
      milliCpu: milliCpu === 0 ? 0 : cpuCellUp(state, milliCpu),
      memBytes: memBytes === 0 ? 0 : memCellUp(state, memBytes),
    }),
    obstacle: obstacleOf(state),
  };
}

/** What is in use: never to be reclaimed, with the margin that the policy keeps. */
function inUseNow(state: MonitorState): Base | null {
  const inputs = state.memoryNeed?.inputs;
  const actual = actualOf(state);
  if (inputs === undefined || actual === null) return null;
  const bytes = Math.max(inputs["heldBytes"] ?? 0, inputs["takenBytes"] ?? 0);
  const toldBytes = actual.memBytes;
  return {
    usedBytes: bytes + state.config.policy.memory.safetyBytes,
    kernelBytes: kernelBytesNow(state.memory, toldBytes) ?? 0,
    toldBytes,
  };
}

function usableNow(state: MonitorState): Facts["usable"] {
  const own = ownView(state);
  const actual = actualOf(state);
  const sample = state.memorySample?.value;
  if (own === null || actual === null || sample === undefined) return null;
  // A notification is sent at once, a report at most twice a second.
  const givenMilli = Math.max(actual.milliCpu, state.session?.notified?.milliCpu ?? 0);
  return {
    totalBytes: sample.totalBytes,
    memBytes: Math.min(own.memBytes, actual.memBytes),
    milliCpu: Math.min(own.milliCpu, givenMilli),
  };
}

/** The operator's largest size, as far as the grid reaches it. */
function mostOf(state: MonitorState): Size | null {
  const max = state.session?.report?.max ?? null;
  if (max === null) return null;
  const step = state.session?.report?.stepMemBytes ?? 1;
  const cell = memCellUp(state, max.memBytes);
  return { ...max, memBytes: cell > max.memBytes ? cell - Math.max(step, 1) : cell };
}

/** For the door, and for people. Who asks again and again beyond the limits fills no log. */
function tell(before: MonitorState, changes: readonly Change[]): Result {
  let state = before;
  const actions: MonitorAction[] = [];
  const floor = reservedFloor(before);
  for (const { request, state: now, verdict } of changes) {
    const answer = { ...verdict, floor };
    actions.push({ kind: "reservation-changed", id: request.id, state: now, answer });
    if (now === "granted") state = count(state, "reservationsGranted");
    if (now === "refused") state = count(state, "reservationsRefused");
    const isNoise = answer.reason === "too-many" || answer.reason === "bad-request";
    if (!isNoise) actions.push(noteOn(request, now, answer));
  }
  return [state, actions];
}

function noteOn(
  request: ReservationRequest,
  state: ReservationState,
  answer: ReservationAnswer,
): MonitorAction {
  const { id, door, owner, reason, memBytes, milliCpu } = request;
  const what = `${owner} (${door}${reason === "" ? "" : `, ${reason}`})`;
  const message = `${what}: ${sayWanted(request)} ${state}: ${answer.text}.`;
  const data = {
    id,
    door,
    owner,
    memBytes,
    milliCpu,
    why: answer.reason,
    grantedMemBytes: answer.granted?.memBytes ?? null,
    grantedMilliCpu: answer.granted?.milliCpu ?? null,
    floorMemBytes: answer.floor.memBytes,
    waitedMs: Math.round(answer.waitedMs),
  };
  return explain("info", `reservation-${state}`, message, data);
}

function sayWanted({ memBytes, milliCpu }: Size): string {
  const parts = [
    ...(memBytes > 0 ? [sayMem(memBytes)] : []),
    ...(milliCpu > 0 ? [sayCpu(milliCpu)] : []),
  ];
  return parts.join(", ");
}
