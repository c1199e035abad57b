import { type MonitorStatus, type PresetName, type ReservationsStatus } from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { sayPolicy } from "../config/policy.ts";
import { type Identity } from "../machine/identity.ts";
import { type PageIn } from "../machine/page-in.ts";
import { type DatedDecision, type DatedNote } from "./journal.ts";
import { type LinkCounts } from "./link-server.ts";
import { type NamedShadow } from "./shadow-watch.ts";

/** What `GET /status` gives, as JSON. Fields are added, never renamed. */
export type Status = Readonly<{
  version: string;
  pid: number;
  upMs: number;
  preset: PresetName;
  /** Where it stands on the knob `calm`, 0 to 1; null: a preset that is no point of it. */
  calm: number | null;
  protocolMax: number;
  machine: Identity;
  /** rMax and how it is known; with tReact it makes the reserve, see `monitor.memory`. */
  pageIn: PageIn;
  monitor: MonitorStatus;
  /** The policy beside the live one; null: none, or it was ended. */
  shadow: NamedShadow | null;
  links: LinkCounts;
  /** Files that this kernel lacks, so that their signals are unknown. */
  missing: readonly string[];
  /** Newest last. */
  decisions: readonly DatedDecision[];
  notes: readonly DatedNote[];
}>;

const MIB = 1024 ** 2;
const MOST_RESERVATIONS = 8;

/** The same for people. */
export function formatStatus(status: Status): string {
  const { monitor, pageIn } = status;
  const { ladder, memory, cpu } = monitor;
  const link =
    monitor.link === null ? "no agent is connected" : `connected, version ${monitor.link.version}`;
  const measured = memory.tReactSamples === 0 ? "assumed" : `p99 of ${memory.tReactSamples}`;
  const kept = monitor.obstacle === null ? "" : `, kept: ${monitor.obstacle}`;
  const why = `${monitor.reason}${monitor.isMet ? ", met" : ""}${kept}`;
  const lines: (readonly [string, string])[] = [
    ["desired", `${size(ladder.desired)}  (${why})`],
    ["permit", size(ladder.permit)],
    ["requested", size(ladder.requested)],
    ["actual", size(ladder.actual)],
    ["agent", monitor.agentReason === null ? link : `${link}: ${monitor.agentReason}`],
    ...reservedLines(monitor.reservations),
    ["cpu", `need ${milli(cpu.needMilli)}; ${count(cpu.online)} of ${count(cpu.present)} online`],
    ["memory", `need ${bytes(memory.needBytes)}, of which reserve ${bytes(memory.reserveBytes)}`],
    ["outlives", `${bytes(memory.outlivesBytesPerSec)}/s of allocation, for tReact`],
    ["tReact", `${Math.round(memory.tReactMs)} ms (${measured})`],
    ["rMax", `${bytes(pageIn.maxBytesPerSec)}/s (${pageIn.source})`],
    [
      "monitor",
      `${status.version}, ${sayPolicy(status.preset, status.calm)}, up ${Math.round(status.upMs / 1000)} s`,
    ],
    ...(status.shadow === null ? [] : shadowLines(status.shadow)),
  ];
  const table = lines.map(([name, text]) => `${name.padEnd(10)} ${text}`);
  const last = status.notes.slice(-5).map((note) => `${note.at}  ${note.message}`);
  return `${[...table, ...last].join("\n")}\n`;
}

/** Who reserved what; of many only the first. */
function reservedLines({ floor, active }: ReservationsStatus): (readonly [string, string])[] {
  if (active.length === 0) return [];
  const lines = active.slice(0, MOST_RESERVATIONS).map((one) => {
    const why = one.reason === "" ? "" : ` (${one.reason})`;
    return ["reserved", `${amount(one)}  by ${one.owner}${why}: ${one.state}`] as const;
  });
  const more = active.length - lines.length;
  const rest = more > 0 ? [["reserved", `… and ${more} more`] as const] : [];
  return [["floor", amount(floor)], ...lines, ...rest];
}

/** What the second policy wants, and by how much it wanted more or less until now. */
function shadowLines(shadow: NamedShadow): (readonly [string, string])[] {
  const { preset, levels, sinceMs, comparedMs, more, less, changes } = shadow;
  if (levels === null) return [["shadow", `${preset}: nothing yet`]];
  const since = `for ${seconds(sinceMs)}`;
  const wish = shadow.differs
    ? `${size(levels.shadow)} where live is ${size(levels.live)}, ${since}`
    : `as live, ${since}`;
  const sum = ({ vcpuSec, gibSec }: NamedShadow["more"]) =>
    `${vcpuSec.toFixed(1)} vCPU·s, ${gibSec.toFixed(1)} GiB·s`;
  return [
    ["shadow", `${preset}: ${wish}`],
    [
      "in sum",
      `more ${sum(more)}; less ${sum(less)}; ${changes} changes in ${seconds(comparedMs)}`,
    ],
  ];
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

function size(value: Size | null): string {
  return value === null ? "-" : `${milli(value.milliCpu)}, ${bytes(value.memBytes)}`;
}

/** Of both only what there is. */
function amount({ milliCpu, memBytes }: Size): string {
  const parts = [
    ...(milliCpu > 0 ? [milli(milliCpu)] : []),
    ...(memBytes > 0 ? [bytes(memBytes)] : []),
  ];
  return parts.join(", ");
}

function milli(value: number | null): string {
  return value === null ? "-" : `${value / 1000} vCPU`;
}

function bytes(value: number | null): string {
  return value === null ? "-" : `${Math.round(value / MIB)} MiB`;
}

function count(value: number | null): string {
  return value === null ? "?" : String(value);
}
