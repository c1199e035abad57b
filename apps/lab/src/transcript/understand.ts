// What each recorded frame was: the handshake, a message, the answer to which one, or nothing that can be read.
import {
  decodeFromAgent,
  decodeFromMonitor,
  decodeHandshakeReply,
  decodeRange,
  type FromAgent,
  type FromMonitor,
  type HandshakeReply,
  type VersionRange,
} from "@selfscale/protocol";
import { isLinkEvent, type App, type RecordedEvent, type Recording } from "@selfscale/recording";

export type FrameEvent = Extract<RecordedEvent, { kind: "frame" }>;

export type Meaning =
  | Readonly<{ kind: "range"; range: VersionRange }>
  | Readonly<{ kind: "reply"; reply: HandshakeReply; offered: VersionRange }>
  | Readonly<{ kind: "from-agent"; message: FromAgent }>
  | Readonly<{ kind: "from-monitor"; message: FromMonitor }>
  | Readonly<{ kind: "unreadable"; problem: string }>;

export type Heard = {
  readonly event: FrameEvent;
  readonly from: App;
  readonly meaning: Meaning;
  /** What this answers, and how long after it; null: it is no answer. */
  readonly answerTo: Readonly<{ heard: Heard; afterMs: number }> | null;
  /** The answer to this, once there is one. */
  answer: Heard | null;
};

/** Where a link is in its handshake. "unknown": its beginning is not in the recording. */
type Stage =
  | Readonly<{ kind: "unknown" | "open" | "talk" }>
  | Readonly<{ kind: "offered"; range: VersionRange }>;

/** Which requests a message answers, by their type. */
const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  HealthCheck: ["HealthCheck"],
  UpscaleConfirmation: ["UpscaleNotification"],
  DownscaleResult: ["DownscaleRequest"],
  ScaleResponse: ["ScaleRequest"],
  InvalidMessage: ["HealthCheck", "UpscaleNotification", "DownscaleRequest", "ScaleRequest"],
  InternalError: ["HealthCheck", "UpscaleNotification", "DownscaleRequest", "ScaleRequest"],
};
/** What each side asks and the other answers. */
const REQUESTS: Readonly<Record<App, readonly string[]>> = {
  agent: ["HealthCheck", "UpscaleNotification", "DownscaleRequest"],
  monitor: ["ScaleRequest"],
};

/** One run's frames, understood; in the order of `events`, other events left out. */
export function understand(
  app: App,
  events: Recording["events"],
): ReadonlyMap<RecordedEvent, Heard> {
  const links = new Map<string, LinkReader>();
  const heard = new Map<RecordedEvent, Heard>();
  for (const event of events) {
    if (!isLinkEvent(event)) continue;
    const key = `${event.vm ?? ""} ${event.link}`;
    const reader = links.get(key) ?? new LinkReader();
    links.set(key, reader);
    if (event.kind === "opened") reader.opened();
    if (event.kind === "frame") heard.set(event, reader.read(event, senderOf(app, event)));
  }
  return heard;
}

export function senderOf(app: App, { way }: FrameEvent): App {
  const other = app === "agent" ? "monitor" : "agent";
  return way === "out" ? app : other;
}

class LinkReader {
  #stage: Stage = { kind: "unknown" };
  /** By sender and number. Numbers of the two sides never collide, except for those who break the rule. */
  readonly #asked = new Map<string, Heard>();

  opened(): void {
    this.#stage = { kind: "open" };
  }

  read(event: FrameEvent, from: App): Heard {
    const meaning = this.#meaning(event.text, from);
    const asked = this.#askedBy(meaning, from);
    const answerTo =
      asked === null ? null : { heard: asked, afterMs: event.atMs - asked.event.atMs };
    const heard: Heard = { event, from, meaning, answerTo, answer: null };
    if (asked !== null) asked.answer = heard;
    const message = messageOf(meaning);
    if (answerTo === null && message !== null && REQUESTS[from].includes(message.type)) {
      this.#asked.set(`${from} ${message.id}`, heard);
    }
    return heard;
  }

  #meaning(text: string, from: App): Meaning {
    const stage = this.#stage;
    if (from === "agent" && (stage.kind === "open" || stage.kind === "unknown")) {
      const range = decodeRange(text);
      if (range.ok) {
        this.#stage = { kind: "offered", range: range.message };
        return { kind: "range", range: range.message };
      }
      if (stage.kind === "open") return { kind: "unreadable", problem: range.problem };
    }
    if (from === "monitor" && stage.kind === "offered") {
      this.#stage = { kind: "talk" };
      const reply = decodeHandshakeReply(text, stage.range);
      if (!reply.ok) return { kind: "unreadable", problem: reply.problem };
      return { kind: "reply", reply: reply.message, offered: stage.range };
    }
    // After a range that could not be read there is still an answer, which says so.
    if (from === "monitor" && stage.kind === "open") {
      const reply = decodeHandshakeReply(text, { min: 0, max: 0 });
      if (reply.ok && "error" in reply.message) {
        return { kind: "reply", reply: reply.message, offered: { min: 0, max: 0 } };
      }
    }
    return decode(text, from);
  }

  #askedBy(meaning: Meaning, from: App): Heard | null {
    const message = messageOf(meaning);
    if (message === null) return null;
    const other = from === "agent" ? "monitor" : "agent";
    const asked = this.#asked.get(`${other} ${message.id}`) ?? null;
    const type = asked === null ? null : messageOf(asked.meaning)?.type;
    if (asked === null || type === null || type === undefined) return null;
    if (ANSWERS[message.type]?.includes(type) !== true) return null;
    this.#asked.delete(`${other} ${message.id}`);
    return asked;
  }
}

function decode(text: string, from: App): Meaning {
  if (from === "agent") {
    const decoded = decodeFromAgent(text);
    if (!decoded.ok) return { kind: "unreadable", problem: decoded.problem };
    return { kind: "from-agent", message: decoded.message };
  }
  const decoded = decodeFromMonitor(text);
  if (!decoded.ok) return { kind: "unreadable", problem: decoded.problem };
  return { kind: "from-monitor", message: decoded.message };
}

export function messageOf(meaning: Meaning): FromAgent | FromMonitor | null {
  const isMessage = meaning.kind === "from-agent" || meaning.kind === "from-monitor";
  return isMessage ? meaning.message : null;
}
