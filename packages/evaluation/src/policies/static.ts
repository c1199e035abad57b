// Sizes that never change: the largest, and those that somebody who had seen all of the load would have picked.
import { type Policy } from "../policy.ts";
import { type Workload } from "../workload.ts";
import { fitCpu, fitMem, vmSizeFor } from "./guest.ts";

/** What everybody has who does not scale: the most that is allowed. */
export function staticMaxPolicy(): Policy {
  return {
    name: "static-max",
    isCoupled: false,
    start: ({ max }) => ({
      decide: (_seen, want) => {
        want.cpu = max.cpu;
        want.memGib = max.memGib;
      },
      startSize: max,
    }),
  };
}

/**
 * A fixed size in hindsight: the percentile of the demand for CPU, and of the memory that processes, their file pages
 * and the kernel need, both times 1 + `extra`. With 0.995 and 0.2 it is the way to size an RDS instance that AWS's
 * right-sizing gives and that neon.com/autoscaling-report compares itself with.
 */
export function staticPolicy(
  name: string,
  { share, extra }: Readonly<{ share: number; extra: number }>,
): (workload: Workload) => Policy {
  return (workload) => {
    const { cpu, anonGib, workingSetGib } = workload;
    const memory = anonGib.map((anon, tick) => anon + (workingSetGib[tick] ?? 0));
    const needCpu = percentileOf(cpu, share) * (1 + extra);
    const needGib = vmSizeFor(percentileOf(memory, share)) * (1 + extra);
    return {
      name,
      isCoupled: false,
      start: (vm) => {
        const size = { cpu: fitCpu(vm, needCpu), memGib: fitMem(vm, needGib) };
        return {
          decide: (_seen, want) => {
            want.cpu = size.cpu;
            want.memGib = size.memGib;
          },
          startSize: size,
        };
      },
    };
  };
}

/** By nearest rank; 0 of nothing. */
export function percentileOf(values: Float32Array, share: number): number {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length - 1e-9) - 1)] ?? 0;
}
