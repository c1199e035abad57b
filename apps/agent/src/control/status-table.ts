import { sayMs } from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { sayBytes } from "../config/quantities.ts";
import { type FleetStatus } from "../shell/fleet.ts";
import { type AgentStatus } from "./routes.ts";
import { sayOrders, saySize } from "./words.ts";

const HEADINGS = [
  ...["VM", "DESIRED", "PERMIT", "REQUESTED", "ACTUAL", "WHY", "FOR", "MODE", "LINK", "OPERATOR"],
];
const NOTHING = "-";
const GAP = "  ";

/**
 * The size ladder of every VM for people: one line per VM, problems below. `now`: wall clock, for how long it has been so
 * and how long an order holds; null: neither is shown, so that two tables differ only where something happened.
 */
export function statusTable(
  { node, vms, config }: FleetStatus & Partial<AgentStatus>,
  now: number | null,
): string {
  const rows = vms.map((vm) => [
    vm.name,
    ...[vm.desired, vm.permit, vm.requested, vm.actual].map(saySizeOrNone),
    vm.reason ?? NOTHING,
    now === null ? NOTHING : sayMs(now - Date.parse(vm.reasonSince)),
    vm.mode,
    vm.link.version === null ? vm.link.state : `${vm.link.state} v${vm.link.version}`,
    sayOrders(vm.operator, (until) =>
      now === null
        ? `until ${until.slice(0, "2026-01-01T00:00".length)}Z`
        : `for ${sayMs(Date.parse(until) - now)}`,
    ) ?? NOTHING,
  ]);
  const problems = vms.flatMap((vm) => vm.problems.map((problem) => `${vm.name}: ${problem}`));
  const over = node.isOvercommitted ? ", overcommitted" : "";
  return [
    ...aligned([HEADINGS, ...rows]),
    `node: ${saySize(node.held)} held of ${saySize(node.room)}, ${saySize(node.free)} free ` +
      `(${saySize(node.capacity)} less reserve and ${sayBytes(node.overheadPerVmBytes)} overhead per VM)${over}`,
    ...(node.brake === null ? [] : [`node: nothing grows for comfort: ${node.brake}`]),
    ...node.leaving.map(
      ({ vm, held }) => `node: ${vm} is not configured any more and still holds ${saySize(held)}`,
    ),
    ...vms.flatMap((vm) => sayWaiting(vm, now)),
    ...(config === undefined ? [] : sayConfig(config)),
    ...problems,
    "",
  ].join("\n");
}

/** Who waits, in which turn and for whom; and who is asked to give back. */
function sayWaiting({ name, sharing }: FleetStatus["vms"][number], now: number | null): string[] {
  const { position, waitingForMs, verdict, recall } = sharing;
  const time = now === null || waitingForMs === null ? "" : `, for ${sayMs(waitingForMs)}`;
  return [
    ...(position === null
      ? []
      : [`${name}: waits, number ${position}${time}: ${verdict?.text ?? "the node is full"}`]),
    ...(recall === null
      ? []
      : [`${name}: asked to come down to ${saySize(recall)}, for others that wait`]),
  ];
}

/** Only what is wrong with it. */
function sayConfig({ problem, needRestart, loadedAt }: AgentStatus["config"]): string[] {
  const keys = needRestart.join(", ");
  return [
    ...(problem === null ? [] : [`config: what was read at ${loadedAt} stays: ${problem}`]),
    ...(keys === "" ? [] : [`config: a restart of the agent is needed for ${keys}`]),
  ];
}

function saySizeOrNone(size: Size | null): string {
  return size === null ? NOTHING : saySize(size);
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADINGS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(GAP)
      .trimEnd(),
  );
}
