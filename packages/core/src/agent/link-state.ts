// What the agent remembers of one connection to a monitor. Data only.
import { type Size, type VersionRange } from "@selfscale/protocol";
import { type MessageBuckets } from "./message-limits.ts";
import { type MonoMs } from "./types.ts";

export type AskKind = "HealthCheck" | "UpscaleNotification" | "DownscaleRequest";
export type Pending = Readonly<{ id: number; kind: AskKind; sentAt: MonoMs }>;

/** A size named by the monitor. null per resource: not a size anybody could have. */
export type Target = Readonly<{ milliCpu: number | null; memBytes: number | null }>;

export type ScaleWish = Readonly<{
  id: number;
  target: Target;
  reason: string | null;
  /** The part of the target that is reserved. 0: none. */
  floor: Size;
  ageMs: number | null;
}>;

export type LinkDown = Readonly<{ kind: "down" }>;
export type LinkGreeting = Readonly<{
  kind: "greeting";
  link: number;
  offered: VersionRange;
  deadline: MonoMs;
  buckets: MessageBuckets;
}>;
export type LinkUp = Readonly<{
  kind: "up";
  link: number;
  version: number;
  wantsReports: boolean;
  vm: string | null;
  readyAt: MonoMs;
  lastFrameAt: MonoMs;
  nextId: number;
  nextHealthAt: MonoMs;
  misses: number;
  pending: readonly Pending[];
  /** When nonsense arrived, within the last minute. */
  nonsenseAt: readonly MonoMs[];
  /** The last ScaleRequest passed on; what the legal rate is measured against. */
  passedWish: Readonly<{ wish: ScaleWish; at: MonoMs }> | null;
  /** One that came too fast. The next one replaces it: a level, not an edge. */
  heldWish: ScaleWish | null;
  /** What of each kind it may still say. */
  buckets: MessageBuckets;
  /** When it was said last that it says too much; null: never. */
  limitSaidAt: MonoMs | null;
  /**
   * The agent stood still, and what comes now was said while it did. The answer to this question, or to a later one, comes
   * behind all of that. null: the link is as it should be.
   */
  catchUpId: number | null;
}>;
export type Link = LinkDown | LinkGreeting | LinkUp;

export const LINK_DOWN: LinkDown = { kind: "down" };
