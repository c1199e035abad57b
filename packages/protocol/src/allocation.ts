import * as z from "zod/mini";
import { MAX_CPU } from "./limits.ts";

/** A VM size inside the code: integers only, so that equality is equality. */
export type Size = Readonly<{
  /** Thousandths of a vCPU. 250 is a quarter of a core. */
  milliCpu: number;
  /** Bytes of RAM that QEMU gives (base + plugged virtio-mem). Never MemTotal. */
  memBytes: number;
}>;

/** The operator's range for a VM. Both ends belong to it. */
export type Bounds = Readonly<{ min: Size; max: Size }>;

/**
 * A VM size on the wire. Writers are strict, so this schema binds what we send.
 *
 * - `cpu` counts vCPUs and may be fractional: 0.25 is a quarter of a core (a cgroup quota).
 * - `mem` counts bytes of RAM given to the VM, kernel overhead included; it is not MemTotal.
 */
export const Allocation = z.object({
  cpu: z.number().check(z.positive(), z.maximum(MAX_CPU)),
  mem: z.int().check(z.positive()),
});
export type Allocation = z.infer<typeof Allocation>;

/** A size a monitor named, resource by resource. null: not a size anybody could have. */
export type CheckedTarget = Readonly<{ milliCpu: number | null; memBytes: number | null }>;

/** Wire to code. Something is never rounded down to nothing. */
export function sizeFromAllocation(allocation: Allocation): Size {
  return { milliCpu: Math.max(1, milliOf(allocation.cpu)), memBytes: allocation.mem };
}

/** Code to wire. Exact: a milli-vCPU has three decimals and bytes are integers. */
export function allocationFromSize(size: Size): Allocation {
  return { cpu: size.milliCpu / 1000, mem: size.memBytes };
}

/**
 * A ScaleRequest's `target` (or `floor`), which decodes whatever its numbers are. Refused, as null:
 * not positive, cpu above 1024 or below half a milli-vCPU, mem not an integer below 2^53.
 */
export function checkTarget(target: Readonly<{ cpu: number; mem: number }>): CheckedTarget {
  const milliCpu = milliOf(target.cpu);
  return {
    milliCpu: milliCpu > 0 && target.cpu <= MAX_CPU ? milliCpu : null,
    memBytes: Number.isSafeInteger(target.mem) && target.mem > 0 ? target.mem : null,
  };
}

/** Deployed agents print 0.35000000000000003, so vCPUs are rounded half up to milli. */
function milliOf(cpu: number): number {
  return Math.floor(cpu * 1000 + 0.5);
}
