// How a monitor asks for its size: soon enough, often enough, not too often.
import {
  FIRST_LEVEL_AFTER_HANDSHAKE_MS,
  FIRST_LEVEL_WITHIN_MS,
  SCALE_RESEND_MAX_MS,
  SCALE_RESEND_MET_MS,
  UPSCALE_REQUEST_GRACE_MS,
  type FromAgent,
} from "@selfscale/protocol";
import { brief, type Agreed, type Heard, type Talk } from "./talk.ts";

type Report = (FromAgent & { type: "SizeReport" })["content"];
type Target = Readonly<{ cpu: number; mem: number }>;

/** Frames that left in time may arrive closer together than they were sent. */
const JITTER_SHARE = 0.7;
const SECOND_MS = 1_000;
/** One per 100 ms, and two for jitter. */
const MAX_UPWARD_PER_SECOND = 12;

export class LevelRules {
  readonly #slackMs: number;
  #stated: Readonly<{ target: Target; atMs: number }> | null = null;
  #recent: readonly number[] = [];
  #upscaleAtMs = -Infinity;
  #report: Report | null = null;
  /** Since when what is asked for is more than there is; null: it is not. */
  #belowSinceMs: number | null = null;
  #isTold = false;

  constructor(slackMs: number) {
    this.#slackMs = slackMs;
  }

  hear(heard: Heard, talk: Talk, agreed: Agreed): void {
    this.overdue(heard.atMs, talk, agreed);
    if (heard.agent?.type === "SizeReport") {
      this.#report = heard.agent.content;
      this.#compare(heard.atMs);
    }
    if (heard.monitor?.type === "UpscaleRequest") this.#upscale(heard, talk, agreed);
    if (heard.monitor?.type === "ScaleRequest" && agreed.version >= 2) {
      this.#scale(heard, heard.monitor.target, talk);
    }
  }

  /** What should have been said by now, and was not: told once. */
  overdue(atMs: number, talk: Talk, agreed: Agreed): void {
    if (this.#isTold || agreed.version < 2) return;
    const rule = this.#stated === null ? "monitor/level" : "monitor/resent";
    const dueAtMs =
      this.#stated === null ? firstDue(talk, agreed) : this.#nextDue(this.#stated.atMs);
    if (atMs <= dueAtMs + this.#slackMs) return;
    this.#isTold = true;
    talk.judge(
      rule,
      dueAtMs,
      false,
      `nothing for ${Math.round(atMs - dueAtMs)} ms after it was due`,
    );
  }

  #nextDue(statedAtMs: number): number {
    if (this.#belowSinceMs === null) return statedAtMs + SCALE_RESEND_MET_MS;
    return Math.max(statedAtMs, this.#belowSinceMs) + SCALE_RESEND_MAX_MS;
  }

  #upscale({ atMs, text }: Heard, talk: Talk, agreed: Agreed): void {
    const isEarly =
      talk.agentSpokeAtMs === null && atMs < agreed.atMs + UPSCALE_REQUEST_GRACE_MS * JITTER_SHARE;
    talk.judge("monitor/early", atMs, !isEarly, brief(text));
    const gapMs = atMs - this.#upscaleAtMs;
    talk.judge(
      "monitor/upscale-rate",
      atMs,
      gapMs >= SECOND_MS * JITTER_SHARE,
      `the last was ${Math.round(gapMs)} ms ago`,
    );
    this.#upscaleAtMs = atMs;
  }

  #scale({ atMs, text }: Heard, target: Target, talk: Talk): void {
    const before = this.#stated;
    // It came: late ones were told when they were overdue.
    if (!this.#isTold)
      talk.judge(before === null ? "monitor/level" : "monitor/resent", atMs, true, "");
    if (before !== null) {
      const isUpward = target.cpu > before.target.cpu || target.mem > before.target.mem;
      this.#recent = [...this.#recent.filter((one) => one > atMs - SECOND_MS), atMs];
      const isSlowEnough = isUpward
        ? this.#recent.length <= MAX_UPWARD_PER_SECOND
        : atMs - before.atMs >= SECOND_MS * JITTER_SHARE;
      talk.judge("monitor/scale-rate", atMs, isSlowEnough, brief(text));
    }
    this.#stated = { target, atMs };
    this.#isTold = false;
    this.#compare(atMs);
  }

  /** Below by a whole cell, so that rounding is no shortage; beyond the bounds nothing can be had. */
  #compare(atMs: number): void {
    const target = this.#stated?.target;
    if (this.#report === null || target === undefined) return;
    const { actual, bounds, step } = this.#report;
    const isBelow = (["cpu", "mem"] as const).some(
      (resource) =>
        Math.min(target[resource], bounds.max[resource]) - actual[resource] >= step[resource],
    );
    this.#belowSinceMs = isBelow ? (this.#belowSinceMs ?? atMs) : null;
  }
}

function firstDue(talk: Talk, agreed: Agreed): number {
  const afterHandshake = agreed.atMs + FIRST_LEVEL_AFTER_HANDSHAKE_MS;
  if (talk.agentSpokeAtMs === null) return afterHandshake;
  return Math.min(afterHandshake, talk.agentSpokeAtMs + FIRST_LEVEL_WITHIN_MS);
}
