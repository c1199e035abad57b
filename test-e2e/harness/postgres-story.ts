// What the project is for, as the tests and the demo tell it: PostgreSQL in a guest of 512 MiB, and work that needs more.
import { type Guest } from "./guest.ts";
import {
  GuestPostgres,
  GuestSqlError,
  PG_CGROUP,
  PG_ENV,
  type PostgresLife,
  type Row,
} from "./guest-postgres.ts";
import { MIB, type Truth } from "./truth.ts";
import { until } from "./until.ts";

/** Of 2.6 kB, the longest that a btree takes: sorting them takes 500 MB, more than a guest of 512 MiB has. */
export const ROWS = 190_000;
const FILL = `
  BEGIN;
  CREATE TABLE big (s text);
  ALTER TABLE big ALTER s SET STORAGE PLAIN;
  INSERT INTO big SELECT repeat(md5(i::text), 82) FROM generate_series(1, ${ROWS}) AS i;
  COMMIT;
  ANALYZE big;`;
export const INDEX = `CREATE INDEX big_s ON big (s COLLATE "C")`;
export const SORT = `SELECT count(*) FROM (SELECT s FROM big ORDER BY s COLLATE "C" OFFSET 0) AS sorted`;
/** How much the two may take, as a DBA in a hurry would have it, and what is reserved for them. */
export const WORK_MEM = {
  maintenance_work_mem: "700MB",
  work_mem: "600MB",
  hash_mem_multiplier: "1",
};
export const RESERVED = "700MB";

/** What is written is not logged, the table being made from nothing; one process sorts, so that the figures are plain. */
const SETTINGS = {
  wal_level: "minimal",
  max_wal_senders: "0",
  max_parallel_maintenance_workers: "0",
  max_parallel_workers_per_gather: "0",
};
const MONITOR = "node /opt/selfscale/selfscale-monitor.cjs";
/** What the SQL door says while no monitor serves it. */
const NO_MONITOR = "55000";
const CONFIG_FILE = "/run/monitor.yaml";
/** An emulated guest takes its time. */
export const PATIENCE = { timeoutMs: 240_000 };

export type Told = Readonly<{
  rows: Row[];
  tookMs: number;
  mostBytes: number;
}>;

export class PostgresStory {
  readonly postgres: GuestPostgres;
  readonly #guest: Guest;
  readonly #truth: Truth;

  constructor(guest: Guest, truth: Truth) {
    this.postgres = new GuestPostgres(guest);
    this.#guest = guest;
    this.#truth = truth;
  }

  /** A table of 500 MB, the SQL functions, and a configuration for the monitor that is to watch them. */
  async prepare(): Promise<void> {
    await this.postgres.start(SETTINGS);
    await this.postgres.query(FILL, PATIENCE);
    const config = `preset: demo\ncgroup: ${PG_CGROUP}\npostgres: { host: /run/postgresql }\n`;
    await this.run(`printf '%s' '${config}' >${CONFIG_FILE}`);
    await this.run(`${MONITOR} sql install --host /run/postgresql`);
  }

  /** From now on its monitor watches PostgreSQL. Returns when the SQL door is open. */
  async watch(): Promise<void> {
    await this.#guest.restartMonitor(["--config", CONFIG_FILE]);
    await until("the SQL door is open", async () => {
      try {
        return (await this.postgres.query("SELECT * FROM selfscale.size")).length > 0;
      } catch (error) {
        if (error instanceof GuestSqlError && error.sqlState === NO_MONITOR) return false;
        throw error;
      }
    });
  }

  /**
   * Whether the kernel ends what has no memory left, rather than reading its programs from the disk again and again for many
   * minutes: that is what a VM of a fixed size does before the kill.
   */
  async preventThrashing(isOn: boolean): Promise<void> {
    const [enabled, ms] = isOn ? ["y", 1000] : ["n", 0];
    const folder = "/sys/kernel/mm/lru_gen";
    await this.run(`echo ${ms} >${folder}/min_ttl_ms; echo ${enabled} >${folder}/enabled`);
  }

  /**
   * Runs statements with much memory allowed. Gives the largest size of the VM meanwhile, as QEMU tells it; each new size is
   * told at once.
   */
  async tell(sql: string, onSize: (bytes: number) => void = () => undefined): Promise<Told> {
    const startedAt = performance.now();
    let [isOver, lastBytes, mostBytes] = [false, 0, 0];
    const look = async () => {
      const { memBytes } = await this.#truth.size();
      if (memBytes !== lastBytes) onSize(memBytes);
      lastBytes = memBytes;
      mostBytes = Math.max(mostBytes, memBytes);
      return isOver;
    };
    const looking = until("the statement ends", look, { withinMs: PATIENCE.timeoutMs + 10_000 });
    try {
      const rows = await this.postgres.query(sql, { ...PATIENCE, settings: WORK_MEM });
      return { rows, tookMs: performance.now() - startedAt, mostBytes };
    } finally {
      isOver = true;
      await looking;
    }
  }

  async life(): Promise<PostgresLife> {
    return await this.postgres.life();
  }

  /** Small transactions without a pause, until they are told to end. */
  async beginPgbench(): Promise<Pgbench> {
    await this.run(`rm -f ${Pgbench.enough}; ${PG_ENV} pgbench -i -q -s 2`);
    const report = this.#guest.exec(
      `while [ ! -e ${Pgbench.enough} ]; do ${PG_ENV} pgbench -n -c 2 -T 5 2>&1 || echo "pgbench ended with $?"; done`,
      { timeoutMs: 2 * PATIENCE.timeoutMs },
    );
    return new Pgbench(this.#guest, report);
  }

  /** Waits until the VM has about the size that it rests at; gives that, in bytes. */
  async untilSmall(withinMs = 180_000): Promise<number> {
    const isSmall = async () => {
      const { memBytes } = await this.#truth.size();
      return memBytes <= 640 * MIB ? memBytes : null;
    };
    return await until("it has shrunk", isSmall, { withinMs });
  }

  async run(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.#guest.exec(command, PATIENCE);
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}`);
    return stdout;
  }
}

export type PgbenchResult = Readonly<{ processed: number; failed: number; complaints: string[] }>;

export class Pgbench {
  static readonly enough = "/run/pgbench-enough";
  readonly #guest: Guest;
  readonly #report: ReturnType<Guest["exec"]>;

  constructor(guest: Guest, report: ReturnType<Guest["exec"]>) {
    this.#guest = guest;
    this.#report = report;
    // Who is never asked for the result has failed for another reason already.
    report.catch(() => undefined);
  }

  async end(): Promise<PgbenchResult> {
    await this.#guest.exec(`touch ${Pgbench.enough}`);
    const { stdout } = await this.#report;
    const sum = (pattern: RegExp) =>
      [...stdout.matchAll(pattern)].reduce((total, [, count]) => total + Number(count), 0);
    return {
      processed: sum(/^number of transactions actually processed: (\d+)/gm),
      failed: sum(/^number of failed transactions: (\d+)/gm),
      complaints: stdout.split("\n").filter((line) => /error|fatal|ended with/i.test(line)),
    };
  }
}
