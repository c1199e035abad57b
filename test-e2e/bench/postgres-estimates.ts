// `node --import tsx test-e2e/bench/postgres-estimates.ts`: what is anticipated of PostgreSQL, beside what its processes then hold
// at most. Prints the table of docs/decisions/0018. Needs PostgreSQL 15, 3 GiB of memory and a few minutes.
import {
  ANTICIPATION_DEFAULTS,
  connectionBytes,
  indexBuildBytes,
  queryBytes,
  vacuumBytes,
  type SessionSettings,
} from "@selfscale/core";
import { PostgresCluster, type PostgresSession } from "./postgres-cluster.ts";

const MIB = 1024 ** 2;
const LOOK_EVERY_MS = 10;
const CONNECTIONS = 20;

type Case = Readonly<{
  name: string;
  settings: Readonly<Record<string, string | number>>;
  /** Not counted: it makes what the case needs. */
  before?: string;
  sql: string;
  after?: string;
  expected: (settings: SessionSettings, cluster: PostgresCluster) => number;
}>;

const policy = ANTICIPATION_DEFAULTS;

const table = (cluster: PostgresCluster, name: string) => {
  const sql = `SELECT pg_table_size(oid), reltuples FROM pg_class WHERE relname = '${name}'`;
  const [bytes = 0, rows = 0] = cluster.run(sql).trim().split("|").map(Number);
  return { bytes, rows };
};
const ofIndex =
  (name: string): Case["expected"] =>
  (settings, cluster) =>
    indexBuildBytes(settings, table(cluster, name), policy);
const ofQuery =
  (processes: number): Case["expected"] =>
  (settings) =>
    queryBytes(settings, processes, policy);

const index = (on: string, settings: Case["settings"], name = on.split(" ")[0] ?? on): Case => ({
  name: `CREATE INDEX ON ${on}`,
  settings,
  sql: `CREATE INDEX probe ON ${on}`,
  after: "DROP INDEX probe",
  expected: ofIndex(name),
});
const mwm = (mib: number, workers: number) => ({
  maintenance_work_mem: `${mib}MB`,
  max_parallel_maintenance_workers: workers,
});
const work = (mib: number, more: Case["settings"] = {}) => ({
  work_mem: `${mib}MB`,
  max_parallel_workers_per_gather: 0,
  ...more,
});
const query = (name: string, settings: Case["settings"], select: string, processes = 1): Case => ({
  name,
  settings,
  // Run, and nothing of it sent.
  sql: `EXPLAIN (ANALYZE, TIMING off) ${select}`,
  expected: ofQuery(processes),
});

const CASES: readonly Case[] = [
  index("narrow (k)", mwm(64, 0)),
  index("narrow (k)", mwm(64, 2)),
  index("narrow (k)", mwm(256, 0)),
  index("narrow (k)", mwm(256, 2)),
  index("narrow (k)", mwm(1024, 0)),
  index("narrow (k)", mwm(1024, 2)),
  index("wide (t)", mwm(64, 0)),
  index("wide (t)", mwm(1024, 0)),
  index("wide (id)", mwm(1024, 0)),
  index("wide USING hash (t)", mwm(256, 0)),
  index("arrays USING gin (a)", mwm(64, 0)),
  index("arrays USING gin (a)", mwm(256, 0)),
  index("narrow USING brin (k)", mwm(256, 0)),
  {
    name: "REINDEX INDEX",
    settings: mwm(256, 2),
    before: "CREATE INDEX again ON narrow (k)",
    sql: "REINDEX INDEX again",
    after: "DROP INDEX again",
    expected: ofIndex("narrow"),
  },
  {
    name: "ALTER TABLE … ADD PRIMARY KEY",
    settings: mwm(256, 2),
    sql: "ALTER TABLE narrow ADD CONSTRAINT key PRIMARY KEY (id)",
    after: "ALTER TABLE narrow DROP CONSTRAINT key",
    expected: ofIndex("narrow"),
  },
  query("sort, fits", work(256), "SELECT * FROM narrow WHERE id < 2000000 ORDER BY k"),
  query("sort, spills", work(64), "SELECT * FROM narrow ORDER BY k"),
  query("hash join", work(64), "SELECT count(*) FROM narrow a JOIN narrow b ON a.k = b.id"),
  query(
    "hash join, hash_mem_multiplier 1",
    work(64, { hash_mem_multiplier: 1 }),
    "SELECT count(*) FROM narrow a JOIN narrow b ON a.k = b.id",
  ),
  query("hash aggregate", work(64), "SELECT k, count(*) FROM narrow GROUP BY k"),
  query(
    "two hash joins",
    work(64),
    "SELECT count(*) FROM narrow a JOIN narrow b ON a.k = b.id JOIN narrow c ON b.k = c.id",
  ),
  query(
    "parallel hash join, two workers",
    work(64, { max_parallel_workers_per_gather: 2, enable_mergejoin: "off" }),
    "SELECT count(*) FROM narrow a JOIN narrow b ON a.k = b.id",
    3,
  ),
  query(
    "parallel sort, two workers",
    work(64, { max_parallel_workers_per_gather: 2 }),
    "SELECT * FROM narrow ORDER BY k",
    3,
  ),
  query("one row by its key", work(64), "SELECT * FROM arrays WHERE id = 7"),
  {
    name: "CREATE MATERIALIZED VIEW, sort and hash",
    settings: work(64),
    sql: "CREATE MATERIALIZED VIEW seen AS SELECT a.k, count(*) FROM narrow a JOIN narrow b ON a.k = b.id GROUP BY a.k ORDER BY 2",
    after: "DROP MATERIALIZED VIEW seen",
    // The event trigger takes it to fill three at the same time, and none has workers here.
    expected: (settings) => queryBytes(settings, 1, { planNodes: 3 }),
  },
  {
    name: "VACUUM",
    settings: mwm(64, 0),
    before: "CREATE INDEX swept ON narrow (k); DELETE FROM narrow WHERE id % 2 = 0",
    sql: "VACUUM narrow",
    after: "DROP INDEX swept",
    expected: (settings, cluster) => {
      // As its progress view says: 291 dead tuples to a page, six bytes each.
      const maxBytes = (table(cluster, "narrow").bytes / 8192) * 291 * 6;
      return vacuumBytes(settings, { isAuto: false, maxBytes });
    },
  },
];

