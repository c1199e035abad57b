// What was granted, written down for the monitor that comes after this one: when this one is killed or replaced, whoever
// reserved still relies on it. It lies beside the socket, in a folder that a boot empties, and is worth nothing after one.
import fs from "node:fs";
import {
  type GrantedReservations,
  RESERVATION_DOORS,
  type ReservationDoor,
  type ReservationRequest,
} from "@selfscale/core";
import { type Log } from "../log.ts";
import { LONGEST_MS } from "./wish.ts";

/** Whoever holds one by a connection or a session must have asked again by then. */
export const CLAIM_MS = 30_000;
/** All that the limits allow, with the longest texts. */
const MAX_BYTES = 1_048_576;
const FORMAT = 1;

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/** What it stands on. */
export type GrantedFileGround = Readonly<{
  path: string;
  /** null: not known, and nothing is written down. */
  bootId: string | null;
  /** Milliseconds as the core counts; it begins anew with each monitor. */
  now(): number;
  log: Log;
}>;

export type Found = Readonly<{
  granted: GrantedReservations;
  /** Those that only time or somebody's word ends. */
  alone: readonly ReservationRequest[];
}>;

export class GrantedFile {
  readonly #ground: GrantedFileGround;
  /** What the file holds; null: there is none. */
  #text: string | null = null;
  #problem: string | null = null;

  constructor(ground: GrantedFileGround) {
    this.#ground = ground;
  }

  /**
   * What the monitor before this one left; null: nothing. The file is gone then, so that one that ends us is not read again
   * by the next. Never throws: what can't be believed is said, and left out.
   */
  take(): Found | null {
    const { path, bootId, now } = this.#ground;
    try {
      const text = readOwn(path);
      if (text === null) return null;
      fs.rmSync(path, { force: true });
      const value = JSON.parse(text) as unknown;
      if (!isObject(value)) throw new Error("expected an object");
      if (bootId === null || value["boot"] !== bootId) return null;
      if (value["format"] !== FORMAT) throw new Error(`expected format ${FORMAT}`);
      return this.#found(value, now());
    } catch (error) {
      this.#report(`what was reserved before can't be read: ${(error as Error).message}`);
      return null;
    }
  }

  /** Whoever was told that it is granted may rely on it, so this comes first. */
  save({ base, all }: GrantedReservations, standsAlone: (id: string) => boolean): void {
    const { path, bootId: boot } = this.#ground;
    if (boot === null) return;
    const sinceBootMs = this.#sinceBootMs();
    const rows = all.map(({ request: { waitUntil: _, holdUntil, ...request }, granted }) => ({
      ...request,
      granted,
      // Rounded down: no restart makes it longer.
      endsMs: holdUntil === null ? null : Math.floor(holdUntil + sinceBootMs),
      standsAlone: standsAlone(request.id),
    }));
    const text = rows.length === 0 ? null : JSON.stringify({ format: FORMAT, boot, base, rows });
    if (text === this.#text) return;
    try {
      if (text === null) fs.rmSync(path, { force: true });
      else replace(path, text);
      this.#text = text;
      this.#problem = null;
    } catch (error) {
      this.#report(`what is reserved can't be written down: ${(error as Error).message}`);
    }
  }

  #found(value: Fields, now: number): Found {
    const { rows } = value;
    if (!Array.isArray(rows)) throw new Error("expected rows");
    const sinceBootMs = this.#sinceBootMs();
    const read = rows.map((row) => readRow(row, sinceBootMs, now));
    const good = read.filter((row) => row !== null);
    if (good.length < read.length) {
      const count = read.length - good.length;
      this.#report(`${count} of ${read.length} reservations that were left make no sense`);
    }
    const alone = good.filter((row) => row.standsAlone).map(({ request }) => request);
    return { granted: { base: readBase(value["base"]), all: good }, alone };
  }

  /** From our clock to the machine's, which goes on when we are started anew. */
  #sinceBootMs(): number {
    return Number(process.hrtime.bigint() / 1_000n) / 1_000 - this.#ground.now();
  }

  #report(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#ground.log.warn({ path: this.#ground.path }, problem);
  }
}

type Fields = Readonly<Record<string, unknown>>;
type Row = GrantedReservations["all"][number] & Readonly<{ standsAlone: boolean }>;

/** null: it makes no sense. What it asks for the core judges. */
function readRow(row: unknown, sinceBootMs: number, now: number): Row | null {
  if (!isObject(row)) return null;
  const { id, door, owner, reason, memBytes, milliCpu, ifNotGranted, granted, endsMs } = row;
  const { standsAlone } = row;
  const isSane =
    [id, owner, reason].every((text) => typeof text === "string") &&
    [memBytes, milliCpu].every(isAmount) &&
    (endsMs === null || Number.isFinite(endsMs)) &&
    RESERVATION_DOORS.includes(door as ReservationDoor) &&
    (ifNotGranted === "fail" || ifNotGranted === "proceed") &&
    isObject(granted) &&
    [granted["memBytes"], granted["milliCpu"]].every(isAmount);
  if (!isSane || (standsAlone === true && endsMs === null)) return null;
  const mostMs = standsAlone === true ? LONGEST_MS : CLAIM_MS;
  // The nearer of both: a second restart gives nobody more time to ask again.
  const endsAt = endsMs === null ? Infinity : (endsMs as number) - sinceBootMs;
  const request = {
    ...{ id, door, owner, reason, memBytes, milliCpu, ifNotGranted },
    waitUntil: now,
    holdUntil: Math.min(endsAt, now + mostMs),
  } as ReservationRequest;
  const { memBytes: bytes, milliCpu: milli } = granted as { memBytes: number; milliCpu: number };
  return {
    request,
    granted: { memBytes: bytes, milliCpu: milli },
    standsAlone: standsAlone === true,
  };
}

/** null: not known, and then what is in use by now counts. */
function readBase(value: unknown): GrantedReservations["base"] {
  if (!isObject(value)) return null;
  const { usedBytes, kernelBytes, toldBytes } = value;
  if (![usedBytes, kernelBytes, toldBytes].every(isAmount)) return null;
  return { usedBytes, kernelBytes, toldBytes } as GrantedReservations["base"];
}

function isAmount(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** null: there is none. Throws when it is none of ours. */
function readOwn(path: string): string | null {
  let descriptor: number | null = null;
  try {
    descriptor = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fs.fstatSync(descriptor);
    if (!stat.isFile() || stat.uid !== process.getuid?.()) throw new Error("it is not our file");
    if (stat.size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
    return fs.readFileSync(descriptor, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  } finally {
    if (descriptor !== null) fs.closeSync(descriptor);
  }
}

/** The next monitor finds the old or the new, whole. */
function replace(path: string, text: string): void {
  const draft = `${path}.new`;
  fs.rmSync(draft, { force: true });
  fs.writeFileSync(draft, text, { mode: 0o600, flag: "wx" });
  fs.renameSync(draft, path);
}
