// A PostgreSQL as Debian installs it, and things that go on in it. For tests only.
import {
  type IndexBuild,
  type PostgresActivity,
  type RunningQuery,
  type Vacuum,
} from "../activity.ts";
import { type SessionSettings } from "../settings.ts";

const MIB = 1024 ** 2;

export const DEBIAN: SessionSettings = {
  workMemBytes: 4 * MIB,
  hashMemMultiplier: 2,
  maintenanceWorkMemBytes: 64 * MIB,
  autovacuumWorkMemBytes: null,
  sharedBuffersBytes: 128 * MIB,
  hasHugePages: false,
  maxConnections: 100,
  maxParallelMaintenanceWorkers: 2,
};

export function activity(
  more: Partial<Omit<PostgresActivity, "settings">> = {},
  server: Partial<SessionSettings> = {},
): PostgresActivity {
  const settings = { server: { ...DEBIAN, ...server }, overrides: [] };
  return { settings, connections: 1, queries: [], builds: [], vacuums: [], ...more };
}

const doer = (pid: number) => ({
  pid,
  key: `${pid}`,
  database: "shop",
  role: "anna",
  owner: `anna, pid ${pid}`,
});

export function query(pid: number, more: Partial<RunningQuery> = {}): RunningQuery {
  return { ...doer(pid), processes: 1, runMs: 1_000, isWaiting: false, ...more };
}

export function build(pid: number, more: Partial<IndexBuild> = {}): IndexBuild {
  return { ...doer(pid), command: "CREATE INDEX", tableBytes: 1024 * MIB, isRead: false, ...more };
}

export function vacuum(pid: number, more: Partial<Vacuum> = {}): Vacuum {
  return { ...doer(pid), isAuto: true, maxBytes: null, ...more };
}
