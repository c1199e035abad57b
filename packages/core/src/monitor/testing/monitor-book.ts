// What a watcher beside the monitor's machine writes down of a connection, and what it then allows the machine to say and
// do. It reads frames, samples and actions; it never looks into the machine.
import {
  decodeFromAgent,
  decodeFromMonitor,
  isSpoken,
  type FromAgent,
  type FromMonitor,
} from "@selfscale/protocol";
import { type MonitorAction, type MonitorEvent } from "../types.ts";

const FIRST_WORD_MS = 1_000;
const UPSCALE_EVERY_MS = 1_000;
const SCALE_EVERY_MS = 100;
const PROBE_MS = 2_000;
const MINUTE_MS = 60_000;
const MAX_NONSENSE = 20;

/** What has to be answered to one frame; null: it has no answer. */
export type Due = Readonly<{ type: FromMonitor["type"]; id: number }> | "close" | null;

type Connection = {
  readonly link: number;
  readonly version: number;
  readonly openedAt: number;
  hasHeard: boolean;
  lastId: number;
  upscaleAt: number;
  scaleAt: number;
  /** Ids of what the monitor asked. */
  readonly asked: number[];
  /** When a version-1 agent was tried with a ScaleRequest; it may complain. */
  probe: { id: number; at: number; isRefused: boolean } | null;
  readonly nonsenseAt: number[];
  /** Cores that the guest agreed to use no more than. */
  readonly agreedCpus: number[];
  /** DownscaleRequests under way, by id. */
  readonly shrinks: Map<number, number>;
};

export class BookProblem extends Error {
  override readonly name = "BookProblem";
}

export function hold(truth: boolean, what: string): asserts truth {
  if (!truth) throw new BookProblem(what);
}

export class MonitorBook {
  /** Why the machine closed the last link; null when it did not. */
  closeReason: string | null = null;
  readonly #isProbing: boolean;
  #connection: Connection | null = null;
  #onlineCpus = Infinity;
  /** What was answered since the last frame. */
  #replies: { type: FromMonitor["type"]; id: number }[] = [];

  constructor(isProbing: boolean) {
    this.#isProbing = isProbing;
  }

  get isOpen(): boolean {
    return this.#connection !== null;
  }

