// A real PostgreSQL for tests: in a folder of its own, on a free loopback port and a unix socket, ended by its pid, and by itself
// when the process that started it is killed.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Client } from "pg";
import { until } from "./until.ts";

/** Where Debian and others put the binaries of one version. */
const BIN_FOLDERS = ["/usr/lib/postgresql/15/bin", "/usr/local/pgsql/bin", "/usr/bin"];
const SUPERUSER = "postgres";
const START_MS = 30_000;

/**
 * Becomes the server, and leaves a process behind, which is not the server's child, that hears when we are gone: the pipe at 3 ends without a word. Then both the
 * server and its folder go, for a test that was killed can't clean up.
 */
const GUARDED = `
folder=$1 && shift
({
  read -r word <&3 && exit
  kill -QUIT $$
  for turn in 1 2 3 4 5; do
    sleep 0.5
    rm -rf "$folder" && exit
  done
} >/dev/null 2>&1 &)
exec 3<&-
exec "$@"
`;

/** PostgreSQL refuses to run as root. */
type Runner = Readonly<{ uid?: number; gid?: number }>;

export class PostgresServer {
  readonly #bin: string;
  readonly #runner: Runner;
  readonly dir: string;
  readonly port: number;
  #process: ChildProcess | null = null;

  private constructor(bin: string, runner: Runner, port: number) {
    this.#bin = bin;
    this.#runner = runner;
    this.port = port;
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-postgres-"));
    if (runner.uid !== undefined) fs.chownSync(this.dir, runner.uid, runner.gid ?? 0);
  }

  /** A new, empty one. `settings` are lines of postgresql.conf. */
  static async start(settings: readonly string[] = []): Promise<PostgresServer> {
    const server = new PostgresServer(findBinaries(), findRunner(), await freePort());
    const options = ["-A", "trust", "-U", SUPERUSER, "--no-sync", "-E", "UTF8", "--locale=C"];
    server.#execute("initdb", ["-D", server.data, ...options]);
    server.configure([
      "listen_addresses = '127.0.0.1'",
      "fsync = off",
      "shared_buffers = '16MB'",
      "max_connections = 40",
      "wal_level = replica",
      "max_wal_senders = 4",
      "log_min_messages = fatal",
      `unix_socket_directories = '${server.dir}'`,
      `port = ${server.port}`,
      ...settings,
    ]);
    await server.run();
    return server;
  }

  /** A hot standby that streams from this one. */
  async standby(): Promise<PostgresServer> {
    const standby = new PostgresServer(this.#bin, this.#runner, await freePort());
    const from = ["-h", this.dir, "-p", String(this.port), "-U", SUPERUSER];
    this.#execute("pg_basebackup", [...from, "-D", standby.data, "-R", "-c", "fast", "--no-sync"]);
    standby.configure([
      `unix_socket_directories = '${standby.dir}'`,
      `port = ${standby.port}`,
      "hot_standby = on",
    ]);
    await standby.run();
    return standby;
  }

  get data(): string {
    return path.join(this.dir, "data");
  }

  /** The user that PostgreSQL runs as. */
  get uid(): number {
    return this.#runner.uid ?? process.getuid?.() ?? 0;
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error("PostgreSQL does not run");
    return pid;
  }

  configure(lines: readonly string[]): void {
    fs.appendFileSync(path.join(this.data, "postgresql.conf"), `${lines.join("\n")}\n`);
  }

  /** Replaces who may log in, from the next start on. */
  setAuthentication(lines: readonly string[]): void {
    fs.writeFileSync(path.join(this.data, "pg_hba.conf"), `${lines.join("\n")}\n`);
  }

  /** Starts it (again) and waits until it takes connections. */
  async run(): Promise<void> {
    this.launch();
    await until("PostgreSQL answers", () => this.#answers(), START_MS);
  }

  /** Starts it and does not wait. */
  launch(): void {
    const log = fs.openSync(path.join(this.dir, "server.log"), "a");
    const server = [path.join(this.#bin, "postgres"), "-D", this.data];
    const child = spawn("sh", ["-c", GUARDED, "sh", this.dir, ...server], {
      ...this.#runner,
      cwd: this.dir,
      stdio: ["ignore", log, log, "pipe"],
    });
    fs.closeSync(log);
    // It has ended: nobody is to be ended in its place.
    const guard = child.stdio[3] as net.Socket;
    guard.on("error", () => undefined);
    guard.unref();
    child.once("exit", () => guard.end("over\n"));
    this.#process = child;
    process.once("exit", this.#atExit);
  }

  /** What the server said. */
  log(): string {
    return fs.readFileSync(path.join(this.dir, "server.log"), "utf8");
  }

  /** Fast: sessions are ended. Immediate: as if it had crashed. */
  async stop(how: "fast" | "immediate" = "fast"): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    this.#process = null;
    process.removeListener("exit", this.#atExit);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(how === "fast" ? "SIGINT" : "SIGQUIT");
    await ended;
  }

  /** All its processes stand still, as if the disk or the host did. */
  freeze(): void {
    process.kill(this.pid, "SIGSTOP");
    for (const pid of childrenOf(this.pid)) process.kill(pid, "SIGSTOP");
  }

  /** They go on. */
  thaw(): void {
    for (const pid of [...childrenOf(this.pid), this.pid]) process.kill(pid, "SIGCONT");
  }

  async remove(): Promise<void> {
    await this.stop("immediate");
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  /** A session over the unix socket; the caller ends it. */
  async connect(
    who: Readonly<{ user?: string; database?: string; applicationName?: string }> = {},
  ): Promise<Client> {
    const { user = SUPERUSER, database = "postgres", applicationName } = who;
    const client = new Client({
      ...{ host: this.dir, port: this.port, user, database, password: "" },
      ...(applicationName === undefined ? {} : { application_name: applicationName }),
    });
    // A server that is stopped ends its sessions; that is no error of the test.
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  /** One statement as the superuser. */
  async query(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<readonly Record<string, unknown>[]> {
    const client = await this.connect();
    try {
      return (await client.query<Record<string, unknown>>(text, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  readonly #atExit = (): void => {
    this.#process?.kill("SIGQUIT");
  };

  async #answers(): Promise<true | null> {
    if (this.#process?.exitCode !== null) throw new Error(`PostgreSQL ended: ${this.log()}`);
    try {
      await this.query("SELECT 1");
      return true;
    } catch {
      return null;
    }
  }

  #execute(program: string, args: readonly string[]): void {
    execFileSync(path.join(this.#bin, program), args, {
      ...this.#runner,
      cwd: this.dir,
      stdio: "pipe",
    });
  }
}

function findBinaries(): string {
  const found = BIN_FOLDERS.find((folder) => fs.existsSync(path.join(folder, "initdb")));
  if (found === undefined) throw new Error("PostgreSQL is missing: see `make setup`");
  return found;
}

function findRunner(): Runner {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, SUPERUSER], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

function childrenOf(parent: number): number[] {
  const pids = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      // "pid (name) state parent …", and a name may hold anything.
      const [, ppid] =
        fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      return Number(ppid) === parent;
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
