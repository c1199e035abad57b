// A story's node as the agent's configuration has it, and what is taken of it.
import { type Capacity, type VmAction } from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { type Seat } from "./seat.ts";
import { type Story } from "./story/story.ts";
import { MIB } from "./units.ts";

/** The node at `share` of its planned size; what is kept of it stays. */
export function capacityOf(node: Story["node"], share: number): Capacity {
  return {
    size: {
      milliCpu: Math.round(node.milliCpu * share),
      memBytes: Math.round(node.mib * share) * MIB,
    },
    reserve: { milliCpu: node.reserveMilli, memBytes: node.reserveMib * MIB },
    overcommit: { cpu: 1, mem: 1 },
    overheadPerVmBytes: node.overheadMib * MIB,
    emergency: { milliCpu: node.emergencyMilli, memBytes: node.emergencyMib * MIB },
    brake: null,
  };
}

/** What the node has for this many VMs, their overhead taken off. */
export function roomFor(vms: number, { size, reserve, overheadPerVmBytes }: Capacity): Size {
  const overhead = { milliCpu: 0, memBytes: overheadPerVmBytes * vms };
  const left = (of: keyof Size) => size[of] - reserve[of] - overhead[of];
  return { milliCpu: left("milliCpu"), memBytes: left("memBytes") };
}

/** What a VM takes of the node: what it has, or has requested. null: it does not run. */
export function takenBy({ machine }: Seat): Size | null {
  if (!machine.isThere) return null;
  const requested = machine.plan.baseMib * MIB + machine.requestedBytes;
  return { milliCpu: machine.milliCpu, memBytes: Math.max(machine.memBytes, requested) };
}

/** The size that a command tells this VM, of one resource. */
export function toldBy(
  { plan }: Seat,
  action: Extract<VmAction, { attempt: number }>,
): Readonly<{ of: keyof Size; to: number }> {
  switch (action.kind) {
    case "set-memory":
      return { of: "memBytes", to: plan.baseMib * MIB + action.requestedBytes };
    case "set-quota":
      return { of: "milliCpu", to: action.milliCpu };
    case "plug-cpu":
      return { of: "milliCpu", to: plan.hasQuota ? 0 : action.vcpus * 1000 };
    default:
      return action satisfies never;
  }
}
