// PostgreSQL in a guest: started with a test's settings, asked, and watched for whatever was killed or restarted.
import { type ExecOptions } from "./exec-channel.ts";
import { NULL_TEXT, readCsv, type Row } from "./csv.ts";
import { type Guest } from "./guest.ts";
import { until } from "./until.ts";

export { type Row };

/** In front of a command in the guest: psql and pgbench then find the database. */
export const PG_ENV = "PGHOST=/run/postgresql PGUSER=postgres PGDATABASE=postgres";
/** Its cgroup, as the monitor's setting `cgroup` wants it. */
export const PG_CGROUP = "/sys/fs/cgroup/postgresql";
const LOG_FILE = "/run/postgresql.log";
const LOG_SHOWN_BYTES = 4_000;
/** Recovery after a crash in an emulated guest takes seconds. */
const ANSWERS_WITHIN_MS = 60_000;

export type SqlOptions = ExecOptions &
  Readonly<{
    role?: string;
    database?: string;
    /** Settings of this session. */
    settings?: Readonly<Record<string, string>>;
  }>;

/** PostgreSQL said no, or could not be reached. The message has the end of its log. */
export class GuestSqlError extends Error {
  override readonly name = "GuestSqlError";
  /** PostgreSQL's code of five characters; null when no server answered. */
  readonly sqlState: string | null;

  constructor(message: string, sqlState: string | null) {
    super(message);
    this.sqlState = sqlState;
  }
}

/** Equal before and after when nothing was restarted and nothing was killed. */
export type PostgresLife = Readonly<{
  /** Of the postmaster: its pid and when it started. */
  postmaster: string;
  /**
   * The same of the checkpointer. When the kernel kills a session, the postmaster lives on and starts all its other
   * processes anew: every session is lost, and only this shows it.
   */
  checkpointer: string;
  /** Kills for lack of memory since the guest booted: in the whole guest, and in PostgreSQL's cgroup. */
  oomKills: number;
  ownOomKills: number;
}>;

export class GuestPostgres {
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** Starts it, or starts it anew, with these settings on top of the image's; returns when it answers. */
  async start(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.stop();
    const words = Object.entries(settings).map(([name, value]) => quote(`${name}=${value}`));
    await this.#run(`start-postgres ${words.join(" ")}`);
    await this.untilAnswers();
  }

  /** A fast shutdown: sessions are ended, nothing is lost. Harmless when it is down. */
  async stop(): Promise<void> {
    await this.#run("stop-postgres");
  }

  /** Waits until it takes sessions: after a start, or after a crash. */
  async untilAnswers(): Promise<void> {
    const asks = async () => (await this.#guest.exec(`${PG_ENV} pg_isready -q -t 1`)).code === 0;
    try {
      await until("PostgreSQL answers", asks, { withinMs: ANSWERS_WITHIN_MS });
    } catch (cause) {
      throw new Error(`PostgreSQL does not answer\n${await this.log()}`, { cause });
    }
  }

  /**
   * Runs statements, each in a transaction of its own unless they say otherwise, and gives the rows; only one of them
   * may give any. Throws GuestSqlError at the first that fails.
   */
  async query(sql: string, options: SqlOptions = {}): Promise<Row[]> {
    const { role = "postgres", database = "postgres", settings = {}, ...exec } = options;
    const given = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
    const env = `${PG_ENV} PGOPTIONS=${quote(given.join(" "))}`;
    const flags = `-X -q --csv -P null=${quote(NULL_TEXT)} -v ON_ERROR_STOP=1 -v VERBOSITY=verbose`;
    const command = `${env} psql ${flags} -U ${quote(role)} -d ${quote(database)} -f -`;
    const { code, stdout, stderr } = await this.#guest.exec(
      `${command} <<'END-OF-SQL'\n${sql}\nEND-OF-SQL`,
      exec,
    );
    if (code === 0) return readCsv(stdout);
    const [, sqlState = null] = /(?:ERROR|FATAL|PANIC): +([0-9A-Z]{5}): /.exec(stderr) ?? [];
    const log = await this.log();
    throw new GuestSqlError(
      `${stderr.trim()}\npsql ended with ${code}; the log:\n${log}`,
      sqlState,
    );
  }

  /** The one value of the one row of a query. */
  async value(sql: string, options: SqlOptions = {}): Promise<string | null> {
    const [row, ...others] = await this.query(sql, options);
    const values = Object.values(row ?? {});
    if (others.length > 0 || values.length !== 1) throw new Error(`not one value: ${sql}`);
    return values[0] ?? null;
  }

  /** What must be the same afterwards. Needs a running PostgreSQL. */
  async life(): Promise<PostgresLife> {
    const [row = {}] = await this.query(
      `SELECT pid || ' since ' || backend_start AS checkpointer, pg_postmaster_start_time() AS started
       FROM pg_stat_activity WHERE backend_type = 'checkpointer'`,
    );
    const text = await this.#run(
      `head -n 1 /var/lib/postgresql/15/main/postmaster.pid; cat /proc/vmstat; echo; cat ${PG_CGROUP}/memory.events`,
    );
    const [all, own] = [...text.matchAll(/^oom_kill (\d+)$/gm)].map(([, count]) => Number(count));
    return {
      postmaster: `${text.split("\n")[0] ?? "?"} since ${row["started"] ?? "?"}`,
      checkpointer: row["checkpointer"] ?? "?",
      oomKills: all ?? NaN,
      ownOomKills: own ?? NaN,
    };
  }

  /** The end of what it logged. */
  async log(bytes = LOG_SHOWN_BYTES): Promise<string> {
    return (await this.#guest.exec(`tail -c ${bytes} ${LOG_FILE}`)).stdout;
  }

  async #run(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.#guest.exec(command);
    if (code === 0) return stdout;
    throw new Error(`${command} ended with ${code}: ${stderr}\n${await this.log()}`);
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
