// The agent's side of one connection: handshake, ids, answers in time, health, what is nonsense. It knows no sizes policy.
// Frames go in, news comes out; nothing here decides what a VM should have. Pure.
import {
  decodeFromMonitor,
  decodeHandshakeReply,
  encodeRange,
  checkTarget,
  sizeFromAllocation,
  MAX_INVALID_PER_MINUTE,
  type FromAgent,
  type FromMonitor,
  type Size,
  type VersionRange,
} from "@selfscale/protocol";
import { ask, send } from "./ask.ts";
import {
  type AskKind,
  type Link,
  LINK_DOWN,
  type LinkGreeting,
  type LinkUp,
  type ScaleWish,
  type Target,
} from "./link-state.ts";
import { drawMessage, type MessageBuckets, type MessageKind } from "./message-limits.ts";
import { type AgentTimers } from "./timers.ts";
import { type MonoMs, type VmAction } from "./types.ts";

const MINUTE_MS = 60_000;
/** Close codes of RFC 6455. */
const CLOSE_PROTOCOL_ERROR = 1002;
const CLOSE_POLICY = 1008;

export type DownscaleAnswer =
  | Readonly<{ kind: "agreed" }>
  | Readonly<{ kind: "refused"; status: string; lowest: Size | null }>
  | Readonly<{ kind: "failed"; problem: string }>;

/** What the machine learns from the link. */
export type LinkNews =
  | Readonly<{ kind: "link-ready"; version: number; vm: string | null; memBytes: number | null }>
  | Readonly<{ kind: "link-lost"; problem: string }>
  | Readonly<{ kind: "scale-requested"; wish: ScaleWish }>
  | Readonly<{ kind: "upscale-requested" }>
  | Readonly<{ kind: "downscale-answered"; ask: number; answer: DownscaleAnswer }>
  | Readonly<{ kind: "nonsense"; problem: string }>
  /** Too much of one kind. `isNews`: nothing was said about it for a while. */
  | Readonly<{ kind: "limited"; what: MessageKind | "nonsense"; isNews: boolean }>;

export type LinkStep = Readonly<{
  link: Link;
  actions: readonly VmAction[];
  news: readonly LinkNews[];
}>;

const NO_TARGET: Target = { milliCpu: null, memBytes: null };

/** The websocket is open: say what we speak. `buckets`: what is left to this VM's monitor, on whichever connection. */
export function openLink(
  id: number,
  offered: VersionRange,
  now: MonoMs,
  timers: AgentTimers,
  buckets: MessageBuckets = {},
): LinkStep {
  return {
    link: { kind: "greeting", link: id, offered, deadline: now + timers.handshakeMs, buckets },
    actions: [{ kind: "send-frame", link: id, text: encodeRange(offered) }],
    news: [],
  };
}

/** One frame from the monitor. Never throws on what it holds. */
export function receiveFrame(link: Link, text: string, now: MonoMs, timers: AgentTimers): LinkStep {
  if (link.kind === "down") return quiet(link);
  if (link.kind === "greeting") return greet(link, text, now, timers);
  const heard: LinkUp = { ...link, lastFrameAt: now };
  const decoded = decodeFromMonitor(text);
  if (!decoded.ok) return nonsense(heard, decoded.id ?? 0, decoded.problem, now);
  const { message } = decoded;
  const { buckets, isGranted } = drawMessage(heard.buckets, message.type, now);
  const allowed: LinkUp = { ...heard, buckets };
  if (isGranted) return understand(allowed, message, now, timers);
  // A level is never lost: the newest waits for its turn.
  if (message.type !== "ScaleRequest") return limited(allowed, message.type, now);
  return limited({ ...allowed, heldWish: readWish(message) }, message.type, now);
}

/**
 * The agent stood still: what was asked before is answered by nobody any more, and what is heard now was said then. One
 * question of now tells when all of that is over.
 */
export function catchUp(
  link: LinkUp,
  now: MonoMs,
  timers: AgentTimers,
): Readonly<{ link: LinkUp; action: VmAction }> {
  const asked = ask({ ...link, pending: [] }, { type: "HealthCheck", content: {} }, now);
  const nextHealthAt = now + timers.healthCheckMs;
  return { link: { ...asked.link, nextHealthAt, catchUpId: asked.id }, action: asked.action };
}

