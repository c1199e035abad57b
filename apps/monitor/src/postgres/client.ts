// The kept connection to PostgreSQL: every query has a deadline, nothing here ever throws or waits for a server that is dead,
// slow or starting.
import { setTimeout as sleep } from "node:timers/promises";
import { type Log } from "../log.ts";
import { PostgresConnection, type Row } from "./connection.ts";
import { type PostgresSettings } from "./settings.ts";

/**
 * What came of a query. `code` is PostgreSQL's SQLSTATE, or one of ours: NOT_CONNECTED (there is no connection now), LOST (it ended
 * meanwhile), DEADLINE (no answer in time), BUSY (too many wait already).
 */
export type PostgresOutcome =
  | Readonly<{ ok: true; rows: readonly Row[] }>
  | Readonly<{ ok: false; code: string; message: string }>;

/** All in milliseconds. Tests pass shorter ones. */
export type PostgresTimers = Readonly<{
  connectMs: number;
  /** Pause before the next attempt: doubles from the first to the longest, ±20 %. */
  retryFirstMs: number;
  retryMaxMs: number;
  /** A connection that lived so long was a good one: the next pause is the first again. */
  provenMs: number;
  /** What the server gets on top of statement_timeout to cancel a query before we hang up. */
  cancelGraceMs: number;
}>;

export const POSTGRES_TIMERS: PostgresTimers = {
  connectMs: 5_000,
  retryFirstMs: 250,
  retryMaxMs: 15_000,
  provenMs: 10_000,
  cancelGraceMs: 500,
};

/** Queries that may wait for their turn: more of them means that somebody asks without end. */
const MAX_WAITING = 32;
const GOODBYE_MS = 500;
const JITTER_SHARE = 0.2;

type Job = {
  readonly text: string;
  readonly values: readonly unknown[];
  settle(outcome: PostgresOutcome): void;
  isSettled: boolean;
};

/** Starts when told to, and from then on is connected whenever it can be. */
export class PostgresClient {
  readonly #settings: PostgresSettings;
  readonly #timers: PostgresTimers;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #waiting: Job[] = [];
  readonly #onConnected: (() => void)[] = [];
  readonly #onLost: (() => void)[] = [];
  #connection: PostgresConnection | null = null;
  #isRunning = false;
  #kept: Promise<void> = Promise.resolve();
  #lastProblem: string | null = null;
  #failures = 0;

  constructor(settings: PostgresSettings, log: Log, timers: Partial<PostgresTimers> = {}) {
    this.#settings = settings;
    this.#log = log;
    this.#timers = { ...POSTGRES_TIMERS, ...timers };
  }

  /** Returns at once. */
  start(): void {
    this.#kept = this.#keep();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#connection?.close(GOODBYE_MS);
    await this.#kept;
  }

  get isConnected(): boolean {
    return this.#connection !== null;
  }

  /** Why there is no connection, in PostgreSQL's or the system's words; null while there is one, or before the first attempt. */
  get problem(): string | null {
    return this.#connection === null ? this.#lastProblem : null;
  }

  /** After each new connection: whatever was known of the server's sessions may be wrong now. */
  onConnected(listener: () => void): void {
    this.#onConnected.push(listener);
  }

  /** After each connection that ended, before the next attempt. */
  onLost(listener: () => void): void {
    this.#onLost.push(listener);
  }

  /** Settles within `queryTimeoutMs`, whatever the server does. Never rejects. */
  query(text: string, values: readonly unknown[] = []): Promise<PostgresOutcome> {
    if (this.#connection === null) {
      const why = this.#lastProblem === null ? "" : `: ${this.#lastProblem}`;
      return Promise.resolve(failure("NOT_CONNECTED", `PostgreSQL is not connected${why}`));
    }
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.resolve(failure("BUSY", `${MAX_WAITING} queries wait already`));
    }
    const { queryTimeoutMs } = this.#settings;
    return new Promise((resolve) => {
      const expired = failure("DEADLINE", `no answer within ${queryTimeoutMs} ms`);
      const timer = setTimeout(() => job.settle(expired), queryTimeoutMs);
      const job: Job = {
        text,
        values,
        isSettled: false,
        settle: (outcome) => {
          job.isSettled = true;
          clearTimeout(timer);
          resolve(outcome);
        },
      };
      this.#waiting.push(job);
      void this.#work();
    });
  }

  /** One query after the other; what expired while it waited is not sent any more. */
  async #work(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      if (!job.isSettled) job.settle(await this.#run(job));
    }
    this.#isRunning = false;
  }

  async #run(job: Job): Promise<PostgresOutcome> {
    const connection = this.#connection;
    if (connection === null) return failure("LOST", "the connection ended before the query");
    // The server cancels by itself; one that does not, because it hangs or is unreachable, is given up with its connection.
    const { queryTimeoutMs } = this.#settings;
    const hangUp = setTimeout(
      () => connection.destroy(),
      queryTimeoutMs + this.#timers.cancelGraceMs,
    );
    try {
      return { ok: true, rows: await connection.run(job.text, job.values) };
    } catch (error) {
      const { code, message, syscall } = error as NodeJS.ErrnoException;
      // The socket's own errors have a code too, and mean that the connection ended.
      return failure(syscall === undefined ? (code ?? "LOST") : "LOST", message);
    } finally {
      clearTimeout(hangUp);
    }
  }

  /** Connects, waits for the end, pauses, for ever. */
  async #keep(): Promise<void> {
    const { signal } = this.#stopping;
    const { connectMs: deadlineMs, provenMs } = this.#timers;
    const { queryTimeoutMs: statementTimeoutMs } = this.#settings;
    while (!signal.aborted) {
      try {
        const timing = { deadlineMs, statementTimeoutMs, signal };
        const connection = await PostgresConnection.open(this.#settings, timing);
        const since = performance.now();
        await this.#use(connection);
        if (performance.now() - since >= provenMs) this.#failures = 0;
      } catch (error) {
        this.#tell((error as Error).message, (error as { code?: string }).code);
      }
      this.#failures += 1;
      await sleep(this.#pauseMs(), undefined, { signal }).catch(() => undefined);
    }
  }

  async #use(connection: PostgresConnection): Promise<void> {
    if (this.#isStopping()) {
      await connection.close(GOODBYE_MS);
      return;
    }
    this.#connection = connection;
    this.#lastProblem = null;
    const { host, port, user, database } = this.#settings;
    this.#log.info({ host, port, user, database }, "PostgreSQL is connected");
    for (const listener of this.#onConnected) listener();
    const problem = await connection.ended;
    this.#connection = null;
    if (this.#isStopping()) return;
    this.#tell(problem);
    for (const listener of this.#onLost) listener();
  }

  /** The same problem again and again is one line. */
  #tell(problem: string, code?: string): void {
    if (problem === this.#lastProblem || this.#isStopping()) return;
    this.#lastProblem = problem;
    this.#log.warn({ code }, `PostgreSQL is not connected, and is tried again: ${problem}`);
  }

  /** A method, for it changes between two looks. */
  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #pauseMs(): number {
    const { retryFirstMs, retryMaxMs } = this.#timers;
    const pauseMs = Math.min(retryMaxMs, retryFirstMs * 2 ** (this.#failures - 1));
    return pauseMs * (1 + JITTER_SHARE * (2 * Math.random() - 1));
  }
}

function failure(code: string, message: string): PostgresOutcome {
  return { ok: false, code, message };
}
