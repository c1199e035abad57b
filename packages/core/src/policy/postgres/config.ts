// Every number of what is expected of PostgreSQL before it happens, with its unit, its default and what moving it costs.
// docs/decisions/0018-what-postgres-will-need.md shows how far each estimate is from what was measured.

const MIB = 1024 * 1024;

/** What is anticipated, and how much of it is believed. Every part can be switched off alone. */
export type AnticipationPolicy = Readonly<{
  /**
   * Index builds that are under way (CREATE INDEX, REINDEX, ALTER TABLE … ADD PRIMARY KEY). Off: they are met as they take.
   * @default true
   */
  indexBuilds: boolean;
  /**
   * VACUUM and autovacuum that collect dead tuples. Off: they are met as they take.
   * @default true
   */
  vacuums: boolean;
  /**
   * Queries that run long enough to be sorting or hashing. Off: they are met as they take.
   * @default true
   */
  sessions: boolean;
  /**
   * Connections that come faster than they go. Off: they are met as they take.
   * @default true
   */
  connections: boolean;
  /**
   * All of it together is at most this share of the VM's largest size. An estimate is no order: 1 lets a row of wrong
   * guesses take the VM to its bound.
   * @default 0.5
   */
  maxShare: number;
  /**
   * Of one kind less than this is not worth asking for: the policy's own reserve covers it. Less resizes for small things.
   * @default 32 MiB
   */
  leastBytes: number;
  /**
   * How many things are anticipated at once. Others wait until one of them is over.
   * @default 32
   */
  maxCount: number;
  /**
   * How long an anticipation may wait for a full node. Nobody waits for it; more leaves a wish standing that is out of date.
   * @default 30 s
   */
  waitMs: number;
  /**
   * An index build or a VACUUM that takes longer has taken its memory by then: what it uses is measured. More keeps what was
   * asked for in vain.
   * @default 10 min
   */
  buildHoldMs: number;
  /**
   * A younger query has not begun to sort. Less follows every short burst.
   * @default 500 ms
   */
  sessionMinRunMs: number;
  /**
   * What a query uses is measured after this long, and counts no more. More keeps what was asked for in vain.
   * @default 10 s
   */
  sessionHoldMs: number;
  /**
   * Sorts and hashes that one query fills at the same time. Most fill none or one; 2 covers nearly all, and doubles what
   * is asked for in vain.
   * @default 1
   */
  planNodes: number;
  /**
   * What one more process of PostgreSQL needs for itself: caches, stack, code that it changed. More where connections do much.
   * @default 4 MiB
   */
  processBytes: number;
  /**
   * Connections are counted over this long; so many more are expected to come. Longer takes a morning's rise for a rush.
   * @default 5 s
   */
  connectionsWindowMs: number;
  /**
   * Fewer new ones in that time are no rush.
   * @default 8
   */
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
  /**
   * Off: `neon.file_cache_size_limit` is left alone even where it exists.
   * @default true
   */
  isManaged: boolean;
  /**
   * How long a question to shrink waits for PostgreSQL to make its cache smaller. The agent gives up after 5 s; what is
   * agreed to later than that is void.
   * @default 1.5 s
   */
  deadlineMs: number;
  /**
   * After so many refusals in a row because PostgreSQL did not answer, the cache is judged as the page cache that it
   * is: the kernel takes it back without asking.
   * @default 3
   */
  maxRefusals: number;
  /**
   * Shortest time between two changes that nobody waits for. Less reloads PostgreSQL's settings more often.
   * @default 5 s
   */
  pauseMs: number;
  /**
   * The longest that this becomes while PostgreSQL does not do as it is told. More leaves a cache too large for longer.
   * @default 5 min
   */
  pauseMaxMs: number;
  /**
   * For a smaller change PostgreSQL is not told to read its settings again.
   * @default 16 MiB
   */
  leastChangeBytes: number;
}>;

export const FILE_CACHE_DEFAULTS: FileCachePolicy = {
  isManaged: true,
  deadlineMs: 1_500,
  maxRefusals: 3,
  pauseMs: 5_000,
  pauseMaxMs: 300_000,
  leastChangeBytes: 16 * MIB,
};
