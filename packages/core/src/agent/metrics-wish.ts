// What the deployed metrics-based algorithm wants for this VM, where it has a say: its inputs are brought together here,
// and the one thing in it that does not fit a VM whose CPU and memory move apart is put right.
import { type Size } from "@selfscale/protocol";
import { legacyDesired, type LegacyInput, type LegacyWish } from "../legacy/desired.ts";
import { activeOverrides } from "../legacy/overrides.ts";
import { actualOf } from "./actual.ts";
import { type HypervisorFacts, type MonoMs } from "./types.ts";
import { type VmState } from "./vm-state.ts";

/** null: it has no say, or nothing to go by. */
export function metricsWish(
  state: VmState,
  facts: HypervisorFacts,
  now: MonoMs,
): LegacyWish | null {
  if (state.mode === "compute-controlled") return null;
  if (state.link.kind !== "up" || state.link.version !== 1) return null;
  const config = state.spec.legacy;
  const active = activeOverrides(state.overrides, config, now);
  if (state.metrics === null && active.requested === null) return null;
  const metrics = state.metrics ?? { system: null, lfc: null };
  const input: LegacyInput = {
    config,
    bounds: state.spec.bounds,
    using: actualOf(facts),
    // A working set from before it was switched off would count for ever.
    metrics: config.enableLFCMetrics ? metrics : { ...metrics, lfc: null },
    metricsAt: state.metricsAt,
    metricsFreshMs: state.timers.metricsFreshMs,
    overrides: state.overrides,
    now,
  };
  const wish = legacyDesired(input);
  return active.denied === null ? wish : { ...wish, desired: heldByDenial(input, wish) };
}

/**
 * A refusal holds what there is, and grows nothing. The deployed algorithm keeps both resources at the units that were
 * refused, which there is the same: the VM still has them. Here its CPU may be far below them while memory comes down
 * slice by slice, and would be plugged again at each refused slice.
 */
function heldByDenial(input: LegacyInput, wish: LegacyWish): Size {
  const { using } = input;
  const free = legacyDesired({ ...input, overrides: { ...input.overrides, denied: null } }).desired;
  const held = (field: keyof Size) =>
    Math.max(free[field], Math.min(wish.desired[field], using[field]));
  return { milliCpu: held("milliCpu"), memBytes: held("memBytes") };
}
