import { type Size } from "@selfscale/protocol";
import { sayBytes } from "./config/quantities.ts";
import { type FleetStatus } from "./shell/fleet.ts";

const HEADINGS = ["VM", "DESIRED", "PERMIT", "REQUESTED", "ACTUAL", "WHY", "MODE", "LINK"];
const NOTHING = "-";
const GAP = "  ";

/** The size ladder of every VM for people: one line per VM, problems below. */
export function statusTable({ node, vms }: FleetStatus): string {
  const rows = vms.map((vm) => [
    vm.name,
    ...[vm.desired, vm.permit, vm.requested, vm.actual].map(saySize),
    vm.reason ?? NOTHING,
    vm.mode,
    vm.link.version === null ? vm.link.state : `${vm.link.state} v${vm.link.version}`,
  ]);
  const problems = vms.flatMap((vm) => vm.problems.map((problem) => `${vm.name}: ${problem}`));
  const over = node.isOvercommitted ? ", overcommitted" : "";
  return [
    ...aligned([HEADINGS, ...rows]),
    `node: ${saySize(node.held)} held of ${saySize(node.capacity)}, ` +
      `${sayBytes(node.overheadPerVmBytes)} overhead per VM${over}`,
    ...problems,
    "",
  ].join("\n");
}

/** "2 / 1.5Gi": vCPUs and memory. */
function saySize(size: Size | null): string {
  return size === null ? NOTHING : `${size.milliCpu / 1000} / ${sayBytes(size.memBytes)}`;
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
