// Today's monitor, asked what a recorded agent asked, at the same times: it may decide otherwise than it did then, but it
// must answer what was answered, and neither complain nor hang up where nobody did.
import {
  initialMonitor,
  MONITOR_DEFAULTS,
  monitorWakeAt,
  stepMonitor,
  type MemorySample,
  type MonitorAction,
  type MonitorEvent,
  type MonitorState,
} from "@selfscale/core";
import { decodeFromAgent, decodeHandshakeReply } from "@selfscale/protocol";
import { type Conversation, type Moment } from "./conversations.ts";

const MIB = 1024 ** 2;
const BLOCK_BYTES = 128 * MIB;
/** As a monitor samples. */
const SAMPLE_EVERY_MS = 100;
/** What the guest's kernel keeps for itself, and what a small database holds. */
const [KERNEL_BYTES, HELD_BYTES] = [43 * MIB, 150 * MIB];
const LINK = 1;
/** Anything a version of ours may offer. */
const ANY_VERSION = { min: 0, max: 255 };

/** What is not as it was, one line each. Only for conversations of a monitor that was ours. */
export function monitorProblems({ moments }: Conversation): string[] {
  const world = new World(moments[0]?.atMs ?? 0);
  const problems: string[] = [];
  const complaintsThen = moments.filter((moment) => typeOf(moment, "monitor") === "InvalidMessage");
  let isTalking = false;
  for (const [index, moment] of moments.entries()) {
    world.pass(moment.atMs);
    if (moment.kind === "closed" && isTalking) {
      // That it hung up is right where it did so then.
      if (moment.by !== "monitor") world.feed({ kind: "link-closed", link: LINK, problem: "" });
      break;
    }
    if (moment.kind !== "frame") continue;
    if (moment.from === "monitor" && !isTalking) {
      isTalking = world.open(moment.text);
      continue;
    }
    if (moment.from === "monitor" || !isTalking) continue;
    const then = answerTo(moment, moments.slice(index + 1));
    const now = world.hear(moment.text);
    if (then !== null && !now.includes(then)) {
      problems.push(`+${moment.atMs} ms: to ${moment.text} it answers ${now.join()}, not ${then}`);
    }
  }
  const { complaints, closings } = world;
  if (complaints > complaintsThen.length) {
    problems.push(`it complains ${complaints} times instead of ${complaintsThen.length}`);
  }
  const didClose = moments.some(({ kind, ...rest }) => {
    return kind === "closed" && "by" in rest && rest.by === "monitor";
  });
  if (closings.length > 0 && !didClose) problems.push(`it hangs up: ${closings.join()}`);
  return problems;
}

/** A guest that does little, and a monitor in it. */
class World {
  complaints = 0;
  readonly closings: string[] = [];
  #state: MonitorState;
  #now: number;
  #memBytes = 512 * MIB;
  #answers: string[] = [];

  constructor(startMs: number) {
    this.#now = startMs - 2_000; // it has been running for a while
    this.#state = initialMonitor(MONITOR_DEFAULTS, this.#now);
    this.pass(startMs);
  }

  /** Time passes until then, with all that the monitor does of itself. */
  pass(untilMs: number): void {
    while (this.#now < untilMs) {
      const wakeAt = monitorWakeAt(this.#state) ?? Infinity;
      const next = Math.min(untilMs, this.#now + SAMPLE_EVERY_MS);
      this.#now = Math.max(Math.min(next, wakeAt), this.#now + 1);
      this.#sample();
      if (wakeAt <= this.#now) this.feed({ kind: "tick" });
    }
  }

  /** True when this reply agrees on a version. */
  open(reply: string): boolean {
    const decoded = decodeHandshakeReply(reply, ANY_VERSION);
    if (!decoded.ok || "error" in decoded.message) return false;
    const { version, features = [] } = decoded.message;
    this.feed({ kind: "link-opened", link: LINK, version, features });
    return true;
  }

  /** The answers to this frame, as type and number. */
  hear(text: string): readonly string[] {
    const decoded = decodeFromAgent(text);
    if (decoded.ok && decoded.message.type === "SizeReport") {
      this.#memBytes = decoded.message.content.actual.mem;
    }
    this.#sample();
    this.#answers = [];
    this.feed({ kind: "frame-received", link: LINK, text });
    return this.#answers;
  }

  feed(event: MonitorEvent): void {
    const [state, actions] = stepMonitor(this.#state, event, this.#now);
    this.#state = state;
    for (const action of actions) this.#perform(action);
  }

  #perform(action: MonitorAction): void {
    if (action.kind === "close-link") this.closings.push(`${action.code} ${action.reason}`);
    if (action.kind !== "send-frame") return;
    const { type, id } = JSON.parse(action.text) as { type: string; id: number };
    this.#answers.push(`${type} #${id}`);
    if (type === "InvalidMessage" || type === "InternalError") this.complaints += 1;
  }

  #sample(): void {
    const busyMs = this.#now * 0.05;
    const cpu = { runDelayMs: 0, somePressureMs: 0, runnable: 1, onlineCount: 1, presentCount: 1 };
    this.feed({ kind: "cpu-sampled", sample: { ...cpu, busyMs } });
    this.feed({ kind: "memory-sampled", sample: memoryOf(this.#memBytes) });
  }
}

function memoryOf(givenBytes: number): MemorySample {
  const totalBytes = givenBytes - KERNEL_BYTES;
  return {
    totalBytes,
    availableBytes: totalBytes - HELD_BYTES,
    anonBytes: HELD_BYTES,
    shmemBytes: 0,
    cachedBytes: 60 * MIB,
    swapTotalBytes: 0,
    swapFreeBytes: 0,
    counters: null,
    somePressureMs: 0,
    blocks: {
      blockBytes: BLOCK_BYTES,
      onlineCount: Math.floor(givenBytes / BLOCK_BYTES),
      offlineCount: 0,
    },
  };
}

/** What the monitor answered then, as type and number; null: it said nothing to it. */
function answerTo(asked: Moment, later: readonly Moment[]): string | null {
  if (asked.kind !== "frame") return null;
  const type = typeOf(asked, "agent");
  // An agent's answers and complaints are never answered, and a number of the monitor's own is no answer to them.
  if (["ScaleResponse", "InvalidMessage", "InternalError"].includes(type ?? "")) return null;
  const id = numberOf(asked.text);
  const answer = later.find((moment) => {
    const isComplaint = typeOf(moment, "monitor") === "InvalidMessage";
    const isAnswer = moment.kind === "frame" && moment.from === "monitor";
    return isAnswer && numberOf(moment.text) === id && (id % 2 === 0 || isComplaint);
  });
  return answer?.kind === "frame" ? `${typeOf(answer, "monitor") ?? ""} #${id}` : null;
}

/** null: this is no message of that side. */
function typeOf(moment: Moment, from: "agent" | "monitor"): string | null {
  if (moment.kind !== "frame" || moment.from !== from) return null;
  const { type } = readJson(moment.text);
  return typeof type === "string" ? type : null;
}

/** 0 for a frame without a number: that is what a complaint about it names. */
function numberOf(text: string): number {
  const { id } = readJson(text);
  return typeof id === "number" ? id : 0;
}

function readJson(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {}; // nonsense is part of what was recorded
  }
}
