// A world as data: a node, its VMs, what their guests need and when, and what goes wrong. Sizes in MiB and milli-vCPU.
import { type Fault } from "./faults.ts";

export type VmPlan = Readonly<{
  minMilli: number;
  maxMilli: number;
  minMib: number;
  maxMib: number;
  baseMib: number;
  /** The virtio-mem device; 0: the VM's memory is fixed. */
  deviceMib: number;
  blockMib: number;
  /** vCPUs at boot, and the most that can be plugged. */
  vcpus: number;
  vcpusMax: number;
  hasQuota: boolean;
  hasMetrics: boolean;
  hasUuid: boolean;
  /** The highest protocol version of each side. */
  agentMax: number;
  monitorMax: number;
  preset: "default" | "demo";
  isProbing: boolean;
  swapMib: number;
  /** How the node is shared. */
  weight: number;
  priority: number;
  /** Plugged memory is brought online by the monitor, not by the kernel. */
  isOnlinedByMonitor: boolean;
}>;

/** What a guest's work needs from then on. */
export type Demand = Readonly<{
  at: number;
  vm: number;
  milliCpu: number;
  anonMib: number;
  cacheMib: number;
}>;

export type Story = Readonly<{
  /** Decides the delays and other small chances while the story is played. */
  seed: number;
  node: Readonly<{
    milliCpu: number;
    mib: number;
    overheadMib: number;
    /** Kept for the node itself, out of the above. */
    reserveMilli: number;
    reserveMib: number;
    /** Kept free of comfort. */
    emergencyMilli: number;
    emergencyMib: number;
  }>;
  vms: readonly VmPlan[];
  /** How often the monitors look. */
  memoryEveryMs: number;
  cpuEveryMs: number;
  /** "short": the longest pauses of the agent are seconds, so that a story can be short too. */
  patience: "short" | "default";
  demands: readonly Demand[];
  faults: readonly Fault[];
  /** Faults begin within this time; at its end all of them are over. */
  hostileMs: number;
  /** Then nothing goes wrong, and demand stays as it is. */
  healthyMs: number;
}>;
