// From text to a typed message. Nothing in here throws on what a peer sends, and nothing echoes
// more than a few characters of it. The decoder is more liberal than the deployed peers; the
// differences are a table in recorded.test.ts.
import type * as z from "zod/mini";
import { MAX_FRAME_BYTES, MAX_PROBLEM_CHARS } from "./limits.ts";
import { FromAgent, FromMonitor } from "./messages.ts";
import { isLongerThan } from "./text.ts";

/** What is wrong with a frame. None is a reason to close by itself: count them. */
export type ProblemKind =
  "too-large" | "not-json" | "not-an-object" | "no-id" | "unknown-type" | "bad-fields";

/** A frame that could not be read. Answer it with `InvalidMessage` to `id ?? 0`. */
export type Undecoded = Readonly<{
  ok: false;
  /** One line of at most 200 characters, fit for `InvalidMessage` and for a log. */
  problem: string;
  /** The frame's own id, when it had a usable one. */
  id: number | null;
  kind: ProblemKind;
}>;

export type Decoded<T> = Readonly<{ ok: true; message: T }> | Undecoded;

type JsonObject = Readonly<Record<string, unknown>>;

/** Never throws: a bad frame is the peer's mistake. */
export function decodeFromMonitor(text: string): Decoded<FromMonitor> {
  const object = readObject(text);
  if (!object.ok) return object;
  const raw = object.message;
  return readMessage(FromMonitor, raw.type === "DownscaleResult" ? withCapitals(raw) : raw);
}

/** Never throws: a bad frame is the peer's mistake. */
export function decodeFromAgent(text: string): Decoded<FromAgent> {
  const object = readObject(text);
  return object.ok ? readMessage(FromAgent, object.message) : object;
}

/**
 * A JSON object out of a frame, within the size limit. A newline at the end is fine: deployed
 * agents send one. Of duplicate keys the last wins, as everywhere in JavaScript.
 */
export function readObject(text: string): Decoded<JsonObject> {
  if (isLongerThan(text, MAX_FRAME_BYTES)) {
    return undecoded("too-large", `frame is larger than ${MAX_FRAME_BYTES} bytes`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own words quote the input, so they are not passed on.
    return undecoded("not-json", "frame is not JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return undecoded("not-an-object", "frame is not a JSON object");
  }
  return { ok: true, message: json as JsonObject };
}

/** Check an object against a schema; the first thing that is wrong becomes the problem. */
export function readFields<Schema extends z.ZodMiniType>(
  schema: Schema,
  raw: JsonObject,
  id: number | null,
): Decoded<z.output<Schema>> {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { ok: true, message: parsed.data };
  const [issue] = parsed.error.issues;
  if (issue === undefined) return undecoded("bad-fields", "invalid", id);
  if (issue.code === "invalid_union") return unknownType(raw.type, id); // by `type` alone
  const where = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  return undecoded("bad-fields", where + describe(issue), id);
}

export function undecoded(kind: ProblemKind, problem: string, id: number | null = null): Undecoded {
  return { ok: false, problem: problem.slice(0, MAX_PROBLEM_CHARS), id, kind };
}

function readMessage<Schema extends z.ZodMiniType>(
  schema: Schema,
  raw: JsonObject,
): Decoded<z.output<Schema>> {
  const { id } = raw;
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) {
    return undecoded("no-id", "id is not an integer of 0 to 2^53-1");
  }
  return readFields(schema, raw, id);
}

function unknownType(type: unknown, id: number | null): Undecoded {
  if (typeof type !== "string") return undecoded("unknown-type", "type is not a string", id);
  return undecoded("unknown-type", `unknown type ${quoted(type)}`, id);
}

/** Never quotes what came. */
function describe(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${issue.expected}`;
    case "too_small":
      return `expected ${issue.inclusive === true ? "at least" : "more than"} ${issue.minimum}`;
    case "too_big":
      return `expected at most ${issue.maximum}`;
    case "custom":
      return issue.message;
    default:
      return "invalid";
  }
}

/**
 * Deployed agents read field names in any case, so a monitor may have written these in lower
 * case.
 */
function withCapitals(raw: JsonObject): JsonObject {
  return { ...raw, Ok: raw.Ok ?? raw.ok, Status: raw.Status ?? raw.status };
}

/** A peer's word, short and in printable ASCII, so that it can be logged and sent back. */
function quoted(word: string): string {
  const shown = word.slice(0, 40).replace(/[^ !#-[\]-~]/g, "?");
  return word.length > 40 ? `"${shown}…"` : `"${shown}"`;
}
