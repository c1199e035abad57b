// What PostgreSQL will take for one thing that it is about to do, from its settings and the size of the table. Upper ends
// that are still near: memory that was given in vain comes back, a backend that was killed does not. Bytes throughout.
// selfscale.anticipated_bytes() in SQL says the same as the first of these; a test compares them.
import { type AnticipationPolicy } from "./config.ts";
import { type SessionSettings } from "./settings.ts";

const MIB = 1024 * 1024;

/** Not a setting, but PostgreSQL's: an index entry in a sort: its own header and the sort's (8 + 24 + 24), and the key's alignment. PostgreSQL 15. */
const ENTRY_BYTES = 64;
/** Not a setting, but glibc's: what malloc keeps to itself when a session sorts again: measured, a ninth of it at most. */
const MALLOC_FACTOR = 1.1;
/** Not a setting, `maxShare` bounds all of it: what is sorted of a table whose rows nobody counted, as a multiple of it: narrow rows have more headers than data. */
const UNCOUNTED_FACTOR = 3;
/** Not a setting, but PostgreSQL's: it starts no worker for a part of maintenance_work_mem that is smaller. */
const LEAST_PER_WORKER_BYTES = 32 * MIB;
/** Not a setting, but PostgreSQL's: the dead tuples that VACUUM collects before PostgreSQL 17 are one array, which can't be larger. */
const MOST_DEAD_TUPLE_BYTES = 1024 * MIB;

/** Not a setting, but x86-64's: 8 bytes of page table for each page of 4 KiB. */
const PAGE_TABLE_DIVISOR = 512;

/** null: not known. */
export type Table = Readonly<{ bytes: number | null; rows: number | null }>;

/**
 * CREATE INDEX and REINDEX of one index: what is sorted is kept in memory up to maintenance_work_mem, which the leader and
 * its workers share. `settings` are those of the session that builds.
 */
export function indexBuildBytes(
  settings: SessionSettings,
  table: Table,
  { processBytes }: Pick<AnticipationPolicy, "processBytes">,
): number {
  const most = settings.maintenanceWorkMemBytes;
  const sorted = sortedBytes(table);
  const workers = Math.max(
    0,
    Math.min(settings.maxParallelMaintenanceWorkers, Math.floor(most / LEAST_PER_WORKER_BYTES) - 1),
  );
  // Workers start for tables of some size only; small ones are sorted where they are read.
  const others = sorted < LEAST_PER_WORKER_BYTES ? 0 : workers * processBytes;
  return Math.round(MALLOC_FACTOR * Math.min(most, sorted) + processBytes + others);
}

/** A query that sorts or hashes in each of its processes: CREATE MATERIALIZED VIEW, and any long SELECT. */
export function queryBytes(
  settings: SessionSettings,
  processes: number,
  { planNodes }: Pick<AnticipationPolicy, "planNodes">,
): number {
  const perNode = settings.workMemBytes * Math.max(1, settings.hashMemMultiplier);
  return Math.round(perNode * planNodes * processes);
}

/** VACUUM's list of dead tuples: `maxBytes` by its progress view, at most what its settings allow. */
export function vacuumBytes(
  settings: SessionSettings,
  vacuum: Readonly<{ isAuto: boolean; maxBytes: number | null }>,
): number {
  const own = vacuum.isAuto ? settings.autovacuumWorkMemBytes : null;
  const allowed = Math.min(own ?? settings.maintenanceWorkMemBytes, MOST_DEAD_TUPLE_BYTES);
  return Math.round(Math.min(allowed, vacuum.maxBytes ?? allowed));
}

/**
 * One more connection: its process, and its page table of shared memory, 8 bytes for each 4 KiB that it looks at, unless
 * that is in huge pages.
 */
export function connectionBytes(
  settings: Pick<SessionSettings, "sharedBuffersBytes" | "hasHugePages">,
  { processBytes }: Pick<AnticipationPolicy, "processBytes">,
): number {
  const pageTable = settings.hasHugePages ? 0 : settings.sharedBuffersBytes / PAGE_TABLE_DIVISOR;
  return Math.round(processBytes + pageTable);
}

function sortedBytes({ bytes, rows }: Table): number {
  if (bytes === null) return Infinity;
  return rows === null ? bytes * UNCOUNTED_FACTOR : rows * ENTRY_BYTES + bytes;
}
