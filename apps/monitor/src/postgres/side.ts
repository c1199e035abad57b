// The monitor's side towards PostgreSQL: one kept connection, and the SQL door on it.
import {
  type MonitorAction,
  type MonitorEvent,
  type MonitorState,
  monitorStatus,
  type ReservationRequest,
} from "@selfscale/core";
import { type Log } from "../log.ts";
import { type DatedDecision } from "../shell/journal.ts";
import { PostgresClient } from "./client.ts";
import { SqlDoor } from "./door/door.ts";
import { type PostgresSettings } from "./settings.ts";

/** What this side needs of the monitor. */
export type PostgresGround = Readonly<{
  /** Monotonic milliseconds, as the core counts. */
  now(): number;
  state(): MonitorState;
  decisions(): readonly DatedDecision[];
  /** Why the size is what it is, in sentences. */
  explain(): readonly string[];
  /** Looks at the memory first. */
  reserve(request: ReservationRequest): void;
  feed(event: MonitorEvent): void;
  log: Log;
}>;

export class PostgresSide {
  readonly client: PostgresClient;
  readonly #door: SqlDoor;

  constructor(settings: PostgresSettings, ground: PostgresGround) {
    const { log, now, reserve, feed } = ground;
    this.client = new PostgresClient(settings, log);
    this.#door = new SqlDoor({
      client: this.client,
      folder: settings.folder,
      clocks: () => ({ mono: now(), wall: Date.now() }),
      ask: reserve,
      feed,
      view: () => ({
        monitor: monitorStatus(ground.state(), now()),
        decisions: ground.decisions(),
        explain: ground.explain(),
      }),
      log,
    });
  }

  /** Returns at once, whatever PostgreSQL does. */
  start(): void {
    this.#door.start();
    this.client.start();
  }

  async stop(): Promise<void> {
    this.#door.stop();
    await this.client.stop();
  }

  /** The registry's word on a reservation of any door. */
  heed({ id, state, answer }: Extract<MonitorAction, { kind: "reservation-changed" }>): void {
    this.#door.changed(id, state, answer);
  }
}
