// One connection of a scripted agent: handshake, envelopes, ids, health, nonsense.
import { type WebSocket } from "ws";
import { type Fields, type LinkHost, type SpeakingLink } from "./scripted-host.ts";
import { ScriptedSizing } from "./scripted-sizing.ts";

const KNOWN = ["HealthCheck", "UpscaleConfirmation", "DownscaleResult"] as const;
const REPLY_TO: Readonly<Record<string, string>> = {
  HealthCheck: "HealthCheck",
  UpscaleConfirmation: "UpscaleNotification",
  DownscaleResult: "DownscaleRequest",
};
/** Four times what it should be: in haste, a busy machine would look like a silent monitor. */
const HANDSHAKE_MS = 16_000;
const HEALTH_CHECK_MS = 5_000;
const MAX_NONSENSE = 20;

export class ScriptedLink implements SpeakingLink {
  readonly host: LinkHost;
  version = 0;
  hasReports = false;
  isMismatched = false;
  /** A frame went out after the handshake. */
  hasSpoken = false;
  readonly #socket: WebSocket;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #pending = new Map<unknown, Readonly<{ type: string; failed: () => void }>>();
  readonly #late = new Set<unknown>();
  #sizing: ScriptedSizing | null = null;
  #nextId = 2;
  #misses = 0;
  #nonsense = 0;