/** Deadlines: answers that did not come, health checks, a wish that had to wait. */
export function tickLink(link: Link, now: MonoMs, timers: AgentTimers): LinkStep {
  if (link.kind === "down") return quiet(link);
  if (link.kind === "greeting") {
    if (now < link.deadline) return quiet(link);
    return giveUp(link.link, CLOSE_PROTOCOL_ERROR, "no handshake reply");
  }
  const news: LinkNews[] = [];
  let up = link;
  for (const request of link.pending) {
    if (now < request.sentAt + timers.requestMs) continue;
    up = { ...up, pending: up.pending.filter((other) => other.id !== request.id) };
    if (request.kind === "DownscaleRequest") {
      const problem = `no answer in ${timers.requestMs} ms`;
      news.push({
        kind: "downscale-answered",
        ask: request.id,
        answer: { kind: "failed", problem },
      });
    }
    if (request.kind === "HealthCheck") up = { ...up, misses: up.misses + 1 };
    if (up.misses >= timers.healthMisses) {
      const lost = giveUp(up.link, CLOSE_POLICY, `${up.misses} health checks unanswered`);
      return { ...lost, news: [...news, ...lost.news] };
    }
  }
  const actions: VmAction[] = [];
  if (now >= up.nextHealthAt) {
    const asked = ask(up, { type: "HealthCheck", content: {} }, now);
    up = { ...asked.link, nextHealthAt: now + timers.healthCheckMs };
    actions.push(asked.action);
  }
  if (up.heldWish !== null && now >= wishDueAt(up, up.heldWish, timers)) {
    news.push({ kind: "scale-requested", wish: up.heldWish });
    up = { ...up, passedWish: { wish: up.heldWish, at: now }, heldWish: null };
  }
  return { link: up, actions, news };
}

/** When this link wants its next tick. */
export function linkWakeAt(link: Link, timers: AgentTimers): MonoMs | null {
  if (link.kind === "down") return null;
  if (link.kind === "greeting") return link.deadline;
  let at = link.nextHealthAt;
  for (const request of link.pending) at = Math.min(at, request.sentAt + timers.requestMs);
  if (link.heldWish !== null) at = Math.min(at, wishDueAt(link, link.heldWish, timers));
  return at;
}

/** Since when the oldest question on the link has waited; null when none does. */
export function waitingSince(link: Link): MonoMs | null {
  return link.kind === "up" ? (link.pending[0]?.sentAt ?? null) : null;
}

/** Something asked on an open link has gone unanswered this long, and nothing else came either. */
export function isMute(link: Link, now: MonoMs, timers: AgentTimers): boolean {
  if (link.kind !== "up" || now < link.lastFrameAt + timers.muteMs) return false;
  return link.pending.some((request) => now >= request.sentAt + timers.muteMs);
}

function greet(link: LinkGreeting, text: string, now: MonoMs, timers: AgentTimers): LinkStep {
  const decoded = decodeHandshakeReply(text, link.offered);
  if (!decoded.ok) {
    return giveUp(link.link, CLOSE_PROTOCOL_ERROR, `handshake reply: ${decoded.problem}`);
  }
  const reply = decoded.message;
  if ("error" in reply) {
    return giveUp(link.link, CLOSE_PROTOCOL_ERROR, `monitor refused: ${reply.error.slice(0, 80)}`);
  }
  const vm = reply.vm?.toLowerCase() ?? null;
  return {
    link: {
      kind: "up",
      link: link.link,
      version: reply.version,
      wantsReports: reply.version >= 2 && (reply.features ?? []).includes("size-report"),
      vm,
      readyAt: now,
      lastFrameAt: now,
      nextId: 2,
      nextHealthAt: now + timers.healthCheckMs,
      misses: 0,
      pending: [],
      nonsenseAt: [],
      passedWish: null,
      heldWish: null,
      buckets: link.buckets,
      limitSaidAt: null,
      catchUpId: null,
    },
    actions: [],
    news: [{ kind: "link-ready", version: reply.version, vm, memBytes: reply.mem ?? null }],
  };
}

function understand(
  link: LinkUp,
  message: FromMonitor,
  now: MonoMs,
  timers: AgentTimers,
): LinkStep {
  switch (message.type) {
    case "UpscaleRequest":
      return { link, actions: [], news: [{ kind: "upscale-requested" }] };
    case "ScaleRequest":
      return wished(link, readWish(message), now, timers);
    case "HealthCheck":
      return answered(link, message.id, "HealthCheck", now, timers, (known) => {
        const isCaughtUp = known.catchUpId === null || message.id >= known.catchUpId;
        return quiet({ ...known, misses: 0, catchUpId: isCaughtUp ? null : known.catchUpId });
      });
    case "UpscaleConfirmation":
      return answered(link, message.id, "UpscaleNotification", now, timers, quiet);
    case "DownscaleResult":
      return answered(link, message.id, "DownscaleRequest", now, timers, (known) => ({
        link: known,
        actions: [],
        news: [{ kind: "downscale-answered", ask: message.id, answer: readAnswer(message) }],
      }));
    case "InternalError":
    case "InvalidMessage":
      return failed(link, message.id, `${message.type}: ${message.error.slice(0, 200)}`);
    default:
      return message satisfies never;
  }
}

/** A reply. Of the wrong kind, or to nothing we asked (any more), it is the peer's mistake. */
function answered(
  link: LinkUp,
  id: number,
  kind: AskKind,
  now: MonoMs,
  timers: AgentTimers,
  then: (link: LinkUp) => LinkStep,
): LinkStep {
  const request = link.pending.find((other) => other.id === id);
  // One that comes before the tick that would have ended the wait is as late as one after it.
  const isLate = request !== undefined && now >= request.sentAt + timers.requestMs;
  if (isLate) return late(link, id, kind, now, timers);
  if (request?.kind !== kind) {
    const problem =
      request === undefined
        ? `reply to id ${id}, which is unknown or already timed out`
        : `reply of the wrong kind to ${request.kind} ${id}`;
    return nonsense(link, id, problem, now);
  }
  return then({ ...link, pending: link.pending.filter((other) => other.id !== id) });
}

