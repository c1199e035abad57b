// A PostgreSQL of this machine's own, in a folder that goes away with it, and what its processes really hold in memory. Nothing
// of it is a test: the bench looks at it, and people compare.
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { pin } from "./pin.ts";

const BIN = "/usr/lib/postgresql/15/bin";
const SUPERUSER = "postgres";
/** Of the socket's name only: nothing listens on TCP. */
export const PORT = 5_432;
const START_TRIES = 100;
const PAUSE_MS = 100;
const DYNAMIC_SHARED = /\/dev\/shm\/PostgreSQL\.\d+/g;

export class PostgresCluster {
  readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-postgres-"));
  readonly #who = runner();
  readonly #log = path.join(this.dir, "server.log");
  readonly #server: ChildProcess;

  constructor(settings: readonly string[]) {
    fs.chownSync(this.dir, this.#who.uid, this.#who.gid);
    const data = path.join(this.dir, "data");
    const options = ["-A", "trust", "-U", SUPERUSER, "--no-sync", "-E", "UTF8", "--locale=C"];
    this.#execute("initdb", ["-D", data, ...options]);
    const given = [`unix_socket_directories=${this.dir}`, "listen_addresses=", `port=${PORT}`];
    const args = [...given, ...settings].flatMap((setting) => ["-c", setting]);
    const log = fs.openSync(this.#log, "a");
    // Killed by the kernel if we are; setpriv keeps the pid.
    const server = ["--pdeathsig", "QUIT", path.join(BIN, "postgres"), "-D", data, ...args];
    this.#server = spawn("setpriv", server, { ...this.#who, stdio: ["ignore", log, log] });
    fs.closeSync(log);
  }

  /** Until it answers. */
  async started(): Promise<void> {
    for (let tries = 0; tries < START_TRIES; tries += 1) {
      try {
        this.run("SELECT 1");
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
    throw new Error("PostgreSQL did not start");
  }

  /** Statements in a session of their own; what they print. */
  run(sql: string): string {
    return this.#execute("psql", [...this.#psql(), "-At", "-c", sql]);
  }

  /** What the server said since it was started. */
  log(): string {
    return fs.readFileSync(this.#log, "utf8");
  }

  /** All its processes, those to come included, share this core. */
  pin(core: number): void {
    for (const pid of [this.#server.pid ?? 0, ...this.#children()]) pin(pid, core);
  }

  /** A program of PostgreSQL's own, as its superuser and connected to this server; what it printed. */
  async client(
    program: string,
    args: readonly string[],
    core: number | null = null,
  ): Promise<string> {
    const env = { ...process.env, PGHOST: this.dir, PGPORT: `${PORT}`, PGUSER: SUPERUSER };
    const where = { ...this.#who, cwd: this.dir, env: { ...env, PGDATABASE: "postgres" } };
    const command = [path.join(BIN, program), ...args];
    const pinned = core === null ? [] : ["taskset", "-c", `${core}`];
    const [first = "", ...rest] = [...pinned, ...command];
    return (await promisify(execFile)(first, rest, where)).stdout;
  }

  session(): PostgresSession {
    const child = spawn(path.join(BIN, "psql"), [...this.#psql(), "-At"], {
      ...this.#who,
      cwd: this.dir,
      stdio: ["pipe", "pipe", "inherit"],
    });
    return new PostgresSession(child);
  }

  /**
   * Bytes that clients' processes and their workers hold and share with nobody, the page tables of each and the shared memory
   * that they made for one another included. What the server made when it started, shared_buffers first of all, is not in it.
   */
  heldBytes(): number {
    const segments = new Set<string>();
    let bytes = 0;
    for (const pid of this.#children()) {
      try {
        bytes += kib(`/proc/${pid}/smaps_rollup`, "Pss_Anon") * 1024;
        bytes += kib(`/proc/${pid}/status`, "VmPTE") * 1024;
        const maps = fs.readFileSync(`/proc/${pid}/maps`, "utf8");
        for (const [segment] of maps.matchAll(DYNAMIC_SHARED)) segments.add(segment);
      } catch {
        // It ended while it was looked at: it holds nothing.
      }
    }
    for (const segment of segments) {
      bytes += (fs.statSync(segment, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
    }
    return bytes;
  }

  async remove(): Promise<void> {
    const ended = new Promise((resolve) => this.#server.once("exit", resolve));
    this.#server.kill("SIGQUIT");
    await ended;
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  #children(): readonly number[] {
    const server = this.#server.pid ?? 0;
    const pids = fs.readFileSync(`/proc/${server}/task/${server}/children`, "utf8");
    return pids.trim().split(" ").map(Number);
  }

  #psql(): string[] {
    return [
      "-XqU",
      SUPERUSER,
      "-h",
      this.dir,
      "-p",
      String(PORT),
      "-v",
      "ON_ERROR_STOP=1",
      "-d",
      "postgres",
    ];
  }

  #execute(program: string, args: readonly string[]): string {
    return execFileSync(path.join(BIN, program), args, {
      ...this.#who,
      cwd: this.dir,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }
}

/** A client that stays, as an application's would. */
export class PostgresSession {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string, undefined>;
  #marks = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new Error("psql has no output");
    this.#answers = createInterface(child.stdout)[Symbol.asyncIterator]() as AsyncIterator<
      string,
      undefined
    >;
  }

  /** What it printed. Rejects when a statement fails, for psql ends then. */
  async run(sql: string): Promise<string[]> {
    const mark = `-- done ${(this.#marks += 1)}`;
    this.#child.stdin?.write(`${sql};\n\\echo ${mark}\n`);
    const lines: string[] = [];
    for (;;) {
      const { value } = await this.#answers.next();
      if (value === undefined) throw new Error(`psql ended: ${sql}`);
      if (value === mark) return lines;
      lines.push(value);
    }
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    await ended;
  }
}

function kib(file: string, key: string): number {
  const found = new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(fs.readFileSync(file, "utf8"));
  return Number(found?.[1] ?? 0);
}

/** PostgreSQL refuses to run as root. */
function runner(): Readonly<{ uid: number; gid: number }> {
  const id = (flag: string, user: string[]) =>
    Number(execFileSync("id", [flag, ...user], { encoding: "utf8" }));
  const user = process.getuid?.() === 0 ? [SUPERUSER] : [];
  return { uid: id("-u", user), gid: id("-g", user) };
}