  constructor(socket: WebSocket, host: LinkHost) {
    this.#socket = socket;
    this.host = host;
    const { has } = host;
    this.#say({
      min: has("offers min 2") ? 2 : 1,
      max: has("offers max 256") ? 256 : 2,
      features: [has("features are prose") ? "Size Report" : "size-report", "size-report"],
    });
    if (!has("waits for a reply for ever")) {
      this.later(HANDSHAKE_MS, () => {
        if (this.version === 0) this.close(1002, "no handshake reply");
      });
    }
  }

  later(ms: number, call: () => void): void {
    const timer = this.host.later(ms, () => {
      this.#timers.delete(timer);
      call();
    });
    this.#timers.add(timer);
  }

  end(): void {
    for (const timer of this.#timers) this.host.cancel(timer);
    this.#sizing?.end();
  }

  close(code: number, reason: string): void {
    if (this.host.has("cuts instead of closing")) this.#socket.terminate();
    else this.#socket.close(code, reason);
  }

  /** Asks under an id of our own, which is returned. `failed`: no answer came in time. */
  ask(type: string, content: Fields, failed: () => void): unknown {
    const id = this.tell(type, content);
    this.#pending.set(id, { type, failed });
    this.later(5_000, () => {
      if (!this.#pending.delete(id)) return;
      if (this.host.has("takes late replies")) this.#late.add(id);
      failed();
    });
    return id;
  }

  /** Says something under an id of our own. */
  tell(type: string, content: Fields): unknown {
    const id = this.#nextId + (this.host.has("ids are odd") ? 1 : 0);
    this.#nextId += 2;
    this.host.nextId = this.#nextId;
    this.wrap(type, content, id);
    return id;
  }

  wrap(type: string, content: Fields, id: unknown): void {
    const { has } = this.host;
    const isEmpty = Object.keys(content).length === 0;
    if (has("no content when it is empty") && isEmpty) this.#say({ type, id });
    else if (has("id before content")) this.#say({ id, content, type });
    else this.#say({ content, type, id });
  }

  nonsense(id: unknown): void {
    const { has } = this.host;
    this.#nonsense += 1;
    const most = has("drops the link after 19 of nonsense") ? 19 : MAX_NONSENSE;
    if (this.#nonsense > most && !has("does not count nonsense")) {
      this.close(1008, "too much nonsense");
      return;
    }
    this.wrap("InvalidMessage", { error: "what?" }, id);
  }

  hear(text: string): void {
    const message = readObject(text);
    if (this.version === 0) {
      this.#greet(message);
      return;
    }
    const { has } = this.host;
    const isCut = text.endsWith("\n") && has("a newline is no JSON");
    if (message === null || isCut || !Number.isInteger(message.id)) {
      if (!has("is silent about malformed frames")) this.nonsense(0);
      return;
    }
    this.#understand(message, text);
  }

  #greet(reply: Fields | null): void {
    const { has } = this.host;
    const { version, error, features, vm } = reply ?? {};
    const isTaken =
      (reply === null && has("takes anything for a reply")) ||
      (error !== undefined && has("does not mind an error")) ||
      (error === undefined &&
        reply !== null &&
        version === undefined &&
        has("takes no version for one")) ||
      version === 1 ||
      version === 2 ||
      (version !== undefined && has("takes a version that it did not offer"));
    const names = Array.isArray(features) ? features : [];
    const isDisliked = names.length > 1 && has("dislikes unknown features");
    if (!isTaken || isDisliked) {
      this.close(
        1002,
        `the reply is no good: ${typeof error === "string" ? error : ""}`.slice(0, 60),
      );
      return;
    }
    this.version = Number(version ?? 1);
    const wantsReports = names.includes("size-report") || has("reports without being asked to");
    this.hasReports = this.version === 2 ? wantsReports : has("reports its size on version 1");
    const isStranger = vm !== undefined && vm !== this.host.uuid;
    this.isMismatched = isStranger && !has("any monitor will do");
    if (has("ids go on after a reconnect")) this.#nextId = this.host.nextId;
    this.#checkHealth(1);
    this.#sizing = new ScriptedSizing(this);
  }

  #checkHealth(factor: number): void {
    const { has } = this.host;
    this.later(HEALTH_CHECK_MS * factor, () => {
      this.ask("HealthCheck", {}, () => {
        this.#misses += 1;
        const isDead = this.#misses >= (has("one miss and the link is dead") ? 1 : 3);
        if (isDead && !has("never takes a link for dead")) this.close(1008, "no answers");
      });
      const next = has("sends one health check only") ? 1_000 : 1;
      this.#checkHealth(has("sends health checks too often") ? 0.2 : next);
    });
  }

  #understand(message: Fields, text: string): void {
    const { has } = this.host;
    const { type, id } = message;
    if (KNOWN.some((known) => known === type)) {
      this.#hearReply(message);
      return;
    }
    if (type === "InvalidMessage" || type === "InternalError") {
      if (has("answers InvalidMessage")) this.nonsense(id);
      return;
    }
    if (type === "ScaleRequest" || type === "UpscaleRequest") {
      this.#sizing?.hear(message, text);
      return;
    }
    if (type === "NextYearsRequest") {
      if (has("is silent about an unknown type")) return;
      if (has("drops the link on an unknown type")) {
        this.#socket.terminate();
        return;
      }
    }
    this.nonsense(type === undefined && has("complains under another id") ? 0 : id);
  }

  #hearReply(message: Fields): void {
    const { has } = this.host;
    const { type, id, Ok: isAgreed } = message;
    const asked = this.#pending.get(id);
    const old = this.host.oldQuestions.get(id);
    if (type === "DownscaleResult" && typeof isAgreed !== "boolean") {
      if (!has("is silent about malformed frames")) this.nonsense(id);
      return;
    }
    if (old !== undefined && asked === undefined) {
      old();
      return;
    }
    if (this.#late.has(id)) return;
    if (asked === undefined) {
      if (type === "DownscaleResult" && has("a late consent counts")) this.#sizing?.agreeLate();
      if (has("does not know what it asked") && type === "UpscaleConfirmation") return;
      this.nonsense(id);
      return;
    }
    if (asked.type !== REPLY_TO[String(type)]) {
      if (has("dies of a reply of the wrong kind")) this.#socket.terminate();
      else this.nonsense(id);
      return;
    }
    if (has("dislikes unknown fields") && "next" in message) {
      this.nonsense(id);
      return;
    }
    this.#pending.delete(id);
    if (type === "HealthCheck") this.#misses = 0;
    if (type === "DownscaleResult") this.#sizing?.answered(message);
  }

  dropDead(): void {
    this.#socket.terminate();
  }

  #say(message: Fields): void {
    const { has } = this.host;
    let text = JSON.stringify(message);
    if (has("mem is a float")) text = text.replaceAll(/"mem":(\d+)/g, '"mem":$1.0');
    if (has("mem has an exponent")) text = text.replaceAll(/"mem":(\d+)/g, '"mem":$1e0');
    this.hasSpoken = this.version !== 0;
    this.#socket.send(text, { binary: has("frames are binary") });
  }
}

function readObject(text: string): Fields | null {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null && !Array.isArray(json)
      ? (json as Fields)
      : null;
  } catch {
    return null;
  }
}
