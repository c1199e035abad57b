// What a file cache that counts its pages would tell: the working set of the last 1, 2, … 60 minutes, from a record of
// what the working set truly was. Over a longer window it is the largest there was: pages of then are counted too.
import { TICK_SEC } from "../workload.ts";

const MINUTES = 60;
const SLICES_PER_MINUTE = 4;
const SLICES = MINUTES * SLICES_PER_MINUTE;
const SLICE_TICKS = 60 / SLICES_PER_MINUTE / TICK_SEC;

export class WorkingSetRecord {
  /** The most of each quarter of a minute, a ring; `#now` is the one that is being written. */
  readonly #slices = new Float64Array(SLICES);
  readonly #minutes: number[] = new Array<number>(MINUTES).fill(0);
  #now = 0;
  #ticks = 0;

  /** Once a tick. */
  note(value: number): void {
    if (this.#ticks === SLICE_TICKS) {
      this.#now = this.#now + 1 === SLICES ? 0 : this.#now + 1;
      this.#slices[this.#now] = 0;
      this.#ticks = 0;
    }
    this.#ticks += 1;
    if (value > (this.#slices[this.#now] ?? 0)) this.#slices[this.#now] = value;
  }

  /** The series as the metrics have it, each value times `factor`. The same array at every call. */
  minutes(factor: number): readonly number[] {
    let most = 0;
    let slice = this.#now;
    for (let minute = 0; minute < MINUTES; minute += 1) {
      for (let i = 0; i < SLICES_PER_MINUTE; i += 1) {
        const value = this.#slices[slice] ?? 0;
        if (value > most) most = value;
        slice = slice === 0 ? SLICES - 1 : slice - 1;
      }
      this.#minutes[minute] = most * factor;
    }
    return this.#minutes;
  }
}
