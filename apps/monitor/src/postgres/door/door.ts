// The SQL door: takes requests of sessions to the registry, and its answers back. A bell only says that there is something to look at;
// what is believed is what pg_locks shows.
import fs from "node:fs";
import {
  type MonitorEvent,
  type ReservationAnswer,
  type ReservationRequest,
  type ReservationState,
} from "@selfscale/core";
import { type Log } from "../../log.ts";
import { type PostgresClient } from "../client.ts";
import { DoorFolder, type Found } from "./folder.ts";
import { type Hold } from "./messages.ts";
import { readFacts, readLocks, schemaProblem, type ServerFacts } from "./server.ts";
import { answerFile, type DoorView, stateFile } from "./state-file.ts";
import { type Clocks, type Entry, isHeld, isKept, newEntry, requestOf } from "./table.ts";

/** What the door stands on. */
export type DoorGround = Readonly<{
  client: PostgresClient;
  /** Folder of the files, as `sql install` was told. */
  folder: string;
  clocks(): Clocks;
  /** Looks at the memory first: what is in use now is what the request comes on top of. */
  ask(request: ReservationRequest): void;
  feed(event: MonitorEvent): void;
  view(): DoorView;
  log: Log;
  timers?: Partial<DoorTimers>;
}>;

/** All in milliseconds. */
export type DoorTimers = Readonly<{
  /** Looks for what no bell announces: a transaction that has ended, a bell that was missed. */
  lookEveryMs: number;
  /** The state is written so often even when nothing changes: by it the functions see that we live. */
  wordEveryMs: number;
  /** Whether the schema is still ours. */
  schemaEveryMs: number;
  /** Without PostgreSQL for so long: its sessions are taken to be gone. */
  goneMs: number;
  /** An answer outlives its reservation so long, so that whoever waits sees it. */
  answerMs: number;
}>;

export const DOOR_TIMERS: DoorTimers = {
  lookEveryMs: 500,
  wordEveryMs: 1_000,
  schemaEveryMs: 30_000,
  goneMs: 30_000,
  answerMs: 10_000,
};

export class SqlDoor {
  readonly #ground: DoorGround;
  readonly #timers: DoorTimers;
  readonly #entries = new Map<number, Entry>();
  readonly #over = new Map<number, number>();
  readonly #unanswered = new Map<number, Entry>();
  #folder: DoorFolder | null = null;
  #facts: ServerFacts | null = null;
  #watcher: fs.FSWatcher | null = null;
  #tick: NodeJS.Timeout | null = null;
  #isOpening = false;
  #isLooking = false;
  #lookAgain = false;
  #isFlushDue = false;
  #isStopped = false;
  #wordAt = -Infinity;
  #schemaAt = -Infinity;
  #lostAt: number | null = null;
  #problem: string | null = null;
  /** What is wrong with the schema; undefined: not known yet. */
  #schema: string | null | undefined = undefined;

  constructor(ground: DoorGround) {
    this.#ground = ground;
    this.#timers = { ...DOOR_TIMERS, ...ground.timers };
  }

