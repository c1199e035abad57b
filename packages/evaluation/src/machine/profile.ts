// How fast and how well a machine changes its size. The constants of the published model; `tcg` is what was measured
// on a real emulated guest.

/** Seconds, GiB per second, shares. */
export type ActuatorProfile = Readonly<{
  cpuUpSec: number;
  cpuDownSec: number;
  memUpSec: number;
  memUpGibPerSec: number;
  memDownSec: number;
  memDownGibPerSec: number;
  /** How often an unplug gives back only half of what was asked for. */
  partialUnplugShare: number;
}>;

export const ACTUATORS = {
  /** virtio-mem and hot-plugged CPUs, told directly. */
  fast: {
    cpuUpSec: 0.2,
    cpuDownSec: 0.2,
    memUpSec: 0.4,
    memUpGibPerSec: 8,
    memDownSec: 0.5,
    memDownGibPerSec: 2,
    partialUnplugShare: 0.1,
  },
  /** The way through an orchestrator's API and its controllers. */
  slow: {
    cpuUpSec: 1.5,
    cpuDownSec: 1.5,
    memUpSec: 1.8,
    memUpGibPerSec: 8,
    memDownSec: 2,
    memDownGibPerSec: 2,
    partialUnplugShare: 0.1,
  },
  /** Ordered ahead by who knows the future: as if there were no latency. */
  ideal: {
    cpuUpSec: 0,
    cpuDownSec: 0,
    memUpSec: 0,
    memUpGibPerSec: Infinity,
    memDownSec: 0,
    memDownGibPerSec: Infinity,
    partialUnplugShare: 0,
  },
} as const satisfies Record<string, ActuatorProfile>;

export type ActuatorName = keyof typeof ACTUATORS;

/** The rest of the machine. */
export type MachineProfile = Readonly<{
  actuator: ActuatorProfile;
  swapGib: number;
}>;

/** Granularity of sizes: vCPUs and GiB. */
export const CPU_STEP = 0.25;
export const MEM_STEP_GIB = 0.25;

/** What the kernel keeps: this much, and this share of the size. */
export const KERNEL_GIB = 0.15;
export const KERNEL_SHARE = 0.016;

/** Memory that processes can use of a size, GiB. */
export function usableGib(memGib: number): number {
  return memGib - (KERNEL_GIB + KERNEL_SHARE * memGib);
}

/** The least size on the grid in which so much is usable, GiB. */
export function sizeForUsable(neededGib: number): number {
  return ceilTo((neededGib + KERNEL_GIB) / (1 - KERNEL_SHARE), MEM_STEP_GIB);
}

/** Up to the grid. What is above a cell only by the noise of floating point belongs to it. */
export function ceilTo(value: number, step: number): number {
  return Math.ceil(value / step - 1e-6) * step;
}
