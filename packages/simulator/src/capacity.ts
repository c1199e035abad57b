// A story's node as the agent's configuration has it.
import { type Capacity } from "@selfscale/core";
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
