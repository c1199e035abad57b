import { type MonoMs } from "@selfscale/core";

const LOOK_EVERY_MS = 500;
/** How long a late moment is remembered. */
const REMEMBERED = 20;

/** Notices how late a timer fires. */
export class LoopLag {
  readonly #now: () => MonoMs;
  readonly #onLag: (ms: number) => void;
  #lags: number[] = [];
  #dueAt: MonoMs = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(now: () => MonoMs, onLag: (ms: number) => void) {
    this.#now = now;
    this.#onLag = onLag;
  }

  start(): void {
    this.#dueAt = this.#now() + LOOK_EVERY_MS;
    this.#timer = setTimeout(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Of the last ten seconds, the present moment included: who asks may be answered before the timer is. */
  get worstMs(): number {
    return Math.max(0, this.#now() - this.#dueAt, ...this.#lags);
  }

  #look(): void {
    const lagMs = Math.max(0, this.#now() - this.#dueAt);
    this.#lags.push(lagMs);
    if (this.#lags.length > REMEMBERED) this.#lags.shift();
    this.#onLag(lagMs);
    this.start();
  }
}
