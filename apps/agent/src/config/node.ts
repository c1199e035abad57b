import { type BrakeLimits } from "@selfscale/core";
import { type NodePlan } from "../node/plan.ts";
import { type ConfigFile } from "./schema.ts";

/** `proc`: where the kernel says how large the machine is. */
export function planOf({ cpu, mem, cgroup, brakes }: ConfigFile["node"], proc: string): NodePlan {
  return {
    milliCpu: cpu ?? null,
    memBytes: mem ?? null,
    place: { proc, cgroup: cgroup ?? null },
    brakes: brakes === null ? null : limitsOf(brakes),
  };
}

function limitsOf(brakes: NonNullable<ConfigFile["node"]["brakes"]>): BrakeLimits {
  const { availableMem, ...others } = brakes;
  return { ...others, availableMemBytes: availableMem };
}
