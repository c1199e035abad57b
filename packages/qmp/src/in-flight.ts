// Which commands wait for an answer. QEMU answers in the order asked, so the table is a queue as
// well. An abandoned command (timed out, aborted) keeps its place until its answer, or a later
// one, comes: it still occupies QEMU, its late answer must go nowhere, and its place must stay
// bounded.
import { type QmpEnd } from "./errors.ts";
import { type ReplyId, type ReplyOutcome } from "./message.ts";

/** What becomes of a command: its answer, or the end of the connection before that. */
export type Outcome = ReplyOutcome | Readonly<{ kind: "lost"; end: QmpEnd }>;
export type Settle = (outcome: Outcome) => void;
type Entry = { readonly id: number; readonly settle: Settle; isAbandoned: boolean };

export class InFlight {
  readonly #max: number;
  /**
   * In the order asked. No Map: each time one that is added to and deleted from is made anew, the old one refers to the
   * new one, and once an old one has outlived two collections, everything ever waited for stays until the next full one.
   */
  readonly #entries: Entry[] = [];
  #lastId = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** The new command's id; null when there is no room. Ids are never used twice. */
  add(settle: Settle): number | null {
    if (this.#entries.length >= this.#max) return null;
    this.#lastId += 1;
    this.#entries.push({ id: this.#lastId, settle, isAbandoned: false });
    return this.#lastId;
  }

  abandon(id: number): void {
    const entry = this.#entries.find((one) => one.id === id);
    if (entry !== undefined) entry.isAbandoned = true;
  }

  /** The connection is over: nothing is answered any more. */
  lose(end: QmpEnd): void {
    for (const { settle, isAbandoned } of this.#entries.splice(0)) {
      if (!isAbandoned) settle({ kind: "lost", end });
    }
  }

  /** Delivers an answer to its command. False: nobody waits for it. */
  deliver(replyId: ReplyId, outcome: ReplyOutcome): boolean {
    const id = replyId === "absent" ? this.#idOfAnonymous(outcome) : replyId;
    if (id === null || id === "foreign") return false;
    const index = this.#entries.findIndex((one) => one.id === id);
    const [entry] = index === -1 ? [] : this.#entries.splice(index, 1);
    if (entry === undefined) return false;
    this.#dropAbandonedBefore(index);
    if (entry.isAbandoned) return false;
    entry.settle(outcome);
    return true;
  }

  /**
   * QEMU refuses without an id what it could not parse (a lone surrogate in an argument is enough),
   * in its turn like any other command. Only refusals: a success always carries the id.
   */
  #idOfAnonymous(outcome: ReplyOutcome): number | null {
    if (outcome.kind !== "refused") return null;
    return this.#entries[0]?.id ?? null;
  }

  /** What was asked before an answered command will not be answered any more. */
  #dropAbandonedBefore(index: number): void {
    if (index === 0) return;
    const earlier = this.#entries.splice(0, index);
    this.#entries.unshift(...earlier.filter(({ isAbandoned }) => !isAbandoned));
  }
}
