import {
  MAX_RESERVATION_OWNER_CHARS,
  MAX_RESERVATION_REASON_CHARS,
  type ReservationDoor,
  type ReservationRequest,
} from "@selfscale/core";
import {
  BYTES_EXPECTED,
  DURATION_EXPECTED,
  parseBytes,
  parseDuration,
} from "../config/quantities.ts";

/** What somebody asks for over the socket, understood: times still as spans, in milliseconds. */
export type Wish = Readonly<
  Pick<ReservationRequest, "owner" | "reason" | "memBytes" | "milliCpu" | "ifNotGranted"> & {
    door: Extract<ReservationDoor, "http" | "command">;
    /** One that a monitor before this gave, and that is asked for again; null: a new one. */
    id: string | null;
    waitMs: number;
    /** From the grant; null, for one that is bound only: as long as the connection. */
    holdMs: number | null;
    /** Whether it ends with the connection. */
    isBound: boolean;
  }
>;

type Read = Readonly<{ ok: true; wish: Wish }> | Readonly<{ ok: false; problem: string }>;

/** Unless it is said. */
export const DEFAULT_WAIT_MS = 30_000;
const DEFAULT_HOLD_MS = 600_000;
/** A forgotten reservation costs memory for so long at most. */
export const LONGEST_MS = 86_400_000;
const MOST_CPU = 1024;

/** A field that is wrong. It never leaves this file. */
class FieldError extends Error {}

/** The body of `POST /reservations`. Never throws: a mistake is a problem in one sentence. */
export function readWish(text: string): Read {
  try {
    return { ok: true, wish: wishOf(parseObject(text)) };
  } catch (error) {
    if (error instanceof FieldError) return { ok: false, problem: error.message };
    throw error;
  }
}

type Fields = Readonly<Record<string, unknown>>;

const KNOWN: ReadonlySet<string> = new Set([
  ...["memory", "cpu", "wait", "hold", "ifNotGranted"],
  ...["owner", "reason", "bound", "door", "id"],
]);

function wishOf(fields: Fields): Wish {
  const unknown = Object.keys(fields).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw new FieldError(`${quote(unknown)}: unknown field`);
  const isBound = choice(fields, "bound", [false, true]);
  const door = choice(fields, "door", ["http", "command"]);
  const wish: Wish = {
    memBytes: fields["memory"] === undefined ? 0 : bytesIn(fields["memory"]),
    milliCpu: fields["cpu"] === undefined ? 0 : milliIn(fields["cpu"]),
    waitMs: durationIn(fields, "wait") ?? DEFAULT_WAIT_MS,
    holdMs: durationIn(fields, "hold") ?? (isBound ? null : DEFAULT_HOLD_MS),
    ifNotGranted: choice(fields, "ifNotGranted", ["fail", "proceed"]),
    owner: textIn(fields, "owner", MAX_RESERVATION_OWNER_CHARS) ?? "local",
    reason: textIn(fields, "reason", MAX_RESERVATION_REASON_CHARS) ?? "",
    door,
    id: idIn(fields, door, isBound),
    isBound,
  };
  if (wish.memBytes + wish.milliCpu > 0) return wish;
  throw new FieldError("neither memory nor cpu is asked for");
}

function parseObject(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FieldError(`not JSON: ${(error as Error).message}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new FieldError(`${quote(value)}: expected an object`);
}

function bytesIn(value: unknown): number {
  const bytes = parseBytes(value);
  if (bytes !== null) return bytes;
  throw new FieldError(`memory: ${quote(value)} is not accepted: expected ${BYTES_EXPECTED}`);
}

function milliIn(value: unknown): number {
  const milli = typeof value === "number" ? Math.round(value * 1000) : NaN;
  if (milli >= 0 && milli <= MOST_CPU * 1000) return milli;
  const expected = `a number of vCPUs, 0 to ${MOST_CPU}`;
  throw new FieldError(`cpu: ${quote(value)} is not accepted: expected ${expected}`);
}

function durationIn(fields: Fields, key: string): number | null {
  const value = fields[key];
  if (value === undefined) return null;
  const ms = parseDuration(value);
  if (ms !== null && ms <= LONGEST_MS) return ms;
  const expected = `${DURATION_EXPECTED}, 24h at most`;
  throw new FieldError(`${key}: ${quote(value)} is not accepted: expected ${expected}`);
}

const UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";

function idIn(fields: Fields, door: string, isBound: boolean): string | null {
  const value = fields["id"];
  if (value === undefined) return null;
  if (!isBound) throw new FieldError("id: only what is bound is asked for again");
  if (typeof value === "string" && new RegExp(`^${door}-${UUID}$`).test(value)) return value;
  throw new FieldError(`id: ${quote(value)} is not accepted: expected an id that was answered`);
}

function textIn(fields: Fields, key: string, maxChars: number): string | null {
  const value = fields[key];
  if (value === undefined) return null;
  if (typeof value === "string" && value.length <= 2 * maxChars) return value;
  const expected = `a text of at most ${maxChars} characters`;
  throw new FieldError(`${key}: ${quote(value)} is not accepted: expected ${expected}`);
}

/** The first is what it is when nothing is said. */
function choice<const T extends string | boolean>(
  fields: Fields,
  key: string,
  words: readonly [T, ...T[]],
): T {
  const value = fields[key] ?? words[0];
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  const expected = words.map(String).join(" or ");
  throw new FieldError(`${key}: ${quote(value)} is not accepted: expected ${expected}`);
}

function quote(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
