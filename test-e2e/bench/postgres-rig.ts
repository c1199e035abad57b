// A PostgreSQL of this machine's own with selfscale's functions in it, and how the monitor gets to it.
import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { MONITOR_BUNDLE } from "../harness/monitor-process.ts";
import { until } from "../harness/until.ts";
import { LOG_LINE_PREFIX } from "./statement-log.ts";
import { PORT, PostgresCluster } from "./postgres-cluster.ts";

/** Who the monitor logs in as; `sql install` makes the role. */
export const MONITOR_ROLE = "selfscale_monitor";

/**
 * As /run is, where the door's files are unless told otherwise: a file system in memory. On a disk it takes ext4 milliseconds to put one
 * file in another's place.
 */
const IN_MEMORY = "/dev/shm";

/** Enough for what pgbench reads; and no disk in what is measured. */
const SETTINGS = [
  ...["shared_buffers=256MB", "fsync=off", "jit=off", "max_connections=100"],
  ...["autovacuum=off", "checkpoint_timeout=1h", `log_line_prefix=${LOG_LINE_PREFIX}`],
];

export type PostgresRig = Readonly<{
  cluster: PostgresCluster;
  /** The monitor's arguments: its configuration with this PostgreSQL in it. */
  monitorArgs: readonly string[];
  /** Such as "PostgreSQL 15.18". */
  version: string;
}>;

/** It runs for as long as `use` does. */
export async function withPostgres<T>(use: (rig: PostgresRig) => Promise<T>): Promise<T> {
  const door = await mkdtemp(path.join(IN_MEMORY, "selfscale-door-"));
  const cluster = new PostgresCluster(SETTINGS);
  try {
    await chmod(door, 0o755); // PostgreSQL comes through
    await cluster.started();
    const folder = path.join(door, "files");
    const where = ["--host", cluster.dir, "--port", `${PORT}`, "--folder", folder];
    await promisify(execFile)(process.execPath, [MONITOR_BUNDLE, "sql", "install", ...where]);
    // Its statements, and nobody else's, are told of by the server.
    cluster.run(`ALTER ROLE ${MONITOR_ROLE} SET log_min_duration_statement = 0`);
    const file = path.join(cluster.dir, "monitor.yaml");
    await writeFile(file, stringify({ postgres: { host: cluster.dir, port: PORT, folder } }));
    const version = `PostgreSQL ${cluster.run("SHOW server_version").split(" ")[0]?.trim() ?? "?"}`;
    return await use({ cluster, monitorArgs: ["--config", file], version });
  } finally {
    await cluster.remove();
    await rm(door, { recursive: true, force: true });
  }
}

/** The monitor has found it, and sessions can reserve. */
export async function untilServed(cluster: PostgresCluster): Promise<void> {
  await until("a monitor serves this PostgreSQL", () => {
    try {
      return cluster.run("SELECT count(*) FROM selfscale.size").trim() !== "0";
    } catch {
      return false; // the functions say that there is no monitor yet
    }
  });
}
