// Virtual time: what is to happen, in order. Two things at one instant happen in the order in which they were planned.

type Planned = Readonly<{ at: number; order: number; run: () => void }>;

/** More than this at one instant is a machine that wakes itself for ever. */
const MOST_AT_ONCE = 20_000;

export class Clock {
  /** Milliseconds; whole numbers. */
  now: number;
  /** Everything that has happened. */
  events = 0;
  #heap: Planned[] = [];
  #order = 0;
  #atOnce = 0;

  constructor(start: number) {
    this.now = start;
  }

  /** Never in the past: what is late happens now. */
  at(time: number, run: () => void): void {
    const at = Math.max(this.now, Math.ceil(time));
    const planned: Planned = { at, order: (this.#order += 1), run };
    const heap = this.#heap;
    let index = heap.length;
    heap.push(planned);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, planned)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = planned;
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  /** Everything up to and at `end`, then it is `end`. */
  runUntil(end: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#removeFirst();
      if (next.at > this.now) this.#atOnce = 0;
      this.#atOnce += 1;
      if (this.#atOnce > MOST_AT_ONCE) throw new Error("the world answers itself for ever");
      this.now = next.at;
      this.events += 1;
      next.run();
    }
    this.now = Math.max(this.now, end);
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const left = heap[child];
      if (left === undefined) break;
      let least = left;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, left)) {
        child += 1;
        least = right;
      }
      if (isBefore(last, least)) break;
      heap[index] = least;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
