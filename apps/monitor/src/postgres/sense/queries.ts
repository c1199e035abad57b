// What is asked of PostgreSQL, and its answers in our words. Both questions are prepared once per connection: planning them
// costs ten times what they do.
import { type FileCacheSeen, type PostgresActivity, type PostgresSettings } from "@selfscale/core";
import { type Row } from "../connection.ts";
import { memoryBytes, textOf, type OverrideRow, overridesOf } from "./settings-text.ts";

/** First keys of the advisory locks that reservations of sessions hold: who has reserved is not anticipated. */
export type ReservedBy = Readonly<{ lockClasses: readonly number[] }>;

/** Rows of each kind that are looked at: a server with more has other troubles. */
const MOST_ROWS = 64;

const NAMES = { activity: "selfscale_activity", settings: "selfscale_settings" } as const;

/** The names of databases and roles are their numbers: to look them up would double the cost. */
export function prepareActivity({ lockClasses }: ReservedBy): string {
  const reserved = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
      AND classid::bigint IN (${lockClasses.join(", ")}) AND pg_locks.pid = one.pid`;
  return `PREPARE ${NAMES.activity}(double precision) AS
WITH activity AS MATERIALIZED (
  SELECT pid, leader_pid, backend_type, datid, usesysid, state, query_start, wait_event_type FROM pg_stat_get_activity(NULL)
), builds AS (
  SELECT one.*, pg_get_userbyid(usesysid) AS owner, build.command, build.phase, build.blocks_total
  FROM pg_stat_progress_create_index AS build JOIN activity AS one USING (pid)
  WHERE NOT EXISTS (${reserved}) ORDER BY pid LIMIT ${MOST_ROWS}
), vacuums AS (
  SELECT one.*, pg_get_userbyid(usesysid) AS owner, to_jsonb(vacuum) AS progress
  FROM pg_stat_progress_vacuum AS vacuum JOIN activity AS one USING (pid) ORDER BY pid LIMIT ${MOST_ROWS}
), queries AS (
  SELECT one.*, pg_get_userbyid(usesysid) AS owner, extract(epoch FROM clock_timestamp() - query_start) * 1000 AS run_ms,
    (SELECT count(*) FROM activity AS worker WHERE worker.leader_pid = one.pid) AS workers
  FROM activity AS one
  WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
    AND query_start < clock_timestamp() - make_interval(secs => $1)
    AND NOT EXISTS (${reserved})
    AND NOT EXISTS (SELECT FROM pg_stat_get_progress_info('CREATE INDEX') AS build WHERE build.pid = one.pid)
    AND NOT EXISTS (SELECT FROM pg_stat_get_progress_info('VACUUM') AS vacuum WHERE vacuum.pid = one.pid)
  ORDER BY query_start DESC LIMIT ${MOST_ROWS}
)
SELECT (SELECT count(*) FROM activity WHERE backend_type = 'client backend') AS connections,
  current_setting('block_size') AS block_bytes,
  (SELECT json_agg(builds) FROM builds) AS builds,
  (SELECT json_agg(vacuums) FROM vacuums) AS vacuums,
  (SELECT json_agg(queries) FROM queries) AS queries`;
}

export function askActivity(minRunMs: number): string {
  return `EXECUTE ${NAMES.activity}(${minRunMs / 1000})`;
}

const SETTINGS = [
  ...["work_mem", "hash_mem_multiplier", "maintenance_work_mem", "autovacuum_work_mem"],
  ...["shared_buffers", "huge_pages", "huge_pages_status", "max_connections"],
  ...["max_parallel_maintenance_workers", "neon.file_cache_size_limit", "neon.max_file_cache_size"],
];

export const PREPARE_SETTINGS = `PREPARE ${NAMES.settings} AS
SELECT ${SETTINGS.map((name) => `current_setting('${name}', true) AS "${name}"`).join(",\n  ")},
  (SELECT json_agg(one) FROM (
    SELECT nullif(setdatabase, 0)::text AS database, nullif(setrole, 0)::text AS role, setting
    FROM pg_db_role_setting, unnest(setconfig) AS setting
    WHERE setting ~ '^(work_mem|hash_mem_multiplier|maintenance_work_mem)=' LIMIT 1000) AS one) AS overrides`;

export const ASK_SETTINGS = `EXECUTE ${NAMES.settings}`;

export function readSettings(row: Row): PostgresSettings {
  const memory = (name: string) => memoryBytes(textOf(row, name)) ?? 0;
  const number = (name: string) => Number(textOf(row, name) ?? 0);
  const autovacuum = textOf(row, "autovacuum_work_mem");
  const hasHugePages = [textOf(row, "huge_pages"), textOf(row, "huge_pages_status")].includes("on");
  return {
    server: {
      workMemBytes: memory("work_mem"),
      hashMemMultiplier: number("hash_mem_multiplier"),
      maintenanceWorkMemBytes: memory("maintenance_work_mem"),
      autovacuumWorkMemBytes: autovacuum === "-1" ? null : memoryBytes(autovacuum),
      sharedBuffersBytes: memory("shared_buffers"),
      hasHugePages,
      maxConnections: number("max_connections"),
      maxParallelMaintenanceWorkers: number("max_parallel_maintenance_workers"),
    },
    overrides: overridesOf((row["overrides"] ?? []) as readonly OverrideRow[]),
  };
}

/** null: this PostgreSQL has no file cache. */
export function readFileCache(row: Row): FileCacheSeen | null {
  const limitBytes = memoryBytes(textOf(row, "neon.file_cache_size_limit"));
  const maxBytes = memoryBytes(textOf(row, "neon.max_file_cache_size"));
  return limitBytes === null || maxBytes === null ? null : { limitBytes, maxBytes };
}

type ActivityRow = Readonly<{
  pid: number;
  datid: number | null;
  usesysid: number | null;
  owner: string | null;
  query_start: string | null;
  backend_type: string | null;
}>;
type BuildRow = ActivityRow &
  Readonly<{
    command: string;
    phase: string;
    blocks_total: number | null;
    blocks_done: number | null;
  }>;
type VacuumRow = ActivityRow & Readonly<{ progress: Readonly<Record<string, unknown>> }>;
type QueryRow = ActivityRow &
  Readonly<{ run_ms: number; workers: number; wait_event_type: string | null }>;

const WAITS: readonly (string | null)[] = ["Lock", "Client", "Timeout", "Extension"];

export function readActivity(row: Row, settings: PostgresSettings): PostgresActivity {
  const blockBytes = Number(row["block_bytes"]);
  const list = (name: string) => (row[name] ?? []) as readonly unknown[];
  return {
    settings,
    connections: Number(row["connections"]),
    queries: (list("queries") as readonly QueryRow[]).map((one) => ({
      ...doerOf(one),
      processes: 1 + one.workers,
      runMs: one.run_ms,
      isWaiting: WAITS.includes(one.wait_event_type),
    })),
    builds: (list("builds") as readonly BuildRow[]).map((one) => ({
      ...doerOf(one),
      command: one.command,
      tableBytes: (one.blocks_total ?? 0) > 0 ? (one.blocks_total ?? 0) * blockBytes : null,
      isRead: isRead(one.phase),
    })),
    vacuums: (list("vacuums") as readonly VacuumRow[]).map((one) => ({
      ...doerOf(one),
      isAuto: one.backend_type === "autovacuum worker",
      maxBytes: deadTupleBytes(one.progress),
    })),
  };
}

function doerOf(one: ActivityRow) {
  return {
    pid: one.pid,
    // A process runs one statement at a time.
    key: one.query_start ?? "",
    database: one.datid === null ? null : String(one.datid),
    role: one.usesysid === null ? null : String(one.usesysid),
    owner: `${one.owner ?? one.backend_type ?? "somebody"}, pid ${one.pid}`,
  };
}

/**
 * Its table has been read: nothing is left that would take more memory. `blocks_done` does not tell: in the first block it
 * equals `blocks_total`. Phases that only some kinds of index have come after "building index: ".
 */
function isRead(phase: string): boolean {
  const isToCome = phase === "initializing" || phase === "waiting for writers before build";
  return !isToCome && (!phase.startsWith("building index") || /sorting|loading/.test(phase));
}

/** Six bytes each, until PostgreSQL 17 said bytes. */
function deadTupleBytes(progress: Readonly<Record<string, unknown>>): number | null {
  const bytes = progress["max_dead_tuple_bytes"];
  const tuples = progress["max_dead_tuples"];
  if (typeof bytes === "number") return bytes > 0 ? bytes : null;
  return typeof tuples === "number" && tuples > 0 ? tuples * 6 : null;
}
