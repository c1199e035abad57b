// What a guest's own tools would say of its memory, and where a wish lies on the machine's grid. Every policy reads
// the guest through these, so that no baseline suffers from a definition of its own.
import { ceilTo, CPU_STEP, KERNEL_GIB, KERNEL_SHARE, MEM_STEP_GIB } from "../machine/profile.ts";
import { type Observation, type VmGiven } from "../policy.ts";

/** MemTotal − MemAvailable, GiB: what processes hold in memory. The kernel's share is not in MemTotal. */
export function usedGib(seen: Readonly<Observation>): number {
  return seen.anonGib - seen.swapUsedGib;
}

/**
 * `container_memory_working_set_bytes` of cAdvisor, GiB: usage without inactive file pages. What is in use of the file
 * cache counts.
 */
export function containerWorkingSetGib(seen: Readonly<Observation>): number {
  const active = seen.cacheGib < seen.workingSetGib ? seen.cacheGib : seen.workingSetGib;
  return seen.anonGib - seen.swapUsedGib + active;
}

/** The size of a VM in which so much is usable: what a pod's overhead is to a container. GiB. */
export function vmSizeFor(usableGib: number): number {
  return (usableGib + KERNEL_GIB) / (1 - KERNEL_SHARE);
}

/** vCPUs on the grid and within the bounds, as the machine will have them. */
export function fitCpu({ min, max }: VmGiven, cpu: number): number {
  return between(ceilTo(cpu, CPU_STEP), min.cpu, max.cpu);
}

/** GiB on the grid and within the bounds. */
export function fitMem({ min, max }: VmGiven, memGib: number): number {
  return between(ceilTo(memGib, MEM_STEP_GIB), min.memGib, max.memGib);
}

export function between(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
