// Which commands wait for an answer. QEMU answers in the order asked, so the table is a queue as
// well. An abandoned command (timed out, aborted) keeps its place until its answer, or a later
// one, comes: it still occupies QEMU, its late answer must go nowhere, and its place must stay
// bounded.
import { type ReplyId, type ReplyOutcome } from "./message.ts";

export type Settle = (outcome: ReplyOutcome) => void;
type Entry = { readonly settle: Settle; isAbandoned: boolean };

export class InFlight {
  readonly #max: number;
  readonly #entries = new Map<number, Entry>(); // in the order asked
  #lastId = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The new command's id; null when there is no room. Ids are never used twice. */
  add(settle: Settle): number | null {
    if (this.#entries.size >= this.#max) return null;
    this.#lastId += 1;
    this.#entries.set(this.#lastId, { settle, isAbandoned: false });
    return this.#lastId;
  }

  abandon(id: number): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.isAbandoned = true;
  }

  /** Delivers an answer to its command. False: nobody waits for it. */
  deliver(replyId: ReplyId, outcome: ReplyOutcome): boolean {
    const id = replyId === "absent" ? this.#idOfAnonymous(outcome) : replyId;
    if (id === null || id === "foreign") return false;
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    this.#dropAbandonedBefore(id);
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
    const [oldest] = this.#entries.keys();
    return oldest ?? null;
  }

  /** What was asked before an answered command will not be answered any more. */
  #dropAbandonedBefore(id: number): void {
    for (const [earlier, entry] of this.#entries) {
      if (earlier >= id) return;
      if (entry.isAbandoned) this.#entries.delete(earlier);
    }
  }
}
