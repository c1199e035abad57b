// The monitor's side of one connection: what comes in and what is answered. Sizing is elsewhere,
// speaking first too.
import {
  decodeFromAgent,
  isSpoken,
  MAX_INVALID_PER_MINUTE,
  sizeFromAllocation,
  type FromAgent,
  type FromMonitor,
} from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { forgetGrowth } from "../policy/reserve.ts";
import { explain } from "./explain.ts";
import { actualOf, isMet } from "./actual.ts";
import { learnTold } from "./level.ts";
import { send } from "./send.ts";
import { onDownscaleRequest } from "./shrink.ts";
import { count, type AgentReport, type MonitorState, type Session } from "./state.ts";
import { type MonitorAction } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];
type Message<Type extends FromAgent["type"]> = Extract<FromAgent, { type: Type }>;

const MINUTE_MS = 60_000;
const CLOSE_POLICY = 1008;
const CLOSE_REPLACED = 1001;
/** The first id of ours on a connection; ids are odd. */
const FIRST_ID = 3;

/** The handshake is done. */
export function openSession(
  state: MonitorState,
  event: Readonly<{ link: number; version: number }>,
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
    nextId: FIRST_ID,
    report: null,
    notified: null,
    stated: null,
    lastUpscaleRequestAt: -Infinity,
    probe: { kind: "untried" },
    nonsenseAt: [],
  };
  const message = `An agent is connected, version ${event.version}.`;
  // A consent is void on reconnect, and so is the clock on a growth that the old agent was asked
  // for.
  const fresh = { ...state, session, consented: null, reaction: forgetGrowth(state.reaction) };
  return [count(fresh, "links"), [...actions, explain("info", "link-up", message)]];
}

/** The connection ended. That of an older link is no news. */
export function closeSession(state: MonitorState, link: number, problem: string): Result {
  if (state.session?.link !== link) return [state, []];
  const closed = {
    ...state,
    session: null,
    consented: null,
    reaction: forgetGrowth(state.reaction),
  };
  return [closed, [explain("info", "link-down", problem)]];
}

/** One frame from the agent. Never throws on what it holds. */
export function receive(state: MonitorState, link: number, text: string, now: MonoMs): Result {
  const { session } = state;
  if (session?.link !== link) return [state, []];
  const heard: Session = { ...session, lastFrameAt: now, hasSpoken: true };
  const decoded = decodeFromAgent(text);
  if (!decoded.ok) return nonsense(state, heard, decoded.id ?? 0, decoded.problem, now);
  const { message } = decoded;
  if (!isSpoken(message.type, heard.version) && heard.probe.kind === "untried") {
    const problem = `${message.type} is not spoken on version ${heard.version}`;
    return nonsense(state, heard, message.id, problem, now);
  }
  return understand({ ...state, session: heard }, heard, message, now);
}

/** Stage: an agent that says nothing at all is gone, whatever TCP believes. */
export function endSilence(state: MonitorState, now: MonoMs): Result {
  const { session } = state;
  if (session === null || now < session.lastFrameAt + state.config.timers.silenceMs) {
    return [state, []];
  }
  return hangUp(state, session, "silent for too long");
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
    case "UpscaleNotification":
      return notified(state, session, message, now);
    case "DownscaleRequest":
      return onDownscaleRequest(state, session, message, now);
    case "SizeReport":
      return sizeReported(state, session, message, now);
    case "ScaleResponse":
      return answered(state, message, now);
    case "InvalidMessage":
    case "InternalError":
      return complained(state, session, message);
    default:
      return message satisfies never;
  }
}

function notified(
  state: MonitorState,
  session: Session,
  message: Message<"UpscaleNotification">,
  now: MonoMs,
): Result {
  const granted = sizeFromAllocation(message.content.granted);
  const isFirst = session.report === null && session.notified === null;
  const { consented } = state;
  // Sent before the agent heard of the consent, it says the old size once more: that is not more.
  const had = actualOf(state)?.milliCpu ?? 0;
  const isMore =
    consented !== null && granted.milliCpu > consented.milliCpu && granted.milliCpu > had;
  const known: MonitorState = {
    ...state,
    session: { ...session, notified: granted },
    consented: isMore ? null : consented,
  };
  const reply = send(session, { type: "UpscaleConfirmation", id: message.id });
  const [told, records] = isFirst ? learnTold(known, now) : [known, []];
  return [told, [...records, reply]];
}

function sizeReported(
  state: MonitorState,
  session: Session,
  { content }: Message<"SizeReport">,
  now: MonoMs,
): Result {
  const report: AgentReport = {
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
  const known: MonitorState = { ...state, session: { ...session, report, notified: null } };
  const [told, records] = session.report === null ? learnTold(known, now) : [known, []];
  const isShort = report.reason === "node-full" && !isMet(told);
  return [isShort ? shortGrant(told, now) : told, records];
}

function answered(state: MonitorState, message: Message<"ScaleResponse">, now: MonoMs): Result {
  const { outcome } = message.content;
  const isShort = outcome === "deferred" || outcome === "refused";
  return [isShort ? shortGrant(state, now) : state, []];
}

/** Less was given than asked for: nothing is released for a while, and no reaction is measured. */
function shortGrant(state: MonitorState, now: MonoMs): MonitorState {
  return { ...state, shortGrantAt: now, reaction: forgetGrowth(state.reaction) };
}

/** Never answered. To a probe on version 1 it is the answer: this agent knows no ScaleRequest. */
function complained(
  state: MonitorState,
  session: Session,
  message: Message<"InvalidMessage"> | Message<"InternalError">,
): Result {
  const { probe } = session;
  if (message.type === "InvalidMessage" && probe.kind === "tried" && probe.id === message.id) {
    const next: Session = { ...session, probe: { kind: "unknown" }, stated: null };
    const text = "This agent does not know ScaleRequest: UpscaleRequest is used.";
    return [{ ...state, session: next }, [explain("info", "fell-back", text)]];
  }
  const text = `${message.type}: ${message.content.error.slice(0, 200)}`;
  return [count(state, "rejected"), [explain("warn", "peer-mistake", text)]];
}

function nonsense(
  state: MonitorState,
  session: Session,
  id: number,
  problem: string,
  now: MonoMs,
): Result {
  const nonsenseAt = [...session.nonsenseAt.filter((at) => at > now - MINUTE_MS), now];
  const heard = { ...session, nonsenseAt };
  const counted = count({ ...state, session: heard }, "nonsense");
  if (nonsenseAt.length > MAX_INVALID_PER_MINUTE) {
    return hangUp(counted, heard, `${nonsenseAt.length} bad messages in a minute`);
  }
  const reply: FromMonitor = { type: "InvalidMessage", error: problem, id };
  return [counted, [send(heard, reply), explain("warn", "peer-mistake", problem)]];
}

function hangUp(state: MonitorState, { link }: Session, reason: string): Result {
  const [closed, notes] = closeSession(state, link, reason);
  return [closed, [{ kind: "close-link", link, code: CLOSE_POLICY, reason }, ...notes]];
}
