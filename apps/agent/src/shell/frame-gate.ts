import { type MonoMs } from "@selfscale/core";

/** A monitor that obeys the protocol sends some twelve frames a second at its busiest. */
const FRAMES_PER_SECOND = 50;
const BURST_FRAMES = 100;
/** More than this waiting came from somebody who does not read the protocol. */
export const MAX_WAITING_FRAMES = 1_000;

/** What the gate does to the connection behind it. */
export type Tap = Readonly<{ pause: () => void; resume: () => void; flooded: () => void }>;

/**
 * Lets frames through at a bounded rate. Above it the connection is paused and the sender's own
 * TCP window fills: a flood costs its VM its voice, not the agent its CPU.
 */
export class FrameGate {
  readonly #now: () => MonoMs;
  readonly #deliver: (text: string | null) => void;
  readonly #tap: Tap;
  #tokens = BURST_FRAMES;
  #countedAt: MonoMs;
  #waiting: (string | null)[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(now: () => MonoMs, deliver: (text: string | null) => void, tap: Tap) {
    this.#now = now;
    this.#countedAt = now();
    this.#deliver = deliver;
    this.#tap = tap;
  }

  /** A frame; null: one that says nothing (a ping), but costs the same. */
  take(text: string | null): void {
    if (this.#waiting.length === 0 && this.#spend()) {
      this.#deliver(text);
      return;
    }
    this.#waiting.push(text);
    if (this.#waiting.length > MAX_WAITING_FRAMES) {
      this.close();
      this.#tap.flooded();
    } else if (this.#timer === null) {
      this.#tap.pause();
      this.#timer = setInterval(() => this.#drain(), 1000 / FRAMES_PER_SECOND);
    }
  }

  /** Forgets what waits. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#waiting = [];
  }

  #drain(): void {
    while (this.#waiting.length > 0 && this.#spend()) this.#deliver(this.#waiting.shift() ?? null);
    if (this.#waiting.length > 0) return;
    this.close();
    this.#tap.resume();
  }

  #spend(): boolean {
    const now = this.#now();
    const earned = ((now - this.#countedAt) * FRAMES_PER_SECOND) / 1000;
    this.#tokens = Math.min(BURST_FRAMES, this.#tokens + earned);
    this.#countedAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
