// One line of a QMP stream, read without trust. Never throws.
import * as z from "zod";

/** QEMU's first line. */
export type QmpGreeting = Readonly<{
  version: Readonly<{ major: number; minor: number; micro: number; package: string }>;
  capabilities: readonly string[];
}>;

/** QEMU's wall clock when the event was made. Both are -1 when it could not tell. */
export type QmpTimestamp = Readonly<{ seconds: number; microseconds: number }>;

export type RawEvent = Readonly<{
  name: string;
  data: Readonly<Record<string, unknown>>;
  timestamp: QmpTimestamp;
}>;

export type ReplyOutcome =
  | Readonly<{ kind: "returned"; value: unknown }>
  | Readonly<{ kind: "refused"; errorClass: string; description: string }>
  | Readonly<{ kind: "malformed"; problem: string }>;

/** Our ids are integers. "absent": QEMU could not read the command, so not its id either. */
export type ReplyId = number | "absent" | "foreign";

export type Message =
  | Readonly<{ kind: "greeting"; greeting: QmpGreeting }>
  | Readonly<{ kind: "event"; event: RawEvent }>
  | Readonly<{ kind: "reply"; id: ReplyId; outcome: ReplyOutcome }>
  | Readonly<{ kind: "problem"; problem: string }>;

const Greeting = z.object({
  version: z.object({
    qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }),
    package: z.string().default(""),
  }),
  // QEMU's grammar leaves room for structured capabilities; we use none, so only names are kept.
  capabilities: z.array(z.unknown()).default([]),
});

const Event = z.object({
  event: z.string().min(1),
  data: z.record(z.string(), z.unknown()).default({}),
  timestamp: z
    .object({ seconds: z.int(), microseconds: z.int() })
    .default({ seconds: -1, microseconds: -1 }),
});

const Refusal = z.object({ class: z.string(), desc: z.string() });

/** What one line says; `null` for an empty one. */
export function parseMessage(line: string): Message | null {
  if (line.trim() === "") return null;
  const json = parseObject(line);
  if (json === null) return { kind: "problem", problem: `no JSON object: ${excerpt(line)}` };
  if ("QMP" in json) return parseGreeting(json.QMP, line);
  if ("event" in json) return parseEvent(json, line);
  if ("return" in json || "error" in json || "id" in json) {
    return { kind: "reply", id: readId(json), outcome: readOutcome(json, line) };
  }
  return { kind: "problem", problem: `neither reply nor event: ${excerpt(line)}` };
}

function parseGreeting(body: unknown, line: string): Message {
  const parsed = Greeting.safeParse(body);
  if (!parsed.success) return { kind: "problem", problem: `no QMP greeting: ${excerpt(line)}` };
  const { version, capabilities } = parsed.data;
  const { major, minor, micro } = version.qemu;
  return {
    kind: "greeting",
    greeting: {
      version: { major, minor, micro, package: version.package },
      capabilities: capabilities.filter((one) => typeof one === "string"),
    },
  };
}

function parseEvent(json: object, line: string): Message {
  const parsed = Event.safeParse(json);
  if (!parsed.success) return { kind: "problem", problem: `no QMP event: ${excerpt(line)}` };
  const { event, data, timestamp } = parsed.data;
  return { kind: "event", event: { name: event, data, timestamp } };
}

function readId(json: Record<string, unknown>): ReplyId {
  if (!("id" in json)) return "absent";
  return Number.isSafeInteger(json.id) ? (json.id as number) : "foreign";
}

function readOutcome(json: Record<string, unknown>, line: string): ReplyOutcome {
  const isReturn = "return" in json;
  if (isReturn && !("error" in json)) return { kind: "returned", value: json.return };
  const refusal = Refusal.safeParse(json.error);
  if (isReturn || !refusal.success) return { kind: "malformed", problem: excerpt(line) };
  return { kind: "refused", errorClass: refusal.data.class, description: refusal.data.desc };
}

function parseObject(line: string): Record<string, unknown> | null {
  try {
    const json: unknown = JSON.parse(line);
    if (typeof json !== "object" || json === null || Array.isArray(json)) return null;
    return json as Record<string, unknown>;
  } catch {
    return null; // the caller reports the line itself, which says more than the parser's message
  }
}

/** The start of a line from outside, safe to log. */
function excerpt(line: string): string {
  const MAX_CHARS = 80;
  return JSON.stringify(line.length > MAX_CHARS ? `${line.slice(0, MAX_CHARS)}…` : line);
}
