// The SQL door on a real PostgreSQL, with a registry behind it that grants at once, lets wait or refuses, as the test says.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  type MonitorEvent,
  type ReservationAnswer,
  type ReservationRequest,
  type ReservationState,
} from "@selfscale/core";
import { type Log } from "../log.ts";
import { PostgresClient } from "../postgres/client.ts";
import { DOOR_TIMERS, type DoorTimers, SqlDoor } from "../postgres/door/door.ts";
import { type DoorView } from "../postgres/door/state-file.ts";
import { type PostgresServer } from "./postgres-server.ts";
import { until } from "./until.ts";

const GIB = 1024 ** 3;
const FLOOR = { milliCpu: 1_000, memBytes: GIB };
/** Beyond this much a request can never be granted. */
export const RIG_MAX_BYTES = 8 * GIB;

const TIMERS: DoorTimers = {
  ...DOOR_TIMERS,
  lookEveryMs: 20,
  wordEveryMs: 100,
  schemaEveryMs: 50,
  goneMs: 300,
  answerMs: 200,
};

export type RigOptions = Readonly<{
  user?: string;
  database?: string;
  timers?: Partial<DoorTimers>;
}>;

type Active = {
  request: ReservationRequest;
  state: ReservationState;
  timer: NodeJS.Timeout | null;
};

/** Folder that both sides use. It must be one that PostgreSQL's user can pass through. */
export function makeDoorRoot(): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-door-"));
  fs.chmodSync(root, 0o755);
  return root;
}

export class DoorRig {
  readonly client: PostgresClient;
  readonly door: SqlDoor;
  readonly active = new Map<string, Active>();
  readonly asked: ReservationRequest[] = [];
  readonly lines: string[] = [];
  readonly stateFile: string;
  /** The node has no room: nothing is granted. */
  isFull = false;
  isStopped = false;
  /** Questions that PostgreSQL was asked, and how many of them were about its locks. */
  queries = 0;
  looks = 0;

  constructor(
    server: PostgresServer,
    root: string,
    { user = "selfscale_monitor", database = "postgres", timers = TIMERS }: RigOptions = {},
  ) {
    this.stateFile = path.join(root, String(server.port), "state.json");
    const log = this.#log();
    const { dir: host, port } = server;
    this.client = new PostgresClient(
      {
        ...{ host, port, user, passwordFile: null, database },
        ...{ queryTimeoutMs: 1_000, folder: root },
      },
      log,
      { retryFirstMs: 20, retryMaxMs: 50 },
    );
    this.#countLooks();
    this.door = new SqlDoor({
      client: this.client,
      folder: root,
      clocks: () => ({ mono: performance.now(), wall: Date.now() }),
      ask: (request) => this.#ask(request),
      feed: (event) => this.#feed(event),
      view: () => this.#view(),
      log,
      timers: { ...TIMERS, ...timers },
    });
  }

  /** Started, connected, and its first word written. */
  static async start(server: PostgresServer, root: string, options?: RigOptions): Promise<DoorRig> {
    const rig = new DoorRig(server, root, options);
    rig.start();
    await until("the door is open", () => fs.existsSync(rig.stateFile) || null);
    return rig;
  }

