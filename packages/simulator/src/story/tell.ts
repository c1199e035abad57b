// A story in words, for people.
import { FAULTS } from "./faults.ts";
import { type Demand, type Story, type VmPlan } from "./story.ts";

export function tellStory(story: Story): string[] {
  const { node, seed, memoryEveryMs, cpuEveryMs, patience, hostileMs, healthyMs } = story;
  const lines = story.vms.map((plan, vm) => `  vm-${vm + 1}: ${sayPlan(plan)}`);
  const events = [
    ...story.demands.map((demand) => ({ at: demand.at, line: sayDemand(demand) })),
    ...story.faults.map(({ at, vm, kind, forMs, amount }) => {
      const how = forMs === 0 ? "" : ` for ${sayMs(forMs)}`;
      return {
        at,
        line: `vm-${vm + 1} ${kind}${how}: ${FAULTS[kind].replace("amount", String(amount))}`,
      };
    }),
  ].sort((a, b) => a.at - b.at);
  return [
    `seed ${seed}: a node of ${node.milliCpu / 1000} vCPU, ${node.mib} MiB, ${node.overheadMib} MiB overhead per VM, ` +
      `reserve ${node.reserveMilli / 1000} vCPU, ${node.reserveMib} MiB, ` +
      `emergency ${node.emergencyMilli / 1000} vCPU, ${node.emergencyMib} MiB; ` +
      `monitors look every ${memoryEveryMs} and ${cpuEveryMs} ms; ${patience} pauses`,
    ...lines,
    ...events.map(({ at, line }) => `  ${sayMs(at).padStart(8)}  ${line}`),
    `  ${sayMs(hostileMs).padStart(8)}  every fault is over; ${sayMs(healthyMs)} of health follow`,
  ];
}

function sayPlan(plan: VmPlan): string {
  const extras = [
    plan.hasQuota ? "quota" : "no quota",
    plan.deviceMib === 0 ? "fixed memory" : `blocks of ${plan.blockMib} MiB`,
    ...(plan.hasUuid ? [] : ["no UUID"]),
    ...(plan.hasMetrics ? ["metrics"] : []),
    ...(plan.swapMib > 0 ? [`${plan.swapMib} MiB swap`] : []),
    ...(plan.isProbing ? ["probing"] : []),
    ...(plan.isOnlinedByMonitor ? ["memory onlined by the monitor"] : []),
    ...(plan.weight === 1 ? [] : [`weight ${plan.weight}`]),
    ...(plan.priority === 0 ? [] : [`priority ${plan.priority}`]),
    `versions ${plan.agentMax} and ${plan.monitorMax}`,
    plan.preset,
  ];
  return (
    `${plan.minMilli / 1000} to ${plan.maxMilli / 1000} vCPU, ${plan.minMib} to ${plan.maxMib} MiB; ` +
    `boots with ${plan.vcpus} of ${plan.vcpusMax} vCPUs, ${plan.baseMib} + ${plan.deviceMib} MiB; ${extras.join(", ")}`
  );
}

function sayDemand({ vm, milliCpu, anonMib, cacheMib }: Demand): string {
  return `vm-${vm + 1} needs ${milliCpu / 1000} vCPU, ${anonMib} MiB, and ${cacheMib} MiB of cache`;
}

function sayMs(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
