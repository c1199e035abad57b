import { type MonoMs } from "@selfscale/core";
import { WaitingFrames, type RawFrame } from "./waiting-frames.ts";

/** A monitor that obeys the protocol sends some twelve frames a second at its busiest. */
const FRAMES_PER_SECOND = 50;
const BURST_FRAMES = 100;
/** More than this waiting came from somebody who does not read the protocol. */
export const MAX_WAITING_FRAMES = 1_000;

/** What the gate does to the connection behind it, and what it says of it. */
export type Tap = Readonly<{
  pause: () => void;
  resume: () => void;
  flooded: () => void;
  /** A ScaleRequest came before an older one was told, and took its place. */
  coalesced: () => void;
}>;

/**
 * Lets frames through at a bounded rate. Above it the connection is read in short turns: what came
 * in one waits, of ScaleRequests only the newest, and then the next is read. A flood of levels
 * costs the agent little and leaves it with the newest; any other fills its sender's own TCP window
 * and costs its VM its voice.
 */
export class FrameGate {
  readonly #now: () => MonoMs;
  readonly #deliver: (frame: RawFrame) => void;
  readonly #tap: Tap;
  readonly #waiting = new WaitingFrames();
  #tokens = BURST_FRAMES;
  #countedAt: MonoMs;
  #timer: NodeJS.Timeout | null = null;

  constructor(now: () => MonoMs, deliver: (frame: RawFrame) => void, tap: Tap) {
    this.#now = now;
    this.#countedAt = now();
    this.#deliver = deliver;
    this.#tap = tap;
  }

  take(frame: RawFrame): void {
    if (this.#waiting.count === 0 && this.#spend()) {
      this.#deliver(frame);
    } else if (this.#waiting.add(frame)) {
      this.#tap.coalesced();
    } else if (this.#waiting.count > MAX_WAITING_FRAMES) {
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
    this.#waiting.clear();
  }

  #drain(): void {
    while (this.#waiting.count > 0 && this.#spend()) this.#deliver(this.#waiting.take());
    if (this.#waiting.count > 0) return;
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