  start(): void {
    this.door.start();
    this.client.start();
  }

  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    this.door.stop();
    await this.client.stop();
    for (const { timer } of this.active.values()) if (timer !== null) clearTimeout(timer);
  }

  /** Dies like a process: the files stay as they are. */
  async kill(): Promise<void> {
    const text = fs.readFileSync(this.stateFile, "utf8");
    await this.stop();
    fs.writeFileSync(this.stateFile, text);
    fs.chmodSync(this.stateFile, 0o644);
  }

  /** The door has looked at the locks as they are now. */
  async looked(): Promise<void> {
    // One look may have begun before.
    const enough = this.looks + 2;
    await until("the door looks", () => this.looks >= enough || null);
  }

  #countLooks(): void {
    const query = this.client.query.bind(this.client);
    this.client.query = async (text, values) => {
      const outcome = await query(text, values);
      this.queries += 1;
      if (text.includes("pg_locks")) this.looks += 1;
      return outcome;
    };
  }

  /** What is kept or waited for, in bytes, by owner. */
  held(): readonly string[] {
    return [...this.active.values()].map(
      ({ request, state }) => `${request.owner} ${request.memBytes / GIB} GiB ${state}`,
    );
  }

  #ask(request: ReservationRequest): void {
    this.asked.push(request);
    const before = this.active.get(request.id);
    if (before?.timer) clearTimeout(before.timer);
    if (request.memBytes > RIG_MAX_BYTES) {
      this.#tell(request.id, "refused", { granted: null, reason: "bounds" });
      return;
    }
    const active: Active = { request, state: before?.state ?? "waiting", timer: null };
    this.active.set(request.id, active);
    if (active.state === "granted") {
      this.#expireLater(active);
    } else if (!this.isFull) {
      this.#grant(active, "there");
    } else {
      this.#tell(request.id, "waiting", { granted: null, reason: "node-full" });
      active.timer = setTimeout(
        () => this.#waitIsOver(active),
        Math.max(0, request.waitUntil - performance.now()),
      );
    }
  }

  #waitIsOver(active: Active): void {
    if (active.request.ifNotGranted === "proceed") this.#grant(active, "proceeded");
    else this.#end(active.request.id, "refused", "node-full");
  }

  #grant(active: Active, reason: ReservationAnswer["reason"]): void {
    active.state = "granted";
    const { milliCpu, memBytes } = active.request;
    const granted = reason === "there" ? { milliCpu, memBytes } : { milliCpu, memBytes: 0 };
    this.#tell(active.request.id, "granted", { granted, reason });
    this.#expireLater(active);
  }

  #expireLater(active: Active): void {
    const { holdUntil, id } = active.request;
    if (holdUntil === null) return;
    const leftMs = Math.max(0, holdUntil - performance.now());
    active.timer = setTimeout(() => this.#end(id, "ended", "expired"), leftMs);
  }

  #feed(event: MonitorEvent): void {
    if (event.kind === "reservation-released") this.#end(event.id, "ended", "released");
    if (event.kind !== "reservations-listed") return;
    for (const id of [...this.active.keys()]) {
      if (!event.ids.includes(id)) this.#end(id, "ended", "gone");
    }
  }

  #end(id: string, state: ReservationState, reason: ReservationAnswer["reason"]): void {
    const active = this.active.get(id);
    if (active === undefined) return;
    if (active.timer !== null) clearTimeout(active.timer);
    this.active.delete(id);
    this.#tell(id, state, { granted: null, reason });
  }

  #tell(
    id: string,
    state: ReservationState,
    answer: Pick<ReservationAnswer, "granted" | "reason">,
  ): void {
    const text = `The rig says ${answer.reason}.`;
    this.door.changed(id, state, { ...answer, floor: FLOOR, text, waitedMs: 0 });
  }

  #view(): DoorView {
    const size = { milliCpu: 2_000, memBytes: 2 * GIB };
    const ladder = { desired: size, permit: size, requested: size, actual: size };
    const active = [...this.active.values()].map(({ request, state }) => ({
      ...{
        ...request,
        state,
        askedAtMs: 0,
        grantedAtMs: null,
        answer: { text: "The rig says so." },
      },
    }));
    const monitor = {
      ...{ ladder, bounds: null, reason: "idle", agentReason: "met", isMet: true },
      reservations: { floor: { milliCpu: 0, memBytes: 0 }, active },
    };
    return {
      monitor: monitor as unknown as DoorView["monitor"],
      decisions: [],
      explain: ["It has 2 vCPU, 2048 MiB.", "Nothing more is needed."],
    };
  }

  #log(): Log {
    const line = (level: string) => (first: unknown, text?: string) => {
      this.lines.push(`${level}: ${text ?? String(first)}`);
    };
    const log = { info: line("info"), warn: line("warn"), error: line("error") };
    return log as unknown as Log;
  }
}
