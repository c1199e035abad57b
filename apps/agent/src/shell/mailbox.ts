import { type MonoMs, type VmEvent } from "@selfscale/core";

/** A timer may fire this much early or be set for the past; either way others get their turn. */
const SHORTEST_WAIT_MS = 1;

/** One VM's events in the order they came. Its loop is the only reader. */
export class Mailbox {
  readonly #now: () => MonoMs;
  #events: VmEvent[] = [];
  #wake: (() => void) | null = null;

  constructor(now: () => MonoMs) {
    this.#now = now;
  }

  push(event: VmEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  /** The next event, or a tick once `deadline` has passed. Rejects only when `signal` aborts. */
  async next(deadline: MonoMs | null, signal: AbortSignal): Promise<VmEvent> {
    if (this.#events.length === 0) await this.#arrival(deadline, signal);
    signal.throwIfAborted();
    return this.#events.shift() ?? { kind: "tick" };
  }

  #arrival(deadline: MonoMs | null, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#wake = null;
        resolve();
      };
      const waitMs = deadline === null ? null : Math.ceil(deadline - this.#now());
      const timer =
        waitMs === null ? undefined : setTimeout(done, Math.max(SHORTEST_WAIT_MS, waitMs));
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
    });
  }
}
