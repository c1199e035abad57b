// What the tests of the SQL door stand on: one PostgreSQL with the functions and some roles for a whole file; for each test a rig
// behind the door, and a session of the role app.
import fs from "node:fs";
import path from "node:path";
import { type Client } from "pg";
import { installScript } from "../postgres/sql/script.ts";
import { DoorRig, makeDoorRoot, type RigOptions } from "./door-rig.ts";
import { PostgresServer } from "./postgres-server.ts";
import { until } from "./until.ts";

/** May call; every test has a session of it. */
const APP = "CREATE ROLE app LOGIN IN ROLE selfscale_user";

export class DoorStage {
  readonly server: PostgresServer;
  readonly root: string;
  readonly #sessions: Client[] = [];
  #rig: DoorRig | null = null;

  private constructor(server: PostgresServer, root: string) {
    this.server = server;
    this.root = root;
  }

  /** With lines of postgresql.conf, and SQL that makes more roles. */
  static async start({ settings = [] as readonly string[], roles = "" } = {}): Promise<DoorStage> {
    const stage = new DoorStage(await PostgresServer.start(settings), makeDoorRoot());
    await stage.server.query(installScript(stage.root));
    await stage.server.query(`${APP};${roles}`);
    return stage;
  }

  async open(): Promise<Readonly<{ rig: DoorRig; app: Client }>> {
    const rig = await this.reopen();
    return { rig, app: await this.session("app") };
  }

  /** The next monitor, with what the one before left, and its own timers. */
  async reopen(options?: RigOptions): Promise<DoorRig> {
    await this.#rig?.stop();
    this.#rig = await DoorRig.start(this.server, this.root, options);
    return this.#rig;
  }

  /** Ended by `close`. */
  async session(user: string, database = "postgres"): Promise<Client> {
    const client = await this.server.connect({ user, database });
    this.#sessions.push(client);
    return client;
  }

  /** They ended with the server: `close` has nothing to end. */
  loseSessions(): void {
    this.#sessions.splice(0);
  }

  async nothingIsHeld(): Promise<void> {
    await until("nothing is held", () => this.#rig?.active.size === 0 || null);
  }

  /** Messages that the door still keeps. */
  bells(): readonly string[] {
    return fs.readdirSync(path.join(this.#folder, "bell"));
  }

  /** After each test: its sessions have ended, so nothing may be held; `isClean` looks for more. */
  async close(isClean: () => unknown = () => undefined): Promise<void> {
    await Promise.all(this.#sessions.splice(0).map((client) => client.end()));
    try {
      await this.nothingIsHeld();
      await isClean();
    } finally {
      // A test that failed must not make the next ones fail.
      await this.#rig?.stop();
      fs.rmSync(this.#folder, { recursive: true });
    }
  }

  async remove(): Promise<void> {
    await this.server.remove();
    fs.rmSync(this.root, { recursive: true });
  }

  get #folder(): string {
    return path.join(this.root, String(this.server.port));
  }
}
