// Reads the golden files. Wire facts, never edited once released.
import { readFileSync, readdirSync } from "node:fs";

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

/** The version-2 frames of one folder by name, each without its file's final newline. */
export function goldenV2(folder: "handshake" | "from-agent" | "from-monitor"): Map<string, string> {
  const directory = new URL(`v2/${folder}/`, GOLDEN);
  const names = readdirSync(directory).map((file) => file.replace(/\.json$/, ""));
  const read = (name: string) => readFileSync(new URL(`${name}.json`, directory), "utf8");
  return new Map(names.sort().map((name) => [name, read(name).replace(/\n$/, "")]));
}
