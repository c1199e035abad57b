// Reading numbers straight out of bytes, so that a sample ten times a second makes no garbage.

const NEWLINE = 10;
const SPACE = 32;
const ZERO = 48;
const NINE = 57;

/** True when `bytes` has exactly `word` at `at`. */
export function startsWith(bytes: Buffer, at: number, word: Buffer): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false;
  return true;
}

/** Where the line after `at` begins; `length` when there is none. */
export function nextLine(bytes: Buffer, at: number, length: number): number {
  let i = at;
  while (i < length && bytes[i] !== NEWLINE) i++;
  return Math.min(i + 1, length);
}

/** The first run of digits at or after `at` on this line; NaN when the line has none. */
export function numberAt(bytes: Buffer, at: number, length: number): number {
  let i = at;
  let byte = bytes[i] ?? NEWLINE;
  while (i < length && byte !== NEWLINE && (byte < ZERO || byte > NINE))
    byte = bytes[++i] ?? NEWLINE;
  if (i >= length || byte === NEWLINE) return NaN;
  let value = 0;
  while (i < length && byte >= ZERO && byte <= NINE) {
    value = value * 10 + (byte - ZERO);
    byte = bytes[++i] ?? NEWLINE;
  }
  return value;
}

/** Where the next space-separated word of this line begins; the line's end when there is none. */
export function nextWord(bytes: Buffer, at: number, length: number): number {
  let i = at;
  while (i < length && bytes[i] !== SPACE && bytes[i] !== NEWLINE) i++;
  while (i < length && bytes[i] === SPACE) i++;
  return i;
}

/**
 * Finds the values of some keys in a file of `key value` lines (meminfo, vmstat).
 *
 * The layout of such a file hardly changes between two samples, so each key is looked for where
 * it was last time, moved by as much as the key before it moved; only a miss walks the lines.
 */
export class KeyedLines {
  readonly #keys: readonly Buffer[];
  readonly #lastAt: number[];
  /** Indexes of #keys in the order in which the kernel prints them; empty until the first scan. */
  #order: number[] = [];

  /** `keys` with what ends them: "MemTotal:" or "oom_kill ". */
  constructor(keys: readonly string[]) {
    this.#keys = keys.map((key) => Buffer.from(key, "latin1"));
    this.#lastAt = keys.map(() => -1);
  }

  /** Writes one value per key into `values`; NaN for a key that this kernel does not print. */
  scan(bytes: Buffer, length: number, values: Float64Array): void {
    values.fill(NaN);
    if (this.#order.length === 0) this.#learn(bytes, length);
    let moved = 0;
    let from = 0;
    for (const index of this.#order) {
      const key = this.#keys[index];
      if (key === undefined) continue;
      const last = this.#lastAt[index] ?? 0;
      let at = last + moved;
      if (!isLineStart(bytes, at, length) || !startsWith(bytes, at, key)) {
        at = findLine(bytes, from, length, key);
        if (at < 0) continue;
        moved = at - last;
      }
      this.#lastAt[index] = at;
      values[index] = numberAt(bytes, at + key.length, length);
      from = at;
    }
  }

  #learn(bytes: Buffer, length: number): void {
    this.#keys.forEach((key, index) => (this.#lastAt[index] = findLine(bytes, 0, length, key)));
    this.#order = this.#keys
      .map((_, index) => index)
      .filter((index) => (this.#lastAt[index] ?? -1) >= 0)
      .sort((a, b) => (this.#lastAt[a] ?? 0) - (this.#lastAt[b] ?? 0));
  }
}

function isLineStart(bytes: Buffer, at: number, length: number): boolean {
  return at >= 0 && at < length && (at === 0 || bytes[at - 1] === NEWLINE);
}

function findLine(bytes: Buffer, from: number, length: number, key: Buffer): number {
  for (let at = from; at < length; at = nextLine(bytes, at, length)) {
    if (startsWith(bytes, at, key)) return at;
  }
  return -1;
}
