// Invariant 8: whatever a guest does, the agent remembers little of it and does little for it. Looked at now and then.
import { type Seat } from "../seat.ts";
import { Broken } from "./broken.ts";

/** What a machine remembers, as JSON. An honest VM's is about 3 kB. */
const MOST_STATE_CHARS = 32 * 1024;
/** The shell lets 50 frames in per second; each is answered at most once. */
const MOST_FRAMES_PER_SEC = 60;
/** A wish may be raised ten times a second, and a driver may have to be woken up for each. */
const MOST_TOLD_PER_SEC = 22;

export class WorkWatch {
  static readonly EVERY_MS = 20_000;
  readonly #seats: readonly Seat[];
  #before: readonly { told: number; frames: number }[];

  constructor(seats: readonly Seat[]) {
    this.#seats = seats;
    this.#before = seats.map(({ tally }) => ({ ...tally }));
  }

  judge(stateSize: (vm: number) => number): void {
    const seconds = WorkWatch.EVERY_MS / 1000;
    for (const { index, tally, monitor } of this.#seats) {
      const before = this.#before[index];
      const frames = tally.frames - (before?.frames ?? 0);
      const told = tally.told - (before?.told ?? 0);
      hold(frames <= MOST_FRAMES_PER_SEC * seconds, index, `${frames} frames in ${seconds} s`);
      hold(told <= MOST_TOLD_PER_SEC * seconds, index, `${told} sizes told in ${seconds} s`);
      const chars = stateSize(index);
      hold(chars <= MOST_STATE_CHARS, index, `the agent remembers ${chars} characters`);
      const remembered = monitor?.stateSize ?? 0;
      hold(
        remembered <= 4 * MOST_STATE_CHARS,
        index,
        `the monitor remembers ${remembered} characters`,
      );
    }
    this.#before = this.#seats.map(({ tally }) => ({ ...tally }));
  }
}

function hold(truth: boolean, vm: number, what: string): void {
  if (!truth) throw new Broken(8, vm, what);
}