  opened(link: number, version: number, now: number): void {
    this.#replaced = this.#connection?.link ?? null;
    this.closeReason = null;
    this.#connection = {
      link,
      version,
      openedAt: now,
      hasHeard: false,
      lastId: 1,
      upscaleAt: -Infinity,
      scaleAt: -Infinity,
      asked: [],
      probe: null,
      nonsenseAt: [],
      agreedCpus: [],
      shrinks: new Map(),
    };
  }

  closed(): void {
    this.#connection = null;
  }

  sampled(event: MonitorEvent): void {
    if (event.kind === "cpu-sampled") this.#onlineCpus = event.sample.onlineCount;
  }

  askedId(isNewest: boolean): number | undefined {
    return isNewest ? this.#connection?.asked.at(-1) : this.#connection?.asked[0];
  }

  /** A frame for the monitor, before it gets it. */
  hear(text: string, now: number): Due {
    this.#replies = [];
    const connection = this.#connection;
    if (connection === null) return null;
    connection.hasHeard = true;
    const decoded = decodeFromAgent(text);
    if (!decoded.ok) return this.#nonsense(connection, decoded.id ?? 0, now);
    const { message } = decoded;
    const isKnown = isSpoken(message.type, connection.version) || this.#mayKnowMore(connection);
    if (!isKnown) return this.#nonsense(connection, message.id, now);
    return this.#understand(connection, message, now);
  }

  /** What was due has come, once; and nothing else was answered. */
  settle(due: Due): void {
    if (due === "close") {
      hold(this.#connection === null, "too much nonsense ends the link");
      return;
    }
    const wanted = JSON.stringify(due === null ? [] : [due]);
    const came = JSON.stringify(this.#replies);
    hold(came === wanted, `answered ${came}, expected ${wanted}`);
  }

  act(action: MonitorAction, now: number): void {
    switch (action.kind) {
      case "send-frame":
        this.#said(action.link, action.text, now);
        return;
      case "close-link":
        this.#hungUp(action.link, action.reason);
        return;
      case "set-online-cpus": {
        const isLess = action.count < this.#onlineCpus;
        const agreed = this.#connection?.agreedCpus.some((cpus) => cpus <= action.count) === true;
        hold(!isLess || agreed, `${action.count} CPUs of ${this.#onlineCpus}: nobody asked for it`);
        return;
      }
      case "set-file-cache":
      case "online-memory":
      case "reservation-changed":
      case "decide":
      case "explain":
        return;
      default:
        return action satisfies never;
    }
  }

  #replaced: number | null = null;

  #hungUp(link: number, reason: string): void {
    hold(reason !== "" && reason.length <= 122, "a close has a reason that fits");
    if (link === this.#replaced) {
      this.#replaced = null; // the old one, when a new one came
      return;
    }
    hold(link === this.#connection?.link, "only the open link is closed");
    this.#connection = null;
    this.closeReason = reason;
  }

  /** Once it was tried, a version-1 agent may turn out to know version 2 unannounced. */
  #mayKnowMore(connection: Connection): boolean {
    return connection.probe !== null;
  }

  #nonsense(connection: Connection, id: number, now: number): Due {
    connection.nonsenseAt.push(now);
    const recent = connection.nonsenseAt.filter((at) => at > now - MINUTE_MS);
    return recent.length > MAX_NONSENSE ? "close" : { type: "InvalidMessage", id };
  }

  #understand(connection: Connection, message: FromAgent, now: number): Due {
    const { id, type } = message;
    switch (type) {
      case "HealthCheck":
        return { type: "HealthCheck", id };
      case "UpscaleNotification":
        return { type: "UpscaleConfirmation", id };
      case "DownscaleRequest":
        connection.shrinks.set(id, Math.max(1, Math.ceil(message.content.target.cpu - 1e-9)));
        return { type: "DownscaleResult", id };
      case "InvalidMessage":
        if (connection.probe?.id === id && now < connection.probe.at + PROBE_MS) {
          connection.probe.isRefused = true;
        }
        return null;
      case "InternalError":
      case "ScaleResponse":
      case "SizeReport":
        return null;
      default:
        return type satisfies never;
    }
  }

  #said(link: number, text: string, now: number): void {
    const connection = this.#connection;
    hold(link === connection?.link, "only the open link is spoken on");
    const decoded = decodeFromMonitor(text);
    hold(decoded.ok, `the monitor's own frame decodes: ${text.slice(0, 200)}`);
    const { message } = decoded;
    if (message.type === "ScaleRequest" || message.type === "UpscaleRequest") {
      this.#asked(connection, message.type, message.id, now);
      return;
    }
    hold(message.type !== "InternalError", "the monitor never fails");
    this.#replies.push({ type: message.type, id: message.id });
    if (message.type !== "DownscaleResult") return;
    const isOld = connection.version < 2;
    hold(!(isOld && ("lowest" in message || "reason" in message)), "version 1 has no such fields");
    const cpus = connection.shrinks.get(message.id);
    if (message.Ok && cpus !== undefined) connection.agreedCpus.push(cpus);
  }

  #asked(
    connection: Connection,
    type: "ScaleRequest" | "UpscaleRequest",
    id: number,
    now: number,
  ): void {
    hold(id % 2 === 1 && id > connection.lastId, `id ${id} is odd and new`);
    const mayBegin = connection.hasHeard || now >= connection.openedAt + FIRST_WORD_MS;
    hold(mayBegin, "nothing is asked before the agent's first frame, or a second");
    connection.lastId = id;
    connection.asked.push(id);
    if (type === "UpscaleRequest") {
      hold(now - connection.upscaleAt >= UPSCALE_EVERY_MS, "an UpscaleRequest a second");
      connection.upscaleAt = now;
      return;
    }
    hold(now - connection.scaleAt >= SCALE_EVERY_MS, "ten ScaleRequests a second");
    connection.scaleAt = now;
    if (connection.version >= 2) return;
    const { probe } = connection;
    hold(this.#isProbing, "a version-1 agent is not asked for what it lacks");
    hold(probe?.isRefused !== true, "a version-1 agent that complained is not tried again");
    hold(probe === null || now >= probe.at + PROBE_MS, "one try, then its answer is waited for");
    connection.probe ??= { id, at: now, isRefused: false };
  }
}
