// PostgreSQL as the monitor's loop knows it: what is seen of it comes in as events, orders for its file cache go out.
import {
  type AnticipationPolicy,
  type MonitorEvent,
  type ReservationRequest,
} from "@selfscale/core";
import { type Log } from "../../log.ts";
import { type PostgresClient } from "../client.ts";
import { LOCK_CLASS } from "../sql/version.ts";
import { type CacheOrder, FileCacheHand } from "./file-cache-hand.ts";
import { PostgresSense, type SenseTimers } from "./sense.ts";

/** The loop's side. */
export type WatchGround = Readonly<{
  now(): number;
  /** The VM's largest size, bytes; null while nobody knows. */
  mostBytes(): number | null;
  /** Looks at the machine, for what follows is judged by this moment. */
  look(): void;
  reserve(request: ReservationRequest): void;
  feed(event: MonitorEvent): void;
  log: Log;
  timers?: Partial<SenseTimers>;
}>;

export class PostgresWatch {
  readonly #sense: PostgresSense;
  readonly #hand: FileCacheHand;

  constructor(client: PostgresClient, policy: AnticipationPolicy, ground: WatchGround) {
    const { look, feed } = ground;
    this.#sense = new PostgresSense({
      ...ground,
      client,
      policy,
      reservedBy: { lockClasses: [LOCK_CLASS, LOCK_CLASS + 1] },
    });
    this.#hand = new FileCacheHand(client, ground.now, (answer) => {
      look();
      feed({ kind: "file-cache-answered", ...answer });
    });
  }

  /** Before the client is. */
  start(): void {
    this.#sense.start();
  }

  stop(): void {
    this.#sense.stop();
  }

  setFileCache(order: CacheOrder): void {
    this.#hand.set(order);
  }
}
