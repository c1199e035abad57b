// Models of the two deployed peers, for tests only: what each does with a frame. Their truth is
// golden/wire-v1.json, which was recorded from the peers' own code; deployed-peers.test.ts holds
// them to it, row by row.
import { MAX_FRAME_BYTES } from "../limits.ts";
import { utf8Bytes } from "../text.ts";
import { parseStrictly, type StrictJson } from "./strict-json.ts";

/**
 * True if the deployed monitor (Rust, serde) reads this frame; otherwise it drops the
 * connection.
 */
export function monitorAccepts(text: string): boolean {
  const fields = fieldsOf(parseStrictly(text));
  if (fields === null || !isUnsigned(fields.get("id"))) return false;
  const type = fields.get("type");
  const content = fieldsOf(fields.get("content"));
  if (type?.kind !== "string" || content === null) return false;
  switch (type.value) {
    case "HealthCheck":
      return true;
    case "UpscaleNotification":
      return isResources(content.get("granted"));
    case "DownscaleRequest":
      return isResources(content.get("target"));
    case "InvalidMessage":
    case "InternalError":
      return content.get("error")?.kind === "string";
    default:
      return false;
  }
}

/** What the deployed monitor, which speaks version 1 only, does with a range. */
export function monitorAnswersRange(text: string): "version 1" | "error" | "dropped" | "abort" {
  const json = parseStrictly(text);
  const ends =
    json?.kind === "array" && json.items.length === 2
      ? json.items
      : [fieldsOf(json)?.get("min"), fieldsOf(json)?.get("max")];
  const [min, max] = ends.map(byteOf);
  if (min === undefined || max === undefined || min === null || max === null) return "dropped";
  if (min >= 2) return "abort"; // formats the version into its error, recursing for ever
  if (min > max) return "dropped";
  return max >= 1 ? "version 1" : "error";
}

/** What the deployed agent (Go) does with a frame while it waits for replies to `waiting`. */
export function agentReacts(
  text: string,
  waiting: ReadonlySet<number>,
): "handled" | "InvalidMessage" | `close ${number}` {
  if (utf8Bytes(text) > MAX_FRAME_BYTES) return "close 1009";
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return "close 1007"; // the deployed agent's reaction to what is not JSON
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) return "close 1007";
  const { id, type } = json as Record<string, unknown>;
  if (typeof id !== "number" || typeof type !== "string") return "close 1011";
  // Go matches the names of all other fields in any case; an absent field is a zero value.
  const entries = Object.entries(json).map(([key, value]) => [key.toLowerCase(), value] as const);
  const fields = new Map<string, unknown>(entries);
  const is = (name: string, kind: string) => !fields.has(name) || typeof fields.get(name) === kind;
  switch (type) {
    case "UpscaleRequest":
      return "handled";
    case "HealthCheck":
    case "UpscaleConfirmation":
      return waiting.has(id) ? "handled" : "InvalidMessage";
    case "DownscaleResult":
      if (!is("ok", "boolean") || !is("status", "string")) return "close 1011";
      return waiting.has(id) ? "handled" : "InvalidMessage";
    case "InvalidMessage":
    case "InternalError":
      return is("error", "string") ? "handled" : "close 1011";
    default:
      return "InvalidMessage";
  }
}

function fieldsOf(json: StrictJson | null | undefined): ReadonlyMap<string, StrictJson> | null {
  return json?.kind === "object" && !json.hasDuplicates ? json.fields : null;
}

/** serde takes an integer literal only: no sign, point or exponent. */
function isUnsigned(json: StrictJson | undefined): boolean {
  return json?.kind === "number" && /^\d+$/.test(json.literal) && BigInt(json.literal) < 2n ** 64n;
}

function byteOf(json: StrictJson | undefined): number | null {
  if (json?.kind !== "number" || !isUnsigned(json)) return null;
  const value = Number(json.literal);
  return value <= 255 ? value : null;
}

function isResources(json: StrictJson | undefined): boolean {
  const size = fieldsOf(json);
  return size?.get("cpu")?.kind === "number" && isUnsigned(size.get("mem"));
}
