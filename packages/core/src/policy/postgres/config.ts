// Every number of what is expected of PostgreSQL before it happens, with its unit, its default and what moving it costs.
// docs/decisions/0018-what-postgres-will-need.md shows how far each estimate is from what was measured.

const MIB = 1024 * 1024;

/** What is anticipated, and how much of it is believed. Every part can be switched off alone. */
export type AnticipationPolicy = Readonly<{
  /** Index builds that are under way (CREATE INDEX, REINDEX, ALTER TABLE … ADD PRIMARY KEY). */
  indexBuilds: boolean;
  /** VACUUM and autovacuum that collect dead tuples. */
  vacuums: boolean;
  /** Queries that run long enough to be sorting or hashing. */
  sessions: boolean;
  /** Connections that come faster than they go. */
  connections: boolean;
  /**
   * All of it together is at most this share of the VM's largest size. An estimate is no order: 1 lets a row of wrong
   * guesses take the VM to its bound.
   */
  maxShare: number;
  /** Of one kind less than this is not worth asking for: the policy's own reserve covers it. */
  leastBytes: number;
  /** How many things are anticipated at once. Others wait until one of them is over. */
  maxCount: number;
  /** How long an anticipation may wait for a full node. Nobody waits for it. */
  waitMs: number;
  /** An index build or a VACUUM that takes longer has taken its memory by then: what it uses is measured. */
  buildHoldMs: number;
  /** A younger query has not begun to sort: anticipating it would follow every short burst. */
  sessionMinRunMs: number;
  /** What a query uses is measured after this long, and counts no more. */
  sessionHoldMs: number;
  /**
   * Sorts and hashes that one query fills at the same time. Most fill none or one; 2 covers nearly all, and doubles what
   * is asked for in vain.
   */
  planNodes: number;
  /** What one more process of PostgreSQL needs for itself: caches, stack, code that it changed. */
  processBytes: number;
  /** Connections are counted over this long; so many more are expected to come. */
  connectionsWindowMs: number;
  /** Fewer new ones in that time are no rush. */
  connectionsLeast: number;
}>;

export const ANTICIPATION_DEFAULTS: AnticipationPolicy = {
  indexBuilds: true,
  vacuums: true,
  sessions: true,
  connections: true,
  maxShare: 0.5,
  leastBytes: 32 * MIB,
  maxCount: 32,
  waitMs: 30_000,
  buildHoldMs: 600_000,
  sessionMinRunMs: 500,
  sessionHoldMs: 10_000,
  planNodes: 1,
  processBytes: 4 * MIB,
  connectionsWindowMs: 5_000,
  connectionsLeast: 8,
};

/** The file cache of deployed computes. */
export type FileCachePolicy = Readonly<{
  /** Off: `neon.file_cache_size_limit` is left alone even where it exists. */
  isManaged: boolean;
  /**
   * How long a question to shrink waits for PostgreSQL to make its cache smaller. The agent gives up after 5 s; what is
   * agreed to later than that is void.
   */
  deadlineMs: number;
  /**
   * After so many refusals in a row because PostgreSQL did not answer, the cache is judged as the page cache that it
   * is: the kernel takes it back without asking.
   */
  maxRefusals: number;
  /** Shortest time between two changes that nobody waits for. */
  pauseMs: number;
}>;

export const FILE_CACHE_DEFAULTS: FileCachePolicy = {
  isManaged: true,
  deadlineMs: 1_500,
  maxRefusals: 3,
  pauseMs: 5_000,
};
