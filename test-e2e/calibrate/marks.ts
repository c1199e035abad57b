// When the guest says something on its serial console, by this machine's clock.
import { setTimeout as pause } from "node:timers/promises";
import { type Guest } from "../harness/guest.ts";

const LOOK_EVERY_MS = 2;

/** Reads the lines `mark NAME VALUE` that the guest's programs write. */
export class Marks {
  readonly #guest: Guest;
  #seen = 0;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** What was said until now is not waited for. */
  forget(): void {
    this.#seen = this.#guest.consoleLog().length;
  }

  /** Resolves with the time at which a mark of this name was seen whose value fits. */
  async await(
    name: string,
    fits: (value: number) => boolean = () => true,
    withinMs = 60_000,
  ): Promise<number> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const text = this.#guest.consoleLog();
      const now = performance.now();
      const found = [...text.slice(this.#seen).matchAll(/^mark (\w+) (\d+)\n/gm)].find(
        (mark) => mark[1] === name && fits(Number(mark[2])),
      );
      if (found !== undefined) {
        this.#seen += found.index + found[0].length;
        return now;
      }
      if (now > deadline) throw new Error(`not within ${withinMs} ms: mark ${name}`);
      await pause(LOOK_EVERY_MS);
    }
  }
}
