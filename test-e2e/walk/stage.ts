// Where the walk of docs/postgres.md takes place: a guest as a DBA finds it, with a table and two roles, and on the same node
// another VM that leaves no room for all that the first may have.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../guest/cache.ts";
import { AGENT_BUNDLE, AgentProcess } from "../harness/agent-process.ts";
import { startBareQemu } from "../harness/bare-qemu.ts";
import { type Guest, startGuest } from "../harness/guest.ts";
import { GuestPostgres } from "../harness/guest-postgres.ts";
import { putFile } from "../harness/put-file.ts";
import { entryFor } from "../harness/stack.ts";
import { until } from "../harness/until.ts";
import { Terminal } from "./terminal.ts";

/** Sorting two million of them takes more than a VM of 512 MiB has. */
const ROWS = 2_000_000;
const TABLE = `
  CREATE ROLE app LOGIN;
  CREATE DATABASE shop OWNER app;
  \\c shop app
  BEGIN;
  CREATE TABLE orders (id bigint, customer text, placed timestamptz);
  INSERT INTO orders SELECT i, md5(i::text), '2026-01-01'::timestamptz + i * interval '1 s' FROM generate_series(1, ${ROWS}) AS i;
  COMMIT;
  ANALYZE orders;`;
/** Debian's, and one line for each of the two who are no users of the system. */
const HBA = `local all selfscale_monitor peer map=selfscale
local all postgres peer
local all app trust
host all all 10.0.2.0/24 trust
`;
const IDENT = "selfscale root selfscale_monitor\n";
const SETTINGS = {
  hba_file: "/run/pg_hba.conf",
  ident_file: "/run/pg_ident.conf",
  // What is written into a table that was made in the same transaction is not logged.
  wal_level: "minimal",
  max_wal_senders: "0",
};
const VM = "shop";
/** A step of the grid above the least: on a fast machine the reserve for what comes at once takes it there at rest. */
const REST_BYTES = 640 * 2 ** 20;
/** What the other VM has, and the node for both and their overhead of 256 MiB each. */
const OTHER_MIB = 1024;
const NODE = { cpu: 8, mem: "3Gi" };

export class Stage {
  readonly terminal: Terminal;
  readonly postgres: GuestPostgres;
  readonly #guest: Guest;
  readonly #agent: AgentProcess;
  readonly #end: () => Promise<void>;

  private constructor(guest: Guest, agent: AgentProcess, end: () => Promise<void>) {
    this.#guest = guest;
    this.#agent = agent;
    this.#end = end;
    this.terminal = new Terminal(guest, [[agent.dir, "/run/selfscale-agent"]]);
    this.postgres = new GuestPostgres(guest);
  }

  static async set(): Promise<Stage> {
    const guest = await startGuest({ name: VM });
    const other = await startBareQemu(OTHER_MIB);
    const bounds = (mib: number) => ({ cpu: 1, mem: `${mib}Mi` });
    const reports = {
      name: "reports",
      qmp: other.qmp,
      monitor: "ws://127.0.0.1:9/monitor",
      bounds: { min: bounds(OTHER_MIB), max: bounds(OTHER_MIB) },
    };
    const agent = await AgentProcess.start({ node: NODE, vms: [entryFor(guest), reports] });
    return new Stage(guest, agent, async () => {
      await agent.stop();
      other.kill();
      await guest.kill();
    });
  }

  /** PostgreSQL as Debian has it, the table, the installer; and not the image's own monitor. */
  async furnish(): Promise<void> {
    const { terminal } = this;
    await terminal.quietly(
      "pkill -KILL supervise-monit; pkill -KILL -x node; rm -rf /run/selfscale",
    );
    await putFile(this.#guest, "/run/pg_hba.conf", HBA);
    await putFile(this.#guest, "/run/pg_ident.conf", IDENT);
    await putFile(
      this.#guest,
      "/srv/psqlrc",
      "\\set QUIET 1\n\\set SHOW_CONTEXT never\n\\unset QUIET\n",
    );
    await terminal.quietly("chmod 644 /run/pg_*.conf; mkdir -p /etc/selfscale");
    await this.postgres.start(SETTINGS);
    await putFile(this.#guest, "/run/table.sql", TABLE);
    await terminal.quietly("runuser -u postgres -- psql -q -v ON_ERROR_STOP=1 -f /run/table.sql");
    const installer = readFileSync(join(REPOSITORY, "dist/selfscale-monitor-install.sh"));
    await putFile(this.#guest, "/srv/selfscale-monitor-install.sh", installer);
  }

  /** Until what was reserved before is given back: then the next growth is seen. */
  async untilSmall(): Promise<void> {
    const isSmall = async () => {
      const { actual } = await this.#agent.vm(VM);
      return actual !== null && actual.memBytes <= REST_BYTES;
    };
    await until("it is as small as it was", isSmall, { withinMs: 180_000 });
  }

  async isConnected(): Promise<boolean> {
    return (await this.#agent.vm(VM)).mode === "compute-controlled";
  }

  /** A command of the agent, as its operator types it. */
  async agent(command: string): Promise<string> {
    const socket = ["--socket", String(this.#agent.config["socket"])];
    const argv = [process.execPath, AGENT_BUNDLE, ...command.split(" "), ...socket];
    return await this.terminal.node(`selfscale-agent ${command}`, argv);
  }

  async clear(): Promise<void> {
    await this.#end();
  }
}
