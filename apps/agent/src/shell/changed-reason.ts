/** Lets a problem be said once, and again only when it is another one or comes back. */
export class ChangedReason {
  #last: string | null = null;

  /** True when `reason` is not what was said last. */
  isNews(reason: string): boolean {
    if (reason === this.#last) return false;
    this.#last = reason;
    return true;
  }

  /** All is well: the next problem is news. True when one had been said. */
  clear(): boolean {
    const had = this.#last !== null;
    this.#last = null;
    return had;
  }
}
