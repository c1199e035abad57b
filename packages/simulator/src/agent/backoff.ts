// Pauses between attempts: doubling, spread a little. As the agent's shell does.
import {
  RECONNECT_JITTER_RATIO,
  RECONNECT_MAX_MS,
  RECONNECT_MIN_MS,
  RECONNECT_RESET_AFTER_MS,
} from "@selfscale/protocol";
import { type Random } from "../random.ts";

export class Backoff {
  readonly #random: Random;
  #nextMs = RECONNECT_MIN_MS;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): number {
    const spread = 1 + RECONNECT_JITTER_RATIO * (2 * this.#random.next() - 1);
    const pauseMs = this.#nextMs * spread;
    this.#nextMs = Math.min(RECONNECT_MAX_MS, this.#nextMs * 2);
    return Math.round(pauseMs);
  }

  /** A connection that lived long enough begins with the shortest pause again. */
  lived(ms: number): void {
    if (ms >= RECONNECT_RESET_AFTER_MS) this.#nextMs = RECONNECT_MIN_MS;
  }
}