/** The wait is ended first, as the tick does that had to come; then the answer is to nothing that is asked any more. */
function late(link: LinkUp, id: number, kind: AskKind, now: MonoMs, timers: AgentTimers): LinkStep {
  const ticked = tickLink(link, now, timers);
  if (ticked.link.kind !== "up") return ticked;
  const after = answered(ticked.link, id, kind, now, timers, quiet);
  return {
    link: after.link,
    actions: [...ticked.actions, ...after.actions],
    news: [...ticked.news, ...after.news],
  };
}

/** The monitor could not do what we asked. Never answered, or two sides would argue for ever. */
function failed(link: LinkUp, id: number, problem: string): LinkStep {
  const request = link.pending.find((other) => other.id === id);
  const up = { ...link, pending: link.pending.filter((other) => other.id !== id) };
  if (request?.kind !== "DownscaleRequest") {
    return { link: up, actions: [], news: [{ kind: "nonsense", problem }] };
  }
  const answer = { kind: "failed", problem } as const;
  return { link: up, actions: [], news: [{ kind: "downscale-answered", ask: id, answer }] };
}

function wished(link: LinkUp, wish: ScaleWish, now: MonoMs, timers: AgentTimers): LinkStep {
  if (now < wishDueAt(link, wish, timers)) {
    // Coalesced, not punished: an honest monitor may do so now and then, and nobody need hear of it.
    const held = { ...link, heldWish: wish };
    return {
      link: held,
      actions: [],
      news: [{ kind: "limited", what: "ScaleRequest", isNews: false }],
    };
  }
  return {
    link: { ...link, passedWish: { wish, at: now }, heldWish: null },
    actions: [],
    news: [{ kind: "scale-requested", wish }],
  };
}

/** Upward ones may come ten times a second, others once. */
function wishDueAt(link: LinkUp, wish: ScaleWish, timers: AgentTimers): MonoMs {
  if (link.passedWish === null) return link.readyAt;
  const before = link.passedWish.wish.target;
  const isUpward =
    (wish.target.milliCpu ?? 0) > (before.milliCpu ?? 0) ||
    (wish.target.memBytes ?? 0) > (before.memBytes ?? 0);
  return link.passedWish.at + (isUpward ? timers.scaleUpwardMs : timers.scaleOtherMs);
}

function nonsense(link: LinkUp, id: number, problem: string, now: MonoMs): LinkStep {
  const recent = [...link.nonsenseAt.filter((at) => at > now - MINUTE_MS), now];
  if (recent.length > MAX_INVALID_PER_MINUTE) {
    const lost = giveUp(link.link, CLOSE_POLICY, `${recent.length} bad messages in a minute`);
    return { ...lost, news: [{ kind: "limited", what: "nonsense", isNews: true }, ...lost.news] };
  }
  const reply: FromAgent = { type: "InvalidMessage", content: { error: problem }, id };
  return {
    link: { ...link, nonsenseAt: recent },
    actions: [send(link.link, reply)],
    news: [{ kind: "nonsense", problem }],
  };
}

/** More of one kind than anybody may say: not acted on. */
function limited(link: LinkUp, what: MessageKind, now: MonoMs): LinkStep {
  const isNews = link.limitSaidAt === null || now >= link.limitSaidAt + MINUTE_MS;
  const limitSaidAt = isNews ? now : link.limitSaidAt;
  return { link: { ...link, limitSaidAt }, actions: [], news: [{ kind: "limited", what, isNews }] };
}

function giveUp(link: number, code: number, reason: string): LinkStep {
  return {
    link: LINK_DOWN,
    actions: [{ kind: "close-link", link, code, reason }],
    news: [{ kind: "link-lost", problem: reason }],
  };
}

function quiet(link: Link): LinkStep {
  return { link, actions: [], news: [] };
}

function readWish(message: FromMonitor & { type: "ScaleRequest" }): ScaleWish {
  return {
    id: message.id,
    target: checkTarget(message.target),
    reason: message.reason ?? null,
    floor: readFloor(message.floor),
    ageMs: message.ageMs ?? null,
  };
}

/** What is no size reserves nothing. */
function readFloor(floor: (FromMonitor & { type: "ScaleRequest" })["floor"]): Size {
  const { milliCpu, memBytes } = floor === undefined ? NO_TARGET : checkTarget(floor);
  return { milliCpu: milliCpu ?? 0, memBytes: memBytes ?? 0 };
}

function readAnswer(message: FromMonitor & { type: "DownscaleResult" }): DownscaleAnswer {
  if (message.Ok) return { kind: "agreed" };
  return {
    kind: "refused",
    status: message.Status.slice(0, 200),
    lowest: message.lowest === undefined ? null : sizeFromAllocation(message.lowest),
  };
}
