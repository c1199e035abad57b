// Sliding windows over the last so many values, for deciders that are called four times a second for simulated weeks:
// everything is allocated once, and a value costs the same however long the window is.

/** The mean of the last `capacity` values; of those there are while it fills. */
export class MeanWindow {
  readonly #values: Float64Array;
  #count = 0;
  #next = 0;
  #sum = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  add(value: number): void {
    const values = this.#values;
    const { length } = values;
    if (this.#count < length) this.#count += 1;
    else this.#sum -= values[this.#next] ?? 0;
    values[this.#next] = value;
    this.#sum += value;
    this.#next += 1;
    if (this.#next < length) return;
    this.#next = 0;
    // Once around: what rounding left in the sum goes.
    this.#sum = 0;
    for (let i = 0; i < this.#count; i += 1) this.#sum += values[i] ?? 0;
  }

  get isFull(): boolean {
    return this.#count === this.#values.length;
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }
}

/** The largest of the last `capacity` values: a queue of falling values, the largest first. */
export class MaxWindow {
  readonly #capacity: number;
  readonly #values: Float64Array;
  /** When each was added, in values. */
  readonly #ages: Float64Array;
  #head = 0;
  #size = 0;
  #added = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#values = new Float64Array(capacity);
    this.#ages = new Float64Array(capacity);
  }

  add(value: number): void {
    const capacity = this.#capacity;
    if (this.#size > 0 && (this.#ages[this.#head] ?? 0) <= this.#added - capacity) {
      this.#head = this.#head + 1 === capacity ? 0 : this.#head + 1;
      this.#size -= 1;
    }
    let end = this.#head + this.#size;
    if (end >= capacity) end -= capacity;
    while (this.#size > 0) {
      const last = end === 0 ? capacity - 1 : end - 1;
      if ((this.#values[last] ?? 0) > value) break;
      end = last;
      this.#size -= 1;
    }
    this.#values[end] = value;
    this.#ages[end] = this.#added;
    this.#size += 1;
    this.#added += 1;
  }

  /** −Infinity while there is nothing. */
  get max(): number {
    return this.#size === 0 ? -Infinity : (this.#values[this.#head] ?? -Infinity);
  }
}
