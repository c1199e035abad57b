import { type BrakeLimits } from "@selfscale/core";
import { type NodePlan } from "../node/plan.ts";
import { type ConfigFile } from "./schema.ts";

/** `proc`: where the kernel says how large the machine is. */
export function planOf(node: ConfigFile["node"], proc: string): NodePlan {
  const { cpu, mem, reserve, cgroup, brakes } = node;
  return {
    milliCpu: cpu ?? null,
    memBytes: mem ?? null,
    reserve: { milliCpu: reserve.cpu, memBytes: reserve.mem ?? null },
    place: { proc, cgroup: cgroup ?? null },
    brakes: brakes === null ? null : limitsOf(brakes),
  };
}

function limitsOf(brakes: NonNullable<ConfigFile["node"]["brakes"]>): BrakeLimits {
  const { availableMem, ...others } = brakes;
  return { ...others, availableMemBytes: availableMem };
}
