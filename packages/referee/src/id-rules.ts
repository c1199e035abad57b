// Whose ids are whose, and which answer belongs to which request.
import { REQUEST_TIMEOUT_MS } from "@selfscale/protocol";
import { ruleOf } from "./form-rules.ts";
import { type Side } from "./rules.ts";
import { brief, type Agreed, type Heard, type Talk } from "./talk.ts";

/** What each reply answers. */
const ANSWERS: Readonly<Record<string, string>> = {
  HealthCheck: "HealthCheck",
  UpscaleConfirmation: "UpscaleNotification",
  DownscaleResult: "DownscaleRequest",
  ScaleResponse: "ScaleRequest",
};
const AGENT_REQUESTS: ReadonlySet<string> = new Set([
  "HealthCheck",
  "UpscaleNotification",
  "DownscaleRequest",
]);
/** Messages whose sender mints an id of its own. */
const MINTED: Readonly<Record<Side, ReadonlySet<string>>> = {
  agent: new Set([...AGENT_REQUESTS, "SizeReport"]),
  monitor: new Set(["UpscaleRequest", "ScaleRequest"]),
};
const COMPLAINTS: ReadonlySet<string> = new Set(["InvalidMessage", "InternalError"]);
/** Ids of replies are kept for this many frames: enough for any late answer. */
const KEPT_IDS = 10_000;

type Request = Readonly<{ type: string; atMs: number; isAnswered: boolean }>;

/** One connection's ids. `slackMs`: how late an answer may be seen. */
export class IdRules {
  readonly #slackMs: number;
  readonly #lastId: Record<Side, number> = { agent: 0, monitor: 0 };
  /** Requests of the agent, and ScaleRequests of the monitor, by id. */
  readonly #requests: Record<Side, Map<number, Request>> = { agent: new Map(), monitor: new Map() };
  /** Ids that a side has used in something other than a complaint. */
  readonly #used: Record<Side, Set<number>> = { agent: new Set(), monitor: new Set() };
  readonly #complainedOf: Record<Side, Set<number>> = { agent: new Set(), monitor: new Set() };
  #isProbeRefused = false;

  constructor(slackMs: number) {
    this.#slackMs = slackMs;
  }

  hear(heard: Heard, talk: Talk, agreed: Agreed): void {
    const { from, atMs } = heard;
    const message = heard.agent ?? heard.monitor;
    this.#overdue(atMs, talk);
    if (message === null) {
      // Nonsense may hold any id, or none: what answers it can't be told from what answers a complaint.
      const id = heard.json?.id;
      this.#used[from].add(typeof id === "number" ? id : 0);
      return;
    }
    const { type, id } = message;
    if (COMPLAINTS.has(type)) {
      this.#complain(heard, talk, id);
      return;
    }
    this.#used[from].add(id);
    if (MINTED[from].has(type)) this.#mint(heard, talk, type, id);
    else this.#answer(heard, talk, type, id);
    if (type === "ScaleRequest" && agreed.version === 1) {
      talk.judge(
        "monitor/negotiated",
        atMs,
        !this.#isProbeRefused,
        "ScaleRequest, which the agent does not know",
      );
    }
    this.#forget();
  }

  /** Requests that should have been answered by now. */
  end(atMs: number, talk: Talk): void {
    this.#overdue(atMs, talk);
  }

  #mint({ from, text, atMs }: Heard, talk: Talk, type: string, id: number): void {
    const isOwn = id % 2 === (from === "agent" ? 0 : 1);
    const isRising = id > this.#lastId[from];
    talk.judge(ruleOf(from, "ids"), atMs, isOwn && isRising, brief(text));
    this.#lastId[from] = Math.max(id, this.#lastId[from]);
    const isAsked = from === "agent" ? AGENT_REQUESTS.has(type) : type === "ScaleRequest";
    if (!isAsked) return;
    if (type === "DownscaleRequest") this.#oneQuestion(talk, atMs, text);
    this.#requests[from].set(id, { type, atMs, isAnswered: false });
  }

  /** Asked again while the last one is open: two consents could add up. */
  #oneQuestion(talk: Talk, atMs: number, text: string): void {
    const open = [...this.#requests.agent.values()].filter(
      (request) => request.type === "DownscaleRequest" && !request.isAnswered,
    );
    const isFree = open.every(
      (request) => atMs - request.atMs >= REQUEST_TIMEOUT_MS - this.#slackMs,
    );
    talk.judge("agent/one-question", atMs, isFree, brief(text));
  }

  #answer({ from, text, atMs }: Heard, talk: Talk, type: string, id: number): void {
    const other = from === "agent" ? "monitor" : "agent";
    const request = this.#requests[other].get(id);
    const isRight = request !== undefined && request.type === ANSWERS[type] && !request.isAnswered;
    talk.judge(ruleOf(from, "one-answer"), atMs, isRight, brief(text));
    if (request === undefined) return;
    if (from === "monitor" && isRight) talk.judge("monitor/in-time", atMs, true, "");
    this.#requests[other].set(id, { ...request, isAnswered: true });
  }

  #complain({ from, text, atMs }: Heard, talk: Talk, id: number): void {
    const other = from === "agent" ? "monitor" : "agent";
    const isAboutComplaint = this.#complainedOf[other].has(id) && !this.#used[other].has(id);
    talk.judge(ruleOf(from, "complaints"), atMs, !isAboutComplaint, brief(text));
    this.#complainedOf[from].add(id);
    const request = this.#requests[other].get(id);
    if (request === undefined) return;
    this.#requests[other].set(id, { ...request, isAnswered: true });
    if (from === "agent" && request.type === "ScaleRequest") this.#isProbeRefused = true;
  }

  #overdue(atMs: number, talk: Talk): void {
    for (const [id, request] of this.#requests.agent) {
      if (request.isAnswered || atMs - request.atMs < REQUEST_TIMEOUT_MS + this.#slackMs) continue;
      talk.judge("monitor/in-time", request.atMs, false, `no answer to ${request.type} ${id}`);
      this.#requests.agent.set(id, { ...request, isAnswered: true });
    }
  }

  #forget(): void {
    for (const side of ["agent", "monitor"] as const) {
      for (const set of [this.#used[side], this.#complainedOf[side]]) trim(set);
      trim(this.#requests[side]);
    }
  }
}

function trim(kept: Set<number> | Map<number, unknown>): void {
  for (const id of kept.keys()) {
    if (kept.size <= KEPT_IDS) return;
    kept.delete(id);
  }
}
