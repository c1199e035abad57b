// Reads the golden files: one frame per file, exactly the bytes on the wire. Never edited once released.
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const GOLDEN = new URL("../../golden/", import.meta.url);

type WireV1 = Readonly<{
  agentToMonitorFrames: readonly string[];
  monitorToAgentFrames: readonly string[];
  handshakeRangesAtNeonMonitor: readonly { text: string; result: string }[];
  handshakeRepliesAtNeonAgent: readonly { monitorReply: string; agent: string }[];
  inboundAtNeonMonitor: readonly { text: string; accepted: boolean; note: string }[];
  inboundAtNeonAgent: readonly { opcode: string; payload: string; reaction: string }[];
  scaleRequestDraft: { frame: string };
}>;

/** What was recorded from the deployed peers' own code. */
export const WIRE_V1 = JSON.parse(readFileSync(new URL("wire-v1.json", GOLDEN), "utf8")) as WireV1;

export const FOLDERS = [
  "v1/handshake",
  "v1/from-agent",
  "v1/from-monitor",
  "v2/handshake",
  "v2/from-agent",
  "v2/from-monitor",
] as const;
/** A version, and who speaks. */
export type Folder = (typeof FOLDERS)[number];

/**
 * `valid`: what our encoder writes. `lenient`: what it never writes and our decoder takes. `invalid`:
 * what our decoder refuses.
 */
export type Group = "valid" | "lenient" | "invalid";

/** The frames of one folder, by file name without its ending. Bytes become text as in the shells. */
export function goldenFrames(folder: Folder, group: Group): ReadonlyMap<string, string> {
  const directory = new URL(`${folder}/${group}/`, GOLDEN);
  const names = readdirSync(directory).map((file) => file.replace(/\.json$/, ""));
  const read = (name: string) => readFileSync(new URL(`${name}.json`, directory)).toString();
  return new Map(names.sort().map((name) => [name, read(name)]));
}

/** Every golden file by its path below golden/, as bytes. */
export function goldenBytes(): ReadonlyMap<string, Uint8Array> {
  const files = readdirSync(GOLDEN, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(fileURLToPath(GOLDEN), join(entry.parentPath, entry.name)));
  return new Map(files.sort().map((path) => [path, readFileSync(new URL(path, GOLDEN))]));
}