  start(): void {
    const { client, clocks } = this.#ground;
    client.onConnected(() => void this.#open());
    client.onLost(() => {
      this.#lostAt = clocks().mono;
      if (this.#entries.size > 0) this.#say("warn", "PostgreSQL's sessions can't be seen now");
    });
    this.#tick = setInterval(() => this.#onTick(), this.#timers.lookEveryMs);
  }

  /** What was granted stays written down: the next monitor finds it, as long as its sessions hold it. */
  stop(): void {
    this.#isStopped = true;
    if (this.#tick !== null) clearInterval(this.#tick);
    this.#watcher?.close();
    this.#folder?.removeState();
  }

  /** The registry's word on a reservation; those of other doors are none of ours. */
  changed(id: string, state: ReservationState, answer: ReservationAnswer): void {
    const entry = [...this.#entries.values()].find((one) => one.id === id);
    if (entry === undefined) return;
    const next = { ...entry, state, answer };
    this.#unanswered.set(entry.ask.nonce, next);
    if (state === "refused" || state === "ended") this.#forget(next);
    else this.#entries.set(entry.ask.nonce, next);
    this.#flushSoon();
  }

  #onTick(): void {
    const { mono } = this.#ground.clocks();
    const { client } = this.#ground;
    if (!client.isConnected) {
      this.#giveUp(mono);
      return;
    }
    if (this.#folder === null) void this.#open();
    else void this.#look();
    if (mono - this.#wordAt >= this.#timers.wordEveryMs) this.#flush();
    if (mono - this.#schemaAt >= this.#timers.schemaEveryMs) void this.#checkSchema(mono);
    this.#clearAnswers(mono);
  }

  /** The server's own folder, and whatever a monitor before us left in it. */
  async #open(): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    this.#lostAt = null;
    this.#schemaAt = -Infinity;
    const facts = await readFacts(this.#ground.client);
    this.#isOpening = false;
    if (facts === null || this.#isStopped) return;
    if (this.#folder === null || this.#facts?.port !== facts.port) this.#openFolder(facts);
    this.#facts = facts;
    this.#flush();
    await this.#look();
    if (this.#folder === null) return;
    for (const nonce of this.#folder.answers()) {
      if (!this.#entries.has(nonce)) this.#over.set(nonce, this.#ground.clocks().mono);
    }
  }

  #openFolder(facts: ServerFacts): void {
    this.#watcher?.close();
    this.#folder = null;
    if (facts.dataFolder === null) {
      this.#report("our role may not see where PostgreSQL's data is: grant it pg_monitor");
      return;
    }
    try {
      const { uid, gid } = fs.statSync(facts.dataFolder);
      const { folder: root, log } = this.#ground;
      const nonsense = (name: string) =>
        log.warn({ name }, "a file in the bell's folder is no message");
      this.#folder = DoorFolder.prepare(root, facts.port, { uid, gid }, nonsense);
      this.#watcher = this.#folder.watch(
        () => void this.#look(),
        (problem) => this.#report(`the bell's folder can't be watched: ${problem}`),
      );
      this.#problem = null;
      const { isStandby, version } = facts;
      log.info({ folder: this.#folder.path, isStandby, version }, "the SQL door is open");
    } catch (error) {
      this.#report((error as Error).message);
    }
  }

  /** One look at a time; a bell that rings meanwhile is answered by one more. */
  async #look(): Promise<void> {
    this.#lookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (this.#lookAgain && !this.#isStopped) {
      this.#lookAgain = false;
      try {
        await this.#lookOnce();
      } catch (error) {
        this.#report((error as Error).message);
        this.#folder = null; // made anew at the next tick
      }
    }
    this.#isLooking = false;
  }

  async #lookOnce(): Promise<void> {
    const folder = this.#folder;
    if (folder === null) return;
    this.#take(folder.scan());
    const known = [...this.#entries.values()];
    if (known.length === 0) return;
    const nonces = known.map(({ ask }) => ask.nonce);
    const locks = await readLocks(this.#ground.client, nonces, (problem) =>
      this.#report(`PostgreSQL does not show its locks: ${problem}`),
    );
    if (locks === null || this.#isStopped) return;
    // A hold may have been left between our first look and the end of the session.
    this.#take(folder.scan());
    const now = this.#ground.clocks();
    const gone: Entry[] = [];
    for (const nonce of nonces) {
      const entry = this.#entries.get(nonce);
      if (entry === undefined) continue;
      if (!isHeld(entry, locks) && !isKept(entry, now)) gone.push(entry);
      else if (!entry.isAdmitted) this.#admit(entry, now);
    }
    this.#letGo(gone);
  }

  #take(found: readonly Found[]): void {
    for (const { name, message } of found) {
      const entry = this.#entries.get(message.nonce);
      if (message.kind === "ask" && entry === undefined) {
        const before = this.#folder?.readAnswer(message.nonce) as { state?: unknown } | null;
        const wasGranted = before?.state === "granted";
        this.#entries.set(message.nonce, newEntry(message, name, wasGranted));
      } else if (message.kind === "hold" && entry !== undefined)
        this.#prolong(entry, message, name);
      else {
        this.#folder?.discard(name);
        if (message.kind === "release" && entry !== undefined) this.#release(entry);
      }
    }
  }

  #prolong(entry: Entry, hold: Hold, name: string): void {
    const [ask = "", ...before] = entry.files;
    for (const file of before) this.#folder?.discard(file);
    const next = { ...entry, hold, files: [ask, name] };
    this.#entries.set(entry.ask.nonce, next);
    if (!entry.isAdmitted) return;
    this.#ground.ask(requestOf(next, this.#ground.clocks()));
    this.#unanswered.set(entry.ask.nonce, this.#entries.get(entry.ask.nonce) ?? next);
    this.#flushSoon();
  }

  #admit(entry: Entry, now: Clocks): void {
    this.#entries.set(entry.ask.nonce, { ...entry, isAdmitted: true });
    this.#ground.ask(requestOf(entry, now));
  }

  #release(entry: Entry): void {
    if (entry.isAdmitted) this.#ground.feed({ kind: "reservation-released", id: entry.id });
    // The registry may have forgotten it before: then it said nothing now.
    const left = this.#entries.get(entry.ask.nonce);
    if (left === undefined) return;
    this.#forget(left);
    this.#unanswered.set(entry.ask.nonce, { ...left, state: "ended" });
    this.#flushSoon();
  }

  /** Their sessions are not there any more. Of a request that was never admitted nobody knows. */
  #letGo(gone: readonly Entry[]): void {
    if (gone.length === 0) return;
    const nonces = new Set(gone.map(({ ask }) => ask.nonce));
    if (gone.some(({ ask, isAdmitted }) => isAdmitted && ask.door === "sql")) {
      const ids = [...this.#entries.values()]
        .filter(({ ask, isAdmitted }) => isAdmitted && ask.door === "sql" && !nonces.has(ask.nonce))
        .map(({ id }) => id);
      this.#ground.feed({ kind: "reservations-listed", door: "sql", ids });
    }
    for (const { id, ask, isAdmitted } of gone) {
      if (isAdmitted && ask.door !== "sql") this.#ground.feed({ kind: "reservation-released", id });
      const left = this.#entries.get(ask.nonce);
      if (left !== undefined) this.#forget(left);
    }
    this.#flushSoon();
  }

  #forget({ ask, files }: Entry): void {
    this.#entries.delete(ask.nonce);
    this.#over.set(ask.nonce, this.#ground.clocks().mono);
    for (const file of files) this.#folder?.discard(file);
  }

  /** PostgreSQL has been away for long: what its sessions held is given up, for they can't be alive for ever. */
  #giveUp(mono: number): void {
    if (this.#lostAt === null || mono - this.#lostAt < this.#timers.goneMs) return;
    this.#lostAt = null;
    const now = this.#ground.clocks();
    const gone = [...this.#entries.values()].filter((entry) => !isKept(entry, now));
    if (gone.length === 0) return;
    const text = "PostgreSQL has been away for too long: what its sessions had reserved has ended";
    this.#ground.log.warn({ reservations: gone.length }, text);
    this.#letGo(gone);
  }

  async #checkSchema(mono: number): Promise<void> {
    this.#schemaAt = mono;
    const problem = await schemaProblem(this.#ground.client, this.#ground.folder);
    if (problem === undefined || problem === this.#schema) return;
    this.#schema = problem;
    if (problem === null) this.#ground.log.info("the SQL functions are installed");
    else this.#ground.log.warn(`the SQL functions can't be used here: ${problem}`);
  }

  /** Many changes of one moment are one writing. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => this.#flush());
  }

  /** The state first: whoever has an answer finds it there too. */
  #flush(): void {
    this.#isFlushDue = false;
    const folder = this.#folder;
    if (folder === null || this.#isStopped || !this.#ground.client.isConnected) return;
    const now = this.#ground.clocks();
    this.#wordAt = now.mono;
    try {
      folder.writeState(stateFile(this.#ground.view(), [...this.#entries.values()], now));
      for (const [nonce, entry] of this.#unanswered) folder.writeAnswer(nonce, answerFile(entry));
      this.#unanswered.clear();
    } catch (error) {
      this.#report((error as Error).message);
      this.#folder = null;
    }
  }

  #clearAnswers(mono: number): void {
    for (const [nonce, since] of this.#over) {
      if (mono - since < this.#timers.answerMs) continue;
      this.#over.delete(nonce);
      this.#folder?.removeAnswer(nonce);
    }
  }

  #report(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#say("error", `the SQL door is closed: ${problem}`);
  }

  #say(level: "warn" | "error", text: string): void {
    this.#ground.log[level]({ reservations: this.#entries.size }, text);
  }
}
