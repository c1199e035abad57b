// Compares a VM's configuration with its QEMU, once per attach: what can't work is refused, what is odd is said.
import { note, sayMem, warning } from "./explain.ts";
import { type HypervisorFacts, type VmAction, type VmSpec } from "./types.ts";

/** Linux keeps its own data in base memory; below this share of the whole, growing can run dry. */
const LEAST_BASE_SHARE = 0.25;

export type Inspection = Readonly<{ refusal: string | null; actions: readonly VmAction[] }>;

export function inspect(spec: VmSpec, facts: HypervisorFacts): Inspection {
  const { min, max } = spec.bounds;
  const base = facts.baseMemBytes;
  if (max.memBytes < base) {
    const refusal =
      `bounds.max.mem is ${sayMem(max.memBytes)}, below the ${sayMem(base)} QEMU booted with; ` +
      "raise it or boot the VM smaller";
    return { refusal, actions: [warning("vm-refused", refusal)] };
  }
  const actions: VmAction[] = [];
  if (min.memBytes < base) {
    const text = `bounds.min.mem is ${sayMem(min.memBytes)}, but ${sayMem(base)} can't be unplugged.`;
    actions.push(note("min-below-base", text));
  }
  const most = base + (facts.memoryDevice?.maxBytes ?? 0);
  if (max.memBytes > most) {
    const text = `bounds.max.mem is ${sayMem(max.memBytes)}; this VM can reach ${sayMem(most)}.`;
    actions.push(warning("max-above-device", text));
  }
  if (most > max.memBytes) {
    const text = `A hostile guest could touch ${sayMem(most)}, bounds.max.mem is ${sayMem(max.memBytes)}.`;
    actions.push(warning("device-above-max", text));
  }
  if (max.milliCpu > facts.vcpusMax * 1000) {
    const text = `bounds.max.cpu is ${max.milliCpu / 1000}; QEMU was started with maxcpus=${facts.vcpusMax}.`;
    actions.push(warning("max-above-device", text));
  }
  if (base < max.memBytes * LEAST_BASE_SHARE) {
    const text =
      `Base memory is ${sayMem(base)} of up to ${sayMem(max.memBytes)}: boot with a quarter or more, ` +
      "or let the guest online memory with the auto-movable policy.";
    actions.push(warning("min-below-base", text));
  }
  return { refusal: null, actions };
}
