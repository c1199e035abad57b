// When the monitor speaks first: ScaleRequest as a level, or UpscaleRequest with an agent that
// knows no more.
import { allocationFromSize, type FromMonitor, type Size } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { actualOf, fitted, isMet } from "./actual.ts";
import { overallReason } from "./level.ts";
import { reservedFloor } from "./reservations/reserved.ts";
import { send } from "./send.ts";
import { count, type MonitorState, type Session } from "./state.ts";
import { type MonitorAction } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

/**
 * How this agent is spoken to. `wait`: a probe is on its way, and nothing may be said meanwhile.
 */
export type Tongue = "scale-request" | "probe" | "wait" | "upscale-request";

/** Stage: state the level, when it is due; on version 1 ask for more, when more is needed. */
export function speak(before: MonitorState, now: MonoMs): Result {
  const state = concludeProbe(before, now);
  const { session } = state;
  if (session === null || now < speakDueAt(state, session)) return [state, []];
  switch (tongueOf(state, session)) {
    case "scale-request":
    case "probe":
      return stateLevel(state, session, now);
    case "upscale-request":
      return requestUpscale(state, session, now);
    case "wait":
      return [state, []];
  }
}

/** When the next word is due; null while nothing is. */
export function speakWakeAt(state: MonitorState): MonoMs | null {
  const { session } = state;
  if (session === null) return null;
  const { probe } = session;
  if (probe.kind === "tried") return probe.at + state.config.timers.probeMs;
  const dueAt = speakDueAt(state, session);
  return Number.isFinite(dueAt) ? dueAt : null;
}

/** How this agent is spoken to now. */
export function tongueOf(state: MonitorState, session: Session): Tongue {
  if (session.version >= 2 || session.probe.kind === "understood") return "scale-request";
  if (session.probe.kind === "tried") return "wait";
  const mayProbe = state.config.probeScaleRequest && session.probe.kind === "untried";
  return mayProbe ? "probe" : "upscale-request";
}

/** The deployed agent panics on a request before its own first frame. */
function firstWordAt(state: MonitorState, session: Session): MonoMs {
  return session.hasSpoken ? -Infinity : session.openedAt + state.config.timers.firstWordMs;
}

function speakDueAt(state: MonitorState, session: Session): MonoMs {
  if (state.desired === null) return Infinity;
  const tongue = tongueOf(state, session);
  if (tongue === "wait") return Infinity;
  const dueAt =
    tongue === "upscale-request" ? upscaleDueAt(state, session) : levelDueAt(state, session);
  return Math.max(dueAt, firstWordAt(state, session));
}

function levelDueAt(state: MonitorState, session: Session): MonoMs {
  const { timers } = state.config;
  const { desired } = state;
  const { stated } = session;
  if (desired === null) return Infinity;
  if (stated === null) return session.openedAt;
  const { at } = stated;
  // What differs only beyond the bounds can wait: it would change nothing.
  const want = fitted(state, desired);
  const said = fitted(state, stated.size);
  // The floor is the part of it that can't wait: the node must know of it though the size is the same.
  const floor = reservedFloor(state);
  if (isMoreThan(want, said) || isMoreThan(floor, stated.floor)) return at + timers.upwardMs;
  if (isMoreThan(said, want) || isMoreThan(stated.floor, floor)) return at + timers.otherMs;
  return at + (isMet(state) ? timers.resendMetMs : timers.resendUnmetMs);
}

function isMoreThan(a: Size, b: Size): boolean {
  return a.milliCpu > b.milliCpu || a.memBytes > b.memBytes;
}

/**
 * "I am running out": now, and every second while it is so. About memory only: an agent that knows no
 * amounts takes it as one more compute unit of both, and sees a need for CPU in the load average.
 */
function upscaleDueAt(state: MonitorState, session: Session): MonoMs {
  const { desired } = state;
  const actual = actualOf(state);
  if (desired === null || actual === null) return Infinity;
  if (desired.memBytes <= actual.memBytes) return Infinity;
  return session.lastUpscaleRequestAt + state.config.timers.upscaleRequestMs;
}

function stateLevel(state: MonitorState, session: Session, now: MonoMs): Result {
  const { desired } = state;
  if (desired === null) return [state, []];
  const isProbe = session.version < 2;
  const before = session.stated?.size ?? null;
  const isRaise = before !== null && isMoreThan(desired, before);
  const floor = reservedFloor(state);
  const isReserved = floor.milliCpu > 0 || floor.memBytes > 0;
  const id = session.nextId;
  const message: FromMonitor = {
    type: "ScaleRequest",
    target: allocationFromSize(desired),
    // The draft's agents know no more than the target.
    ...(!isProbe && isReserved ? { floor: allocationFromSize(floor) } : {}),
    ...(isProbe ? {} : { reason: overallReason(state, now) }),
    // The age of the sample that shows the need: only true of the first word about it.
    ...(!isProbe && isRaise ? { ageMs: Math.max(0, Math.round(now - state.neededAt)) } : {}),
    id,
  };
  const isTrial = isProbe && session.probe.kind === "untried";
  const next: Session = {
    ...session,
    nextId: id + 2,
    stated: { size: desired, floor, at: now },
    probe: isTrial ? { kind: "tried", id, at: now } : session.probe,
  };
  const spoken = count({ ...state, session: next }, "scaleRequests");
  return [spoken, [send(session, message, isProbe)]];
}

function requestUpscale(state: MonitorState, session: Session, now: MonoMs): Result {
  const next: Session = { ...session, nextId: session.nextId + 2, lastUpscaleRequestAt: now };
  const message: FromMonitor = { type: "UpscaleRequest", id: session.nextId };
  return [count({ ...state, session: next }, "upscaleRequests"), [send(session, message)]];
}

/** No complaint came: the agent knows ScaleRequest although it never raised the version. */
function concludeProbe(state: MonitorState, now: MonoMs): MonitorState {
  const { session } = state;
  if (session?.probe.kind !== "tried") return state;
  if (now < session.probe.at + state.config.timers.probeMs) return state;
  return { ...state, session: { ...session, probe: { kind: "understood" } } };
}
