/** A rate with a burst: full at first, one token back every `refillEveryMs`. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #refillEveryMs: number;
  #tokens: number;
  #countedAt: number;

  constructor(options: Readonly<{ capacity: number; refillEveryMs: number; now: number }>) {
    this.#capacity = options.capacity;
    this.#refillEveryMs = options.refillEveryMs;
    this.#tokens = options.capacity;
    this.#countedAt = options.now;
  }

  /** Takes a token and says so; false when there is none. `now` is monotonic milliseconds. */
  take(now: number): boolean {
    const back = (now - this.#countedAt) / this.#refillEveryMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + back);
    this.#countedAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
