// What an agent says of the size: regularly, and never a shrink that was not agreed to.
import { HEALTH_CHECK_EVERY_MS, SIZE_REPORT_EVERY_MS, type FromAgent } from "@selfscale/protocol";
import { brief, type Agreed, type Heard, type Talk } from "./talk.ts";

type Report = (FromAgent & { type: "SizeReport" })["content"];

/** Two per second, and two that a busy network or guest brings together. */
const RATE_WINDOW_MS = 3_000;
const MAX_REPORTS_IN_WINDOW = 8;

export class SizeRules {
  readonly #slackMs: number;
  #healthAtMs: number | null = null;
  #isHealthTold = false;
  #reportAtMs: number | null = null;
  #isReportTold = false;
  #recent: readonly number[] = [];
  #hasSpoken = false;
  readonly #asked = new Map<number, number>();
  #memBytes: number | null = null;
  /** Memory may fall this low. The first report's `requested`: the guest may be finishing an older shrink. */
  #agreedBytes = Infinity;

  constructor(slackMs: number) {
    this.#slackMs = slackMs;
  }

  hear(heard: Heard, talk: Talk, agreed: Agreed): void {
    this.overdue(heard.atMs, talk, agreed);
    const { agent, monitor } = heard;
    if (monitor?.type === "DownscaleResult" && monitor.Ok) this.#agree(monitor.id);
    if (agent === null) return;
    switch (agent.type) {
      case "HealthCheck":
        this.#healthAtMs = heard.atMs;
        if (!this.#isHealthTold) talk.judge("agent/health-check", heard.atMs, true, "");
        this.#isHealthTold = false;
        break;
      case "DownscaleRequest":
        this.#asked.set(agent.id, agent.content.target.mem);
        break;
      case "UpscaleNotification":
        this.#size(agent.content.granted.mem, heard, talk);
        break;
      case "SizeReport":
        this.#report(agent.content, heard, talk);
        break;
      default:
        break;
    }
    this.#first(heard, talk, agreed);
  }

  /** What should have been said by now, and was not: told once. */
  overdue(atMs: number, talk: Talk, agreed: Agreed): void {
    const healthDueAtMs = (this.#healthAtMs ?? agreed.atMs) + HEALTH_CHECK_EVERY_MS;
    if (!this.#isHealthTold && atMs > healthDueAtMs + this.#slackMs) {
      this.#isHealthTold = true;
      talk.judge("agent/health-check", healthDueAtMs, false, sayLate(atMs - healthDueAtMs));
    }
    if (!isReporting(agreed) || this.#isReportTold) return;
    const reportDueAtMs = (this.#reportAtMs ?? agreed.atMs) + SIZE_REPORT_EVERY_MS;
    if (atMs <= reportDueAtMs + this.#slackMs) return;
    this.#isReportTold = true;
    talk.judge("agent/report-every", reportDueAtMs, false, sayLate(atMs - reportDueAtMs));
  }

  #first({ agent, atMs, text }: Heard, talk: Talk, agreed: Agreed): void {
    if (this.#hasSpoken || agent === null) return;
    if (agent.type === "InvalidMessage" || agent.type === "InternalError") return; // an answer can't wait
    this.#hasSpoken = true;
    if (isReporting(agreed))
      talk.judge("agent/report-first", atMs, agent.type === "SizeReport", brief(text));
  }

  #report(content: Report, heard: Heard, talk: Talk): void {
    const { atMs } = heard;
    if (this.#reportAtMs === null)
      this.#agreedBytes = Math.min(this.#agreedBytes, content.requested.mem);
    else if (!this.#isReportTold) talk.judge("agent/report-every", atMs, true, "");
    this.#reportAtMs = atMs;
    this.#isReportTold = false;
    this.#recent = [...this.#recent.filter((one) => one > atMs - RATE_WINDOW_MS), atMs];
    const isSlowEnough = this.#recent.length <= MAX_REPORTS_IN_WINDOW;
    talk.judge(
      "agent/report-rate",
      atMs,
      isSlowEnough,
      `${this.#recent.length} in ${RATE_WINDOW_MS / 1000} s`,
    );
    this.#size(content.actual.mem, heard, talk);
  }

  /** A rise ends what was agreed to: a consent is void on growth. */
  #size(memBytes: number, { atMs, text }: Heard, talk: Talk): void {
    const before = this.#memBytes;
    this.#memBytes = memBytes;
    if (before === null || memBytes === before) return;
    if (memBytes > before) this.#agreedBytes = Infinity;
    else
      talk.judge(
        "agent/asks-first",
        atMs,
        memBytes >= this.#agreedBytes,
        `memory fell: ${brief(text)}`,
      );
  }

  #agree(id: number): void {
    const targetBytes = this.#asked.get(id);
    this.#asked.delete(id);
    if (targetBytes === undefined) return;
    this.#agreedBytes = Math.min(this.#agreedBytes, targetBytes);
  }
}

function isReporting({ version, features }: Agreed): boolean {
  return version >= 2 && features.includes("size-report");
}

function sayLate(ms: number): string {
  return `nothing for ${Math.round(ms)} ms after it was due`;
}
