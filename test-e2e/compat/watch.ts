// The least memory that a VM had, by QMP on the test's own socket: a shrink that was wrong is seen although it was undone.
import { setTimeout as pause } from "node:timers/promises";
import { type Truth } from "../harness/truth.ts";

/** A slice takes a guest about 0.2 s. */
const LOOK_EVERY_MS = 20;

export class Watch {
  readonly #truth: Truth;
  readonly #ended: Promise<void>;
  #isOver = false;
  #leastBytes = Infinity;

  /** Looks until it is stopped. */
  constructor(truth: Truth) {
    this.#truth = truth;
    this.#ended = this.#look();
  }

  get leastBytes(): number {
    return this.#leastBytes;
  }

  /** Throws what went wrong while it looked. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
  }

  async #look(): Promise<void> {
    while (!this.#isOver) {
      this.#leastBytes = Math.min(this.#leastBytes, (await this.#truth.size()).memBytes);
      await pause(LOOK_EVERY_MS);
    }
  }
}
