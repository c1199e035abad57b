import { type MonoMs, type VmEvent } from "@selfscale/core";

/** A timer may fire this much early or be set for the past; either way others get their turn. */
const SHORTEST_WAIT_MS = 1;

/** Its loop, waiting for something to happen. */
type Reader = Readonly<{ deadline: MonoMs | null; wake: () => void }>;

/** One VM's events in the order they came. Its loop is the only reader. */
export class Mailbox {
  readonly #now: () => MonoMs;
  #events: VmEvent[] = [];
  #reader: Reader | null = null;
  /** Outlives the wait that set it: a loop waits after every event, and most deadlines only move away. */
  #timer: NodeJS.Timeout | null = null;
  #timerAt: MonoMs = Infinity;
  /** The one that is listened to. */
  #signal: AbortSignal | null = null;
  readonly #onAbort = () => {
    this.#disarm();
    this.#wake();
  };

  constructor(now: () => MonoMs) {
    this.#now = now;
  }

  push(event: VmEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  /** The next event, or a tick once `deadline` has passed. Rejects only when `signal` aborts. */
  async next(deadline: MonoMs | null, signal: AbortSignal): Promise<VmEvent> {
    if (this.#events.length === 0) await this.#arrival(deadline, signal);
    signal.throwIfAborted();
    return this.#events.shift() ?? { kind: "tick" };
  }

  /** Nobody reads any more. Leaves no timer and no listener behind. */
  close(): void {
    this.#disarm();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#signal = null;
  }

  #arrival(deadline: MonoMs | null, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    this.#listen(signal);
    return new Promise((resolve) => {
      this.#reader = { deadline, wake: resolve };
      this.#arm(deadline);
    });
  }

  #wake(): void {
    const reader = this.#reader;
    this.#reader = null;
    reader?.wake();
  }

  #listen(signal: AbortSignal): void {
    if (signal === this.#signal) return;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** At least one timer is set that fires no later than `deadline`. */
  #arm(deadline: MonoMs | null): void {
    if (deadline === null || this.#timerAt <= deadline) return;
    this.#disarm();
    const waitMs = Math.max(SHORTEST_WAIT_MS, Math.ceil(deadline - this.#now()));
    this.#timerAt = deadline;
    this.#timer = setTimeout(() => this.#fired(deadline), waitMs);
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerAt = Infinity;
  }

  #fired(at: MonoMs): void {
    this.#disarm();
    const reader = this.#reader;
    if (reader === null || reader.deadline === null) return;
    // The wait that it was set for is over; who waits now may wait longer.
    if (reader.deadline <= at) this.#wake();
    else this.#arm(reader.deadline);
  }
}
