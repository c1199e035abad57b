import { randomUUID } from "node:crypto";
import { type MonitorAction, type MonitorEvent, type ReservationRequest } from "@selfscale/core";
import { type Wish } from "./wish.ts";

export type Change = Extract<MonitorAction, { kind: "reservation-changed" }>;

/** What the desk needs of the monitor's loop. */
export type Counter = Readonly<{
  now(): number;
  /** Looks first: what is in use now counts. */
  reserve(request: ReservationRequest): void;
  feed(event: MonitorEvent): void;
}>;

type Ticket = {
  readonly request: ReservationRequest;
  readonly holdMs: number | null;
  readonly onChange: (change: Change) => void;
  /** No connection holds it: only its time or somebody's word ends it. */
  readonly standsAlone: boolean;
  isGranted: boolean;
};

/** Takes wishes to the monitor's core and answers back. It holds no more than the core lets be active. */
export class ReservationDesk {
  readonly #counter: Counter;
  readonly #tickets = new Map<string, Ticket>();

  constructor(counter: Counter) {
    this.#counter = counter;
  }

  /** Names a reservation to be. Never the same twice, nor the same as before a restart. */
  newId({ door }: Wish): string {
    return `${door}-${randomUUID()}`;
  }

  /** Asks. `onChange` may be called before this returns, and is for the last time with `refused` or `ended`. */
  reserve(id: string, wish: Wish, onChange: (change: Change) => void): void {
    const { owner, reason, memBytes, milliCpu, ifNotGranted, door, waitMs, holdMs } = wish;
    const standsAlone = !wish.isBound;
    const waitUntil = this.#counter.now() + waitMs;
    const request: ReservationRequest = {
      ...{ id, door, owner, reason, memBytes, milliCpu, waitUntil, ifNotGranted },
      // The hold counts from the grant, which is not later than this.
      holdUntil: holdMs === null ? null : waitUntil + holdMs,
    };
    this.#tickets.set(id, { request, holdMs, onChange, standsAlone, isGranted: false });
    this.#counter.reserve(request);
  }

  /** Somebody holds it, or nobody needs to: it can't be asked for again. */
  isTaken(id: string): boolean {
    return this.#tickets.has(id);
  }

  standsAlone(id: string): boolean {
    return this.#tickets.get(id)?.standsAlone === true;
  }

  /** A monitor before this one granted it, and it stands alone. */
  adopt(request: ReservationRequest): void {
    const ticket = { request, holdMs: null, onChange: () => {}, standsAlone: true };
    this.#tickets.set(request.id, { ...ticket, isGranted: true });
  }

  release(id: string): void {
    this.#counter.feed({ kind: "reservation-released", id });
  }

  /** The core's word, of any door's reservation. */
  heed(change: Change): void {
    const ticket = this.#tickets.get(change.id);
    if (ticket === undefined) return;
    if (change.state === "refused" || change.state === "ended") this.#tickets.delete(change.id);
    if (change.state === "granted") {
      if (ticket.isGranted) return; // its hold was set, which is said again
      ticket.isGranted = true;
      this.#startHold(ticket);
    }
    ticket.onChange(change);
  }

  #startHold({ request, holdMs }: Ticket): void {
    if (holdMs === null) return;
    this.#counter.reserve({ ...request, holdUntil: this.#counter.now() + holdMs });
  }
}
