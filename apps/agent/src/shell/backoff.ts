import { RECONNECT_JITTER_RATIO } from "@selfscale/protocol";

export type BackoffLimits = Readonly<{ minMs: number; maxMs: number }>;

/** Pauses between attempts: doubling, spread a little so that a fleet does not return in step. */
export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: () => number;
  #nextMs: number;

  constructor(limits: BackoffLimits, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
    this.#nextMs = limits.minMs;
  }

  /** How long to wait now. The next answer is twice that, up to the longest. */
  next(): number {
    const spread = 1 + RECONNECT_JITTER_RATIO * (2 * this.#random() - 1);
    const pauseMs = this.#nextMs * spread;
    this.#nextMs = Math.min(this.#limits.maxMs, this.#nextMs * 2);
    return pauseMs;
  }

  reset(): void {
    this.#nextMs = this.#limits.minMs;
  }
}
