// What is going on in PostgreSQL at one moment, as its views tell it. Data only.
import { type PostgresSettings } from "./settings.ts";

/** Who does it. */
type Doer = Readonly<{
  pid: number;
  /** Unlike that of anything else that this process did before or does later. */
  key: string;
  /** As settings know them; null: none. */
  database: string | null;
  role: string | null;
  /** For people. */
  owner: string;
}>;

/** A client's query that is running. */
export type RunningQuery = Doer &
  Readonly<{
    /** Its own process and its parallel workers. */
    processes: number;
    runMs: number;
    /** For a lock, its client or a clock: it takes nothing meanwhile. */
    isWaiting: boolean;
  }>;

/** An index that is being built. */
export type IndexBuild = Doer &
  Readonly<{
    /** In PostgreSQL's words: CREATE INDEX, REINDEX, CREATE INDEX CONCURRENTLY, … */
    command: string;
    /** null: not known yet. */
    tableBytes: number | null;
    /** The table is read already: what is sorted is in memory or on disk. */
    isRead: boolean;
  }>;

export type Vacuum = Doer &
  Readonly<{
    isAuto: boolean;
    /** What its list of dead tuples may grow to; null: not known. */
    maxBytes: number | null;
  }>;

export type PostgresActivity = Readonly<{
  settings: PostgresSettings;
  /** Clients that are connected. */
  connections: number;
  /** Those who hold a reservation of their own are not among them. */
  queries: readonly RunningQuery[];
  builds: readonly IndexBuild[];
  vacuums: readonly Vacuum[];
}>;
