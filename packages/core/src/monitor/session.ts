// The monitor's side of one connection: what comes in, what is answered, who may speak when. Sizing is elsewhere.
import {
  allocationFromSize,
  decodeFromAgent,
  encodeFromMonitor,
  isSpoken,
  MAX_INVALID_PER_MINUTE,
  sizeFromAllocation,
  type FromAgent,
  type FromMonitor,
  type ScaleReason,
} from "@selfscale/protocol";
import { fitted, isMet } from "./actual.ts";
import { judgeShrink } from "./consent.ts";
import { type MonitorState, type Session } from "./state.ts";
import { type MonitorAction, type MonitorNote, type MonoMs } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

const MINUTE_MS = 60_000;
const CLOSE_POLICY = 1008;
const CLOSE_REPLACED = 1001;

export function openSession(
  state: MonitorState,
  event: { link: number; version: number },
  now: MonoMs,
): Result {
  const actions: MonitorAction[] = [];
  if (state.session !== null) {
    const reason = "replaced by a new connection";
    actions.push({ kind: "close-link", link: state.session.link, code: CLOSE_REPLACED, reason });
  }
  const session: Session = {
    link: event.link,
    version: event.version,
    openedAt: now,
    lastFrameAt: now,
    hasSpoken: false,
    nextId: 3,
    report: null,
    notified: null,
    stated: null,
    lastUpscaleRequestAt: -Infinity,
    probe: "untried",
    nonsenseAt: [],
  };
  const message = `An agent is connected, version ${event.version}.`;
  return [{ ...state, session }, [...actions, explain("info", "link-up", message)]];
}

export function closeSession(state: MonitorState, link: number, problem: string): Result {
  if (state.session?.link !== link) return [state, []];
  const kept = { ...state, session: null, consented: null };
  return [kept, [explain("info", "link-down", problem)]];
}

/** One frame from the agent. Never throws on what it holds. */
export function receive(state: MonitorState, link: number, text: string, now: MonoMs): Result {
  const { session } = state;
  if (session?.link !== link) return [state, []];
  const heard: Session = { ...session, lastFrameAt: now, hasSpoken: true };
  const decoded = decodeFromAgent(text);
  if (!decoded.ok) return nonsense(state, heard, decoded.id ?? 0, decoded.problem, now);
  const { message } = decoded;
  if (!isSpoken(message.type, heard.version)) {
    const problem = `${message.type} is not spoken on version ${heard.version}`;
    return nonsense(state, heard, message.id, problem, now);
  }
  return understand({ ...state, session: heard }, heard, message, now);
}

function understand(
  state: MonitorState,
  session: Session,
  message: FromAgent,
  now: MonoMs,
): Result {
  switch (message.type) {
    case "HealthCheck":
      return [state, [send(session, { type: "HealthCheck", id: message.id })]];
    case "UpscaleNotification": {
      const notified = sizeFromAllocation(message.content.granted);
      const known: MonitorState = { ...state, session: { ...session, notified } };
      return [known, [send(session, { type: "UpscaleConfirmation", id: message.id })]];
    }
    case "DownscaleRequest":
      return downscale(state, session, message, now);
    case "SizeReport":
      return sizeReported(state, session, message.content, now);
    case "ScaleResponse": {
      const isShort =
        message.content.outcome === "deferred" || message.content.outcome === "clamped";
      return [isShort ? { ...state, shortGrantAt: now } : state, []];
    }
    case "InvalidMessage":
    case "InternalError": {
      // Never answered. To a probe on version 1 it is the answer: this agent knows no ScaleRequest.
      if (session.version === 1 && session.probe === "tried" && message.type === "InvalidMessage") {
        const next: Session = { ...session, probe: "unknown" };
        const text = "This agent does not know ScaleRequest: UpscaleRequest is used.";
        return [{ ...state, session: next }, [explain("info", "fell-back", text)]];
      }
      const text = `${message.type}: ${message.content.error.slice(0, 200)}`;
      return [state, [explain("warn", "peer-mistake", text)]];
    }
    default:
      return message satisfies never;
  }
}

