// What the SQL door has: requests whose sessions are known to be there. Pure but for what it is told; nothing here decides on sizes.
import {
  type ReservationAnswer,
  type ReservationRequest,
  type ReservationState,
} from "@selfscale/core";
import { type Ask, type Hold } from "./messages.ts";

/** A lock of ours that some session holds now. */
export type HeldLock = Readonly<{ nonce: number; pid: number; loginId: number }>;

export type Entry = Readonly<{
  id: string;
  ask: Ask;
  /** Names of the files that brought it: they stay as long as it does, so that a monitor that is started anew finds it. */
  files: readonly string[];
  /** The last word on how long it lasts. */
  hold: Hold | null;
  /** A monitor before this one had granted it. */
  wasGranted: boolean;
  /** Its session was seen, and the registry was asked. */
  isAdmitted: boolean;
  state: ReservationState;
  answer: ReservationAnswer | null;
}>;

/** Both clocks at one moment, in milliseconds: ours only goes forward, the other's is what PostgreSQL writes. */
export type Clocks = Readonly<{ mono: number; wall: number }>;

/** After a restart, what was granted before must be found again, and the agent may take a while to call. */
const AGAIN_MS = 60_000;

const NEW = { isAdmitted: false, state: "waiting", answer: null } as const;

export function entryId(nonce: number): string {
  return `sql-${nonce}`;
}

export function newEntry(ask: Ask, file: string, wasGranted: boolean): Entry {
  const id = entryId(ask.nonce);
  return { id, ask, files: [file], hold: null, wasGranted, ...NEW };
}

/**
 * Whether the reservation goes on though no session holds its lock: it is to end with its hold alone, and was granted. The hold came after
 * that, and before the session let go.
 */
export function isKept({ ask, hold }: Entry, { wall }: Clocks): boolean {
  return ask.scope === "hold" && hold !== null && hold.atMs + hold.holdMs > wall;
}

/** Whether a session stands for it. A number alone proves nothing: anybody may take any lock. */
export function isHeld({ ask }: Entry, locks: readonly HeldLock[]): boolean {
  return locks.some(
    ({ nonce, pid, loginId }) => nonce === ask.nonce && pid === ask.pid && loginId === ask.loginId,
  );
}

/** What the registry is asked. Again for the same id: it is prolonged, or shortened. */
export function requestOf({ id, ask, hold, wasGranted }: Entry, now: Clocks): ReservationRequest {
  const { door, role: owner, memBytes, milliCpu, waitMs, holdMs } = ask;
  // A clock that was set must not make a wait longer than it was asked to be.
  const since = (atMs: number) => Math.max(0, now.wall - atMs);
  const leftMs = wasGranted ? AGAIN_MS : Math.max(0, waitMs - since(ask.atMs));
  const waitUntil = now.mono + leftMs;
  const holdUntil =
    hold !== null
      ? now.mono + Math.max(0, hold.holdMs - since(hold.atMs))
      : holdMs === null
        ? null
        : waitUntil + holdMs;
  const ifNotGranted = wasGranted ? "proceed" : ask.ifRefused;
  const reason = ask.reason === "" ? `session ${ask.pid} in ${ask.database}` : ask.reason;
  return { id, door, owner, reason, memBytes, milliCpu, waitUntil, holdUntil, ifNotGranted };
}