const TABLES = [
  "CREATE UNLOGGED TABLE narrow AS SELECT i AS id, (random() * 4e6)::int AS k FROM generate_series(1, 4000000) i",
  "CREATE UNLOGGED TABLE wide AS SELECT i AS id, md5(i::text) AS t, repeat('x', 200) AS filler FROM generate_series(1, 600000) i",
  "CREATE UNLOGGED TABLE arrays AS SELECT i AS id, ARRAY[i % 100000, (i * 7) % 100000, (i * 13) % 100000, i] AS a FROM generate_series(1, 600000) i",
  "ANALYZE",
];

const SERVER = [
  ...["shared_buffers=64MB", "fsync=off", "autovacuum=off", "max_wal_size=8GB", "jit=off"],
  ...["max_connections=60", "checkpoint_timeout=1h"],
];

async function main(): Promise<void> {
  const only = process.argv[2] ?? "";
  const cluster = new PostgresCluster(SERVER);
  try {
    await cluster.started();
    for (const sql of TABLES) cluster.run(sql);
    console.log("| what | settings | estimate MiB | measured MiB | estimate ÷ measured |");
    console.log("| --- | --- | ---: | ---: | ---: |");
    for (const one of CASES) {
      if (new RegExp(only).test(one.name)) console.log(await rowOf(cluster, one));
    }
    if (new RegExp(only).test("connections")) console.log(await connectionRow(cluster));
  } finally {
    await cluster.remove();
  }
}

async function rowOf(cluster: PostgresCluster, one: Case): Promise<string> {
  const session = cluster.session();
  for (const [name, value] of Object.entries(one.settings)) {
    await session.run(`SET ${name} = '${value}'`);
  }
  if (one.before !== undefined) await session.run(one.before);
  const expected = one.expected(await settingsOf(session), cluster);
  const rest = cluster.heldBytes();
  const peak = await peakOf(cluster, session.run(one.sql));
  if (one.after !== undefined) await session.run(one.after);
  await session.end();
  const settings = Object.entries(one.settings).map(([name, value]) => `${name}=${value}`);
  return row(one.name, settings.join(" "), expected, peak - rest);
}

async function connectionRow(cluster: PostgresCluster): Promise<string> {
  const first = cluster.session();
  const settings = await settingsOf(first);
  const rest = cluster.heldBytes();
  const sessions = Array.from({ length: CONNECTIONS }, () => cluster.session());
  for (const session of sessions) {
    await session.run("SELECT count(*) FROM arrays a JOIN wide w ON a.id = w.id WHERE a.id < 5000");
    await session.run("SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid");
  }
  const each = (cluster.heldBytes() - rest) / CONNECTIONS;
  for (const session of [...sessions, first]) await session.end();
  return row(
    "one connection",
    `of ${CONNECTIONS}, idle again`,
    connectionBytes(settings, policy),
    each,
  );
}

async function peakOf(cluster: PostgresCluster, done: Promise<unknown>): Promise<number> {
  let peak = 0;
  let isDone = false;
  const end = done.finally(() => (isDone = true));
  while (!isDone) {
    peak = Math.max(peak, cluster.heldBytes());
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  await end;
  return peak;
}

async function settingsOf(session: PostgresSession): Promise<SessionSettings> {
  const bytes = (name: string) => `pg_size_bytes(current_setting('${name}'))`;
  const [line = ""] = await session.run(
    `SELECT ${bytes("work_mem")}, current_setting('hash_mem_multiplier'), ${bytes("maintenance_work_mem")}, ${bytes(
      "shared_buffers",
    )}, current_setting('max_connections'), current_setting('max_parallel_maintenance_workers')`,
  );
  const [workMem = 0, hashMem = 0, maintenance = 0, shared = 0, connections = 0, workers = 0] = line
    .split("|")
    .map(Number);
  return {
    workMemBytes: workMem,
    hashMemMultiplier: hashMem,
    maintenanceWorkMemBytes: maintenance,
    autovacuumWorkMemBytes: null,
    sharedBuffersBytes: shared,
    hasHugePages: false,
    maxConnections: connections,
    maxParallelMaintenanceWorkers: workers,
  };
}

function row(name: string, settings: string, expected: number, measured: number): string {
  const ratio = measured <= MIB ? "–" : (expected / measured).toFixed(2);
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  return `| ${name} | ${settings} | ${mib(expected)} | ${mib(measured)} | ${ratio} |`;
}

await main();
