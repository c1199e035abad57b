// Carries out orders for PostgreSQL's file cache, one at a time: sets it, has the settings read again, and looks until it is so.
// Nobody waits here but us: the machine that ordered it has its own deadline.
import { setTimeout as sleep } from "node:timers/promises";
import { type PostgresClient, type PostgresOutcome } from "../client.ts";
import { memoryBytes, textOf } from "./settings-text.ts";

export type CacheOrder = Readonly<{ order: number; bytes: number; until: number }>;
export type CacheAnswer = Readonly<{
  order: number;
  limitBytes: number | null;
  problem: string | null;
}>;

const MIB = 1024 * 1024;
/** The postmaster tells our session to read the settings; it does so before its next query, a moment later. */
const LOOK_EVERY_MS = 20;

export class FileCacheHand {
  readonly #client: PostgresClient;
  readonly #now: () => number;
  readonly #answered: (answer: CacheAnswer) => void;
  #next: CacheOrder | null = null;
  #isBusy = false;

  constructor(client: PostgresClient, now: () => number, answered: (answer: CacheAnswer) => void) {
    this.#client = client;
    this.#now = now;
    this.#answered = answered;
  }

  /** A newer order takes the place of one that has not begun, of which nothing is said. */
  set(order: CacheOrder): void {
    this.#next = order;
    if (!this.#isBusy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let order = this.#next; order !== null; order = this.#next) {
      this.#next = null;
      this.#answered(await this.#carryOut(order));
    }
    this.#isBusy = false;
  }

  async #carryOut({ order, bytes, until }: CacheOrder): Promise<CacheAnswer> {
    const no = (problem: string): CacheAnswer => ({ order, limitBytes: null, problem });
    const set = `ALTER SYSTEM SET neon.file_cache_size_limit = '${Math.floor(bytes / MIB)}MB'`;
    for (const text of [set, "SELECT pg_reload_conf()"]) {
      // What is late is not begun any more: the cache has another goal by then.
      if (this.#now() >= until) return no("PostgreSQL was too slow");
      const outcome = await this.#client.query(text);
      if (!outcome.ok) return no(outcome.message);
    }
    for (;;) {
      const outcome = await this.#client.query(
        "SELECT current_setting('neon.file_cache_size_limit', true) AS size",
      );
      const limitBytes = limitIn(outcome);
      if (limitBytes === null) return no(outcome.ok ? "it has no file cache" : outcome.message);
      const isDone = limitBytes === bytes;
      if (isDone) return { order, limitBytes, problem: null };
      if (this.#now() >= until)
        return { order, limitBytes, problem: "it is set, but not in force" };
      await sleep(LOOK_EVERY_MS);
    }
  }
}

function limitIn(outcome: PostgresOutcome): number | null {
  const row = outcome.ok ? outcome.rows[0] : undefined;
  return row === undefined ? null : memoryBytes(textOf(row, "size"));
}
