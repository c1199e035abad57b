// A question to shrink, from its arrival to its answer. Caches give way first: where PostgreSQL has a file cache that the
// smaller machine has no room for, the answer waits until that is smaller, for a while and no longer. Then the machine is
// looked at once more, and what is seen then decides. One question waits at a time; each gets one answer.
import {
  allocationFromSize,
  sizeFromAllocation,
  type FromAgent,
  type FromMonitor,
  type Size,
} from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { actualOf } from "./actual.ts";
import { haveNow, judgeShrink, noteAgreement, type Verdict } from "./consent.ts";
import { explain } from "./explain.ts";
import { cacheToGive, keepCacheSmall, orderCache } from "./file-cache.ts";
import { send } from "./send.ts";
import { count, type MonitorState, type Session } from "./state.ts";
import { type MonitorAction } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

/** The agent asks: may the machine become so small? */
export function onDownscaleRequest(
  before: MonitorState,
  session: Session,
  message: Extract<FromAgent, { type: "DownscaleRequest" }>,
  now: MonoMs,
): Result {
  const target = sizeFromAllocation(message.content.target);
  const [state, answered] = overtake(before, session);
  const cacheBytes = cacheInTheWay(state, target, now);
  if (cacheBytes === null) {
    const [next, actions] = answer(state, session, { id: message.id, target }, now);
    return [next, [...answered, ...actions]];
  }
  const until = now + state.config.fileCache.deadlineMs;
  const question = { link: session.link, id: message.id, target, cacheBytes, until };
  const [ordered, actions] = orderCache({ ...state, question }, cacheBytes, now);
  return [ordered, [...answered, ...actions]];
}

/** Stage: is what a question waits for done, or late? */
export function shrinkStage(state: MonitorState, now: MonoMs): Result {
  const { question, session, fileCache } = state;
  if (question === null) return [state, []];
  const rest = { ...state, question: null };
  // On another link nobody waits for it any more.
  if (session?.link !== question.link) return [rest, []];
  const isSmall = fileCache.seen === null || fileCache.seen.limitBytes <= question.cacheBytes;
  if (isSmall) return answer(rest, session, question, now);
  if (fileCache.order !== null && now < question.until) return [state, []];
  // What PostgreSQL still makes of the order is not to be undone at once: the agent asks again.
  const kept = keepCacheSmall(rest, question.target.memBytes, now);
  return refuse(kept, session, question, {
    status: "PostgreSQL has not made its file cache smaller",
    reason: "cache",
    lowest: null,
  });
}

export function shrinkWakeAt({ question }: MonitorState): MonoMs | null {
  return question?.until ?? null;
}

/** Bytes that the file cache must come down to before the answer; null: the answer can be given now. */
function cacheInTheWay(state: MonitorState, target: Size, now: MonoMs): number | null {
  const actual = actualOf(state);
  if (actual === null || target.memBytes >= haveNow(state, actual)) return null;
  const cacheBytes = cacheToGive(state, target.memBytes);
  if (cacheBytes === null) return null;
  // Where the answer will be no whatever the cache gives, the cache is left alone.
  if (judgeShrink(state, target, now).reason === "reservation") return null;
  const given = (state.fileCache.seen?.limitBytes ?? 0) - cacheBytes;
  const eased = { ...target, memBytes: target.memBytes + given };
  return judgeShrink(state, eased, now).ok ? cacheBytes : null;
}

/** A newer question on the same link: what waits is answered, and not with yes. */
function overtake(state: MonitorState, session: Session): Result {
  const { question } = state;
  if (question === null) return [state, []];
  const rest = { ...state, question: null };
  if (question.link !== session.link) return [rest, []];
  const why = { status: "overtaken by a newer question", reason: "hold", lowest: null } as const;
  return refuse(rest, session, question, why);
}

type Asked = Readonly<{ id: number; target: Size }>;

/** By what is in use at this moment. */
function answer(state: MonitorState, session: Session, asked: Asked, now: MonoMs): Result {
  const { id, target } = asked;
  const verdict = judgeShrink(state, target, now);
  if (!verdict.ok) return refuse(state, session, asked, verdict);
  const reply = replyTo(session, id, verdict);
  const note = explain("info", "shrink-agreed", verdict.status, numbersOf(state, target, verdict));
  const next = agreed(count(state, "agreed"), session, target, verdict, now);
  return [next, [send(session, reply), note]];
}

type Said = Pick<Verdict, "status" | "reason" | "lowest">;

function refuse(state: MonitorState, session: Session, { id, target }: Asked, no: Said): Result {
  const reply = replyTo(session, id, { ...no, ok: false });
  const note = explain("info", "shrink-refused", no.status, numbersOf(state, target, no));
  return [count(state, "refused"), [send(session, reply), note]];
}

function replyTo(
  session: Session,
  id: number,
  { ok, status, reason, lowest }: Said & Readonly<{ ok: boolean }>,
): FromMonitor {
  const isNew = session.version >= 2;
  return {
    type: "DownscaleResult",
    Ok: ok,
    Status: status,
    ...(isNew && reason !== null ? { reason } : {}),
    ...(isNew && lowest !== null ? { lowest: allocationFromSize(lowest) } : {}),
    id,
  };
}

function numbersOf(state: MonitorState, target: Size, { reason, lowest }: Said) {
  const need = state.memoryNeed;
  return {
    milliCpu: target.milliCpu,
    memBytes: target.memBytes,
    reason,
    lowestMilliCpu: lowest?.milliCpu ?? null,
    lowestMemBytes: lowest?.memBytes ?? null,
    heldBytes: need?.inputs.heldBytes ?? null,
    availableBytes: need?.inputs.availableBytes ?? null,
    reserveBytes: need?.inputs.reserveBytes ?? null,
    usedCpu: state.cpuNeed?.inputs.busy ?? null,
  };
}

function agreed(
  state: MonitorState,
  session: Session,
  target: Size,
  verdict: Verdict,
  now: MonoMs,
): MonitorState {
  const consented = {
    cpus: Math.max(1, Math.ceil(target.milliCpu / 1000)),
    milliCpu: target.milliCpu,
    desiredMilli: state.desired?.milliCpu ?? 0,
    // Version 1 never says what became of it: what was agreed to stands until it gives more.
    until: session.report === null ? Infinity : now + state.config.timers.consentMs,
  };
  // Believe the smaller size; our own view of memory corrects it.
  const told = session.report === null && session.version === 1 ? target : session.notified;
  const kept = verdict.lowersMem ? keepCacheSmall(state, target.memBytes, now) : state;
  return {
    ...kept,
    desired:
      session.version === 1 && verdict.lowersMem ? lowered(state.desired, target) : state.desired,
    consented: verdict.lowersCpu ? consented : state.consented,
    unplug: verdict.lowersMem ? noteAgreement(state, now) : state.unplug,
    session: { ...session, notified: told },
  };
}

/** On version 1 the agent leads the way down: what is held of a need that is over is not asked back. */
function lowered(desired: Size | null, target: Size): Size | null {
  if (desired === null) return null;
  return { ...desired, memBytes: Math.min(desired.memBytes, target.memBytes) };
}
