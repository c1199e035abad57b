// The size a version-1 VM should have: the goal of its metrics, outweighed by what its monitor said lately, within the
// bounds. It puts nothing on the grid and asks nobody; that is the machine's.
//
// Stated difference from pkg/agent/core/state.go: metrics that are too old, like missing ones, grow the VM and never
// shrink it, whichever kind it is that the VM needs and is too old; there the last scrape counts for ever.
import { type Bounds, type Size } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { legacyGoal, type GoalParts, type GoalWarning } from "./goal.ts";
import {
  activeOverrides,
  keptByDenial,
  unitsByOverrides,
  type LegacyOverrides,
} from "./overrides.ts";
import { type LegacyConfig, type LegacyMetrics } from "./types.ts";

/** When each kind of metrics was last scraped: they come from two addresses, at two paces. */
export type MetricsAt = Readonly<{ system: MonoMs; lfc: MonoMs }>;

export type LegacyInput = Readonly<{
  config: LegacyConfig;
  bounds: Bounds;
  /** What the VM has: it keeps at least this while its metrics are missing or stale. */
  using: Size;
  metrics: LegacyMetrics;
  metricsAt: MetricsAt;
  /** Older than this, metrics may grow the VM, never shrink it. */
  metricsFreshMs: number;
  overrides: LegacyOverrides;
  now: MonoMs;
}>;

export type LegacyWarning =
  | GoalWarning
  /** There are metrics, and they are too old to shrink by. */
  | "metrics-stale"
  /** The VM has more than bounds.max and refuses to give it back. */
  | "denied-above-max";

export type LegacyWish = Readonly<{
  desired: Size;
  /** The goal that counts: by metrics, a request for more and a refused shrink, the largest. */
  goalComputeUnits: number;
  /** The goal by metrics alone. */
  metricsComputeUnits: number;
  parts: GoalParts;
  hasAllMetrics: boolean;
  /** Every kind that the configuration needs is there and fresh: `desired` may be less than is used. */
  mayShrink: boolean;
  warnings: readonly LegacyWarning[];
}>;

export function legacyDesired(input: LegacyInput): LegacyWish {
  const { config, bounds, using, metrics, now } = input;
  const goal = legacyGoal(config, metrics);
  const active = activeOverrides(input.overrides, config, now);
  const byOverrides = unitsByOverrides(active, config.computeUnit);
  const goalComputeUnits = Math.max(goal.computeUnits, byOverrides);
  const warnings: LegacyWarning[] = [...goal.warnings];

  const isStale = isAnyStale(input);
  if (isStale) warnings.push("metrics-stale");
  const wanted = times(config.computeUnit, goalComputeUnits);
  const mayShrink = goal.hasAllMetrics && !isStale;
  const wish = mayShrink ? wanted : perField(Math.max, wanted, using);
  let desired = perField(Math.max, perField(Math.min, wish, bounds.max), bounds.min);

  if (active.denied !== null) {
    const { requested } = active.denied;
    const isMoreInAny =
      desired.milliCpu > requested.milliCpu || desired.memBytes > requested.memBytes;
    if (!isMoreInAny) warnings.push("denied-above-max");
    // Rather a little above the maximum than a guest that is out of memory.
    desired = perField(Math.max, desired, keptByDenial(active.denied, config.computeUnit));
  }
  return {
    desired,
    goalComputeUnits,
    metricsComputeUnits: goal.computeUnits,
    parts: goal.parts,
    hasAllMetrics: goal.hasAllMetrics,
    mayShrink,
    warnings,
  };
}

/** A kind that this VM is sized by is there, and too old to shrink by. */
function isAnyStale({ config, metrics, metricsAt, metricsFreshMs, now }: LegacyInput): boolean {
  const isStale = (at: MonoMs) => now >= at + metricsFreshMs;
  return (
    (metrics.system !== null && isStale(metricsAt.system)) ||
    (config.enableLFCMetrics && metrics.lfc !== null && isStale(metricsAt.lfc))
  );
}

/** Not yet within any bounds, so it may be too large to be exact; it does not wrap. */
function times(computeUnit: Size, units: number): Size {
  return { milliCpu: computeUnit.milliCpu * units, memBytes: computeUnit.memBytes * units };
}

function perField(pick: (a: number, b: number) => number, a: Size, b: Size): Size {
  return {
    milliCpu: pick(a.milliCpu, b.milliCpu),
    memBytes: pick(a.memBytes, b.memBytes),
  };
}