function downscale(
  state: MonitorState,
  session: Session,
  message: FromAgent & { type: "DownscaleRequest" },
  now: MonoMs,
): Result {
  const target = sizeFromAllocation(message.content.target);
  const verdict = judgeShrink(state, target, now);
  const data = { milliCpu: target.milliCpu, memBytes: target.memBytes };
  const { agreed, refused } = state.counters;
  const isNew = session.version >= 2;
  const reply: FromMonitor = {
    type: "DownscaleResult",
    Ok: verdict.ok,
    Status: verdict.status,
    ...(isNew && verdict.reason !== null ? { reason: verdict.reason } : {}),
    ...(isNew && verdict.lowest !== null ? { lowest: allocationFromSize(verdict.lowest) } : {}),
    id: message.id,
  };
  if (!verdict.ok) {
    const counters = { ...state.counters, refused: refused + 1 };
    const note = explain("info", "shrink-refused", verdict.status, data);
    return [{ ...state, counters }, [send(session, reply), note]];
  }
  const lowersCpu = verdict.lowersCpu;
  const cpus = Math.max(1, Math.ceil(target.milliCpu / 1000));
  const until = now + state.config.timers.consentMs;
  const next: MonitorState = {
    ...state,
    counters: { ...state.counters, agreed: agreed + 1 },
    consented: lowersCpu ? { cpus, milliCpu: target.milliCpu, until } : state.consented,
    // Version 1 never says what became of it: believe the smaller size, our own view corrects it.
    session: session.version === 1 ? { ...session, notified: target } : session,
  };
  return [next, [send(session, reply), explain("info", "shrink-agreed", verdict.status, data)]];
}

function sizeReported(
  state: MonitorState,
  session: Session,
  content: Extract<FromAgent, { type: "SizeReport" }>["content"],
  now: MonoMs,
): Result {
  const report = {
    actual: sizeFromAllocation(content.actual),
    requested: sizeFromAllocation(content.requested),
    permit: sizeFromAllocation(content.permit),
    min: sizeFromAllocation(content.bounds.min),
    max: sizeFromAllocation(content.bounds.max),
    stepMilliCpu: Math.max(1, Math.round(content.step.cpu * 1000)),
    stepMemBytes: content.step.mem,
    reason: content.reason ?? null,
    cpuUsed: content.cpuUsed ?? null,
    throttledShare: content.throttledShare ?? null,
  };
  const { consented } = state;
  // Nothing was decided yet: our own view of the size gives way to the truth.
  const isFirst = session.report === null && state.desiredReason === "start";
  const hasFollowed = consented !== null && report.requested.milliCpu <= consented.milliCpu;
  const isShort = report.reason === "node-full" && !isMet(state);
  return [
    {
      ...state,
      session: { ...session, report },
      lastActual: report.actual,
      desired: isFirst ? report.actual : state.desired,
      consented: hasFollowed ? null : consented,
      shortGrantAt: isShort ? now : state.shortGrantAt,
    },
    [],
  ];
}

/** Whether we may speak of sizes: the deployed agent panics on a request before its own first frame. */
export function maySpeak(session: Session, state: MonitorState, now: MonoMs): boolean {
  return session.hasSpoken || now >= session.openedAt + state.config.timers.firstWordMs;
}

/** Stage: state the level, when it is due; on version 1 ask for more, when more is needed. */
export function speak(state: MonitorState, now: MonoMs): Result {
  const { session } = state;
  if (session === null || !maySpeak(session, state, now)) return [state, []];
  if (now < speakDueAt(state, session)) return [state, []];
  const knowsScale =
    session.version >= 2 || (state.config.probeScaleRequest && session.probe !== "unknown");
  return knowsScale ? stateLevel(state, session, now) : requestUpscale(state, session, now);
}

/** When the next word is due; null while nothing is. */
export function speakWakeAt(state: MonitorState): MonoMs | null {
  const { session } = state;
  if (session === null || state.desired === null) return null;
  const due = speakDueAt(state, session);
  if (!Number.isFinite(due)) return null;
  return session.hasSpoken
    ? due
    : Math.max(due, session.openedAt + state.config.timers.firstWordMs);
}

function speakDueAt(state: MonitorState, session: Session): MonoMs {
  const { timers } = state.config;
  const { desired } = state;
  if (desired === null) return Infinity;
  const knowsScale =
    session.version >= 2 || (state.config.probeScaleRequest && session.probe !== "unknown");
  if (!knowsScale) return upscaleDueAt(state, session);
  const { stated } = session;
  if (stated === null) return session.openedAt;
  const isChange =
    stated.size.milliCpu !== desired.milliCpu || stated.size.memBytes !== desired.memBytes;
  if (isChange) {
    const isUpward =
      desired.milliCpu > stated.size.milliCpu || desired.memBytes > stated.size.memBytes;
    return stated.at + (isUpward ? timers.upwardMs : timers.otherMs);
  }
  return stated.at + (isMet(state) ? timers.resendMetMs : timers.resendUnmetMs);
}

