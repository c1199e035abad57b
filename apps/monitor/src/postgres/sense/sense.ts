// Looks at PostgreSQL once a second, and says what follows for the machine: what is about to be taken, and how large its file
// cache is. A PostgreSQL that is slow, dead or new delays nobody: looks do not overlap, and what can't be seen changes nothing.
import {
  type AnticipationPolicy,
  INITIAL_ANTICIPATION,
  type MonitorEvent,
  type PostgresSettings,
  type ReservationRequest,
  stepAnticipation,
} from "@selfscale/core";
import { type Log } from "../../log.ts";
import { type PostgresClient, type PostgresOutcome } from "../client.ts";
import {
  ASK_SETTINGS,
  askActivity,
  PREPARE_SETTINGS,
  prepareActivity,
  readActivity,
  readFileCache,
  readSettings,
  type ReservedBy,
} from "./queries.ts";

/** What it stands on. */
export type SenseGround = Readonly<{
  client: PostgresClient;
  policy: AnticipationPolicy;
  reservedBy: ReservedBy;
  now(): number;
  /** The VM's largest size, bytes; null while nobody knows. */
  mostBytes(): number | null;
  reserve(request: ReservationRequest): void;
  feed(event: MonitorEvent): void;
  log: Log;
  timers?: Partial<SenseTimers>;
}>;

/** All in milliseconds. */
export type SenseTimers = Readonly<{
  lookEveryMs: number;
  /** Settings change when people change them. With this, idle means 1.1 queries a second. */
  settingsEveryMs: number;
}>;

export const SENSE_TIMERS: SenseTimers = { lookEveryMs: 1_000, settingsEveryMs: 10_000 };

const DUPLICATE_PREPARED_STATEMENT = "42P05";
/** The client says itself that the connection is gone, also when the server announced its end (class 57P). */
const GONE = /^(NOT_CONNECTED|LOST|57P0[1-5])$/;

export class PostgresSense {
  readonly #ground: SenseGround;
  readonly #timers: SenseTimers;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;
  #isLooking = false;
  #isPrepared = false;
  #settings: PostgresSettings | null = null;
  #settingsAt = -Infinity;
  #state = INITIAL_ANTICIPATION;
  #problem: string | null = null;

  constructor(ground: SenseGround) {
    this.#ground = ground;
    this.#timers = { ...SENSE_TIMERS, ...ground.timers };
  }

  start(): void {
    const { client, feed } = this.#ground;
    client.onConnected(() => {
      this.#isPrepared = false;
      this.#settings = null;
      this.#settingsAt = -Infinity;
      void this.#look();
    });
    // Its sessions and what was reserved for them are as they were, as far as anybody knows; its cache can't be told anything.
    client.onLost(() => feed({ kind: "file-cache-seen", cache: null }));
    this.#timer = setInterval(() => void this.#look(), this.#timers.lookEveryMs);
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { client } = this.#ground;
    if (this.#isLooking || this.#isStopped || !client.isConnected) return;
    this.#isLooking = true;
    const outcome = await this.#lookOnce();
    this.#isLooking = false;
    if (outcome.ok) this.#problem = null;
    else if (!GONE.test(outcome.code)) this.#report(outcome.message);
  }

  async #lookOnce(): Promise<PostgresOutcome> {
    const { client, now } = this.#ground;
    if (!this.#isPrepared) {
      const prepared = await this.#prepare();
      if (!prepared.ok) return prepared;
    }
    if (now() - this.#settingsAt >= this.#timers.settingsEveryMs) {
      const settings = await client.query(ASK_SETTINGS);
      if (!settings.ok) return settings;
      this.#learn(settings.rows[0] ?? {});
    }
    const activity = await client.query(askActivity(this.#ground.policy.sessionMinRunMs));
    if (activity.ok) this.#anticipate(activity.rows[0] ?? {});
    return activity;
  }

  /** Once per connection: with it they end. */
  async #prepare(): Promise<PostgresOutcome> {
    const { client, reservedBy } = this.#ground;
    let outcome: PostgresOutcome = { ok: true, rows: [] };
    for (const text of [prepareActivity(reservedBy), PREPARE_SETTINGS]) {
      outcome = await client.query(text);
      // It came through the last time, and only its answer did not.
      if (!outcome.ok && outcome.code !== DUPLICATE_PREPARED_STATEMENT) return outcome;
    }
    this.#isPrepared = true;
    return outcome;
  }

  #learn(row: Readonly<Record<string, unknown>>): void {
    if (this.#isStopped) return;
    this.#settings = readSettings(row);
    this.#settingsAt = this.#ground.now();
    this.#ground.feed({ kind: "file-cache-seen", cache: readFileCache(row) });
  }

  #anticipate(row: Readonly<Record<string, unknown>>): void {
    const { policy, feed, reserve, now } = this.#ground;
    const mostBytes = this.#ground.mostBytes();
    if (this.#settings === null || mostBytes === null || this.#isStopped) return;
    const activity = readActivity(row, this.#settings);
    const step = stepAnticipation(this.#state, activity, { mostBytes, policy }, now());
    this.#state = step.state;
    for (const id of step.release) feed({ kind: "reservation-released", id });
    for (const request of step.ask) reserve(request);
  }

  /** The same problem again and again is one line. */
  #report(problem: string): void {
    if (problem === this.#problem || this.#isStopped) return;
    this.#problem = problem;
    this.#ground.log.warn(`PostgreSQL can't be looked at, nothing is anticipated: ${problem}`);
  }
}
