import { type Explanation, type MonoMs } from "@selfscale/core";
import { type Log } from "../log.ts";

/** How many are kept for `status`: of one VM at most, of any VM at least, and of all together. */
const [NOTES_AT_MOST, NOTES_AT_LEAST, ALL_NOTES] = [200, 10, 10_000];

/** Causes that a broken or hostile guest can repeat at will: said once, then rarely. */
const REPEATABLE: ReadonlySet<string> = new Set([
  "hypervisor-lost",
  "link-down",
  "link-up",
  "peer-mistake",
  "wish-refused",
  "messages-limited",
  "resize-limited",
  "look-lost",
  "permit-late",
]);
/** Of those, what is news each time: between two of one kind came one of the other. */
const ALTERNATING: ReadonlySet<string> = new Set(["link-down", "link-up"]);
const REPEATABLE_BURST = 10;
const REPEATABLE_EVERY_MS = 6_000;

/** An explanation as `status` shows it. `times`: how often in a row it was given. */
export type KeptNote = Explanation & Readonly<{ at: string; times: number }>;

/** How many of one of so many VMs are kept. */
export function notesShare(vms: number): number {
  const share = Math.floor(ALL_NOTES / Math.max(1, vms));
  return Math.min(NOTES_AT_MOST, Math.max(NOTES_AT_LEAST, share));
}

/** One VM's explanations: the last ones kept, each logged, repetitions counted instead. */
export class Notes {
  readonly #log: Log;
  #limit: number;
  #kept: KeptNote[] = [];
  #tokens = REPEATABLE_BURST;
  #countedAt: MonoMs | null = null;
  #suppressed = 0;

  constructor(log: Log, limit: number) {
    this.#log = log;
    this.#limit = limit;
  }

  setLimit(limit: number): void {
    this.#limit = limit;
    this.#forget();
  }

  get kept(): readonly KeptNote[] {
    return this.#kept;
  }

  add(note: Explanation, now: MonoMs): void {
    const isSameAgain = this.#keep(note) && !ALTERNATING.has(note.reason);
    const isRepeatable = REPEATABLE.has(note.reason);
    if (isRepeatable && (isSameAgain || !this.#spend(now))) {
      this.#suppressed += 1;
      return;
    }
    const { level, reason, message, data } = note;
    const suppressed = isRepeatable && this.#suppressed > 0 ? { suppressed: this.#suppressed } : {};
    if (isRepeatable) this.#suppressed = 0;
    this.#log[level]({ reason, data, ...suppressed }, message);
  }

  /** True when the last one of this reason says the same. */
  #keep(note: Explanation): boolean {
    const at = new Date().toISOString();
    const last = this.#kept.findLastIndex((kept) => kept.reason === note.reason);
    const before = this.#kept[last];
    if (before?.message === note.message && REPEATABLE.has(note.reason)) {
      this.#kept[last] = { at, times: before.times + 1, ...note };
      return true;
    }
    this.#kept.push({ at, times: 1, ...note });
    this.#forget();
    return false;
  }

  #forget(): void {
    this.#kept.splice(0, Math.max(0, this.#kept.length - this.#limit));
  }

  #spend(now: MonoMs): boolean {
    const earned = (now - (this.#countedAt ?? now)) / REPEATABLE_EVERY_MS;
    this.#tokens = Math.min(REPEATABLE_BURST, this.#tokens + earned);
    this.#countedAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