/** "I am running out" is about memory; a deployed agent sees CPU by itself, in the load average. */
function upscaleDueAt(state: MonitorState, session: Session): MonoMs {
  const { desired } = state;
  const memory = state.memoryNeed;
  const actual = session.notified?.memBytes ?? state.lastActual?.memBytes ?? 0;
  if (desired === null || memory === null) return Infinity;
  const own = state.memorySample?.value.blocks ?? null;
  const has = own === null ? actual : Math.max(actual, own.onlineCount * own.blockBytes);
  const isShort = fitted(state, desired).memBytes > has && memory.needBytes > has;
  if (!isShort) return Infinity;
  return session.lastUpscaleRequestAt + state.config.timers.upscaleRequestMs;
}

function stateLevel(state: MonitorState, session: Session, now: MonoMs): Result {
  const { desired } = state;
  if (desired === null) return [state, []];
  const isProbe = session.version === 1;
  const before = session.stated?.size ?? null;
  const isRaise =
    before === null || desired.milliCpu > before.milliCpu || desired.memBytes > before.memBytes;
  const ageMs = Math.max(0, Math.round(now - state.neededAt));
  const message: FromMonitor = {
    type: "ScaleRequest",
    target: allocationFromSize(desired),
    ...(isProbe ? {} : { reason: state.desiredReason satisfies ScaleReason }),
    // The age of the sample that shows the need: only true of the first word about it.
    ...(!isProbe && isRaise && before !== null ? { ageMs } : {}),
    id: session.nextId,
  };
  const next: Session = {
    ...session,
    nextId: session.nextId + 2,
    stated: { size: desired, at: now },
    probe: isProbe ? "tried" : session.probe,
  };
  const counters = { ...state.counters, scaleRequests: state.counters.scaleRequests + 1 };
  return [{ ...state, session: next, counters }, [send(session, message)]];
}

function requestUpscale(state: MonitorState, session: Session, now: MonoMs): Result {
  const next: Session = { ...session, nextId: session.nextId + 2, lastUpscaleRequestAt: now };
  const counters = { ...state.counters, upscaleRequests: state.counters.upscaleRequests + 1 };
  const message: FromMonitor = { type: "UpscaleRequest", id: session.nextId };
  return [{ ...state, session: next, counters }, [send(session, message)]];
}

/** Stage: an agent that says nothing at all is gone, whatever TCP believes. */
export function endSilence(state: MonitorState, now: MonoMs): Result {
  const { session } = state;
  if (session === null || now < session.lastFrameAt + state.config.timers.silenceMs)
    return [state, []];
  const reason = "silent for too long";
  const [next, actions] = closeSession(state, session.link, reason);
  return [
    next,
    [{ kind: "close-link", link: session.link, code: CLOSE_POLICY, reason }, ...actions],
  ];
}

function nonsense(
  state: MonitorState,
  session: Session,
  id: number,
  problem: string,
  now: MonoMs,
): Result {
  const recent = [...session.nonsenseAt.filter((at) => at > now - MINUTE_MS), now];
  const counters = { ...state.counters, nonsense: state.counters.nonsense + 1 };
  const counted: MonitorState = { ...state, counters, session: { ...session, nonsenseAt: recent } };
  if (recent.length > MAX_INVALID_PER_MINUTE) {
    const reason = `${recent.length} bad messages in a minute`;
    const [next, actions] = closeSession(counted, session.link, reason);
    return [
      next,
      [{ kind: "close-link", link: session.link, code: CLOSE_POLICY, reason }, ...actions],
    ];
  }
  const reply: FromMonitor = { type: "InvalidMessage", error: problem, id };
  return [counted, [send(session, reply), explain("warn", "peer-mistake", problem)]];
}

function send(session: Session, message: FromMonitor): MonitorAction {
  return { kind: "send-frame", link: session.link, text: encodeFromMonitor(message) };
}

export function explain(
  level: MonitorNote["level"],
  reason: MonitorNote["reason"],
  message: string,
  data?: MonitorNote["data"],
): MonitorAction {
  return {
    kind: "explain",
    note: { level, reason, message, ...(data === undefined ? {} : { data }) },
  };
}
