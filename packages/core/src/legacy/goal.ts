// The metrics-based algorithm of deployed agents: what a version-1 VM's metrics ask for, in compute units. It knows no
// bounds, no time and no wishes of the monitor; those are in desired.ts.
//
// Stated differences from pkg/agent/core/goalcu.go:
// - A metric that is NaN, infinite, negative or above 2^53 counts as missing; there it reaches the sum.
// - A goal above 65 535 units stays that high; there it wraps to a small one, and the VM falls to its minimum.
// - A configuration that makes it panic is refused at start (config-problem.ts).
import { MAX_COMPUTE_UNITS } from "./defaults.ts";
import {
  type LegacyConfig,
  type LegacyMetrics,
  type LfcMetrics,
  type SystemMetrics,
} from "./types.ts";
import { estimateWorkingSet, projectNextHighest } from "./working-set.ts";

/** What CPU, memory and file cache each ask for, in compute units, not rounded. null: no metrics. */
export type GoalParts = Readonly<{ cpu: number | null; mem: number | null; lfc: number | null }>;

export type GoalWarning =
  /** A metric that the configuration needs is missing. */
  | "metrics-missing"
  /** The file cache told too few windows to judge by; it asks for nothing. */
  | "working-set-too-short";

export type LegacyGoal = Readonly<{
  computeUnits: number;
  parts: GoalParts;
  hasAllMetrics: boolean;
  warnings: readonly GoalWarning[];
}>;

/** The file cache counts its working set in PostgreSQL's pages. Bytes. */
const PAGE_BYTES = 8192;
/** Both are written into the deployed code (goalcu.go), not configured. */
const MAX_INCREASE_FACTOR = 3;
const PROJECT_POINTS = 0.5;

/** What the metrics ask for. */
export function legacyGoal(config: LegacyConfig, metrics: LegacyMetrics): LegacyGoal {
  const system = metrics.system !== null && isSane(metrics.system) ? metrics.system : null;
  const lfc = metrics.lfc !== null && isSaneSeries(metrics.lfc) ? metrics.lfc : null;
  const hasAllMetrics = system !== null && (!config.enableLFCMetrics || lfc !== null);

  const cache = lfc === null ? null : cacheDemand(config, lfc);
  const parts = {
    cpu: system === null ? null : cpuUnits(config, system),
    mem: system === null ? null : memUnits(config, system, cache?.workingSetBytes ?? null),
    lfc: cache?.units ?? null,
  };
  // CPU rounds to the nearest unit and the others up: the deployed algorithm's way.
  const needed = Math.max(Math.round(parts.cpu ?? 0), parts.mem ?? 0, parts.lfc ?? 0);
  const warnings: GoalWarning[] = [];
  if (!hasAllMetrics) warnings.push("metrics-missing");
  if (cache?.workingSetBytes === null) warnings.push("working-set-too-short");
  const computeUnits = Math.min(Math.ceil(needed), MAX_COMPUTE_UNITS);
  return { computeUnits, parts, hasAllMetrics, warnings };
}

/** Load over the target, blending load1 and load5 where the zones say so. */
function cpuUnits(config: LegacyConfig, { load1, load5 }: SystemMetrics): number {
  const stable = config.cpuStableZoneRatio * load5;
  const mixed = stable + config.cpuMixedZoneRatio * load5;
  const weight1 = weightBetween(Math.abs(load1 - load5), stable, mixed);
  const load = weight1 * load1 + (1 - weight1) * load5;
  return load / config.loadAverageFractionTarget / (config.computeUnit.milliCpu / 1000);
}

function weightBetween(value: number, low: number, high: number): number {
  if (value <= low) return 0;
  if (value >= high) return 1;
  return (value - low) / (high - low + 1e-6); // 1e-6: the deployed code's
}

/** Memory in use over its target; with a working set, use and needed page cache over theirs. */
function memUnits(
  config: LegacyConfig,
  { memUsageBytes, memCachedBytes }: SystemMetrics,
  workingSetBytes: number | null,
): number {
  const unitBytes = config.computeUnit.memBytes;
  const byUsage = Math.round(memUsageBytes / config.memoryUsageFractionTarget) / unitBytes;
  if (workingSetBytes === null) return byUsage;
  const neededBytes = Math.min(workingSetBytes, memCachedBytes) + memUsageBytes;
  return Math.max(byUsage, neededBytes / config.memoryTotalFractionTarget / unitBytes);
}

/** What the file cache needs to hold the working set of the next minute. */
function cacheDemand(
  config: LegacyConfig,
  { workingSetPagesPerMinute: series }: LfcMetrics,
): Readonly<{ units: number; workingSetBytes: number | null }> {
  const windowSize = config.lfcWindowSizeMinutes;
  const initialOffset = config.lfcMinWaitBeforeDownscaleMinutes - 1; // point 0 is one minute
  if (series.length < initialOffset + windowSize) return { units: 0, workingSetBytes: null };
  const pages = config.lfcUseLargestWindow
    ? (series.at(-1) ?? 0)
    : estimateWorkingSet(series, {
        initialOffset,
        windowSize,
        maxIncreaseFactor: MAX_INCREASE_FACTOR,
      });
  let end = initialOffset;
  while (end < series.length && (series[end] ?? Infinity) <= pages) end += 1;
  const bytes = projectNextHighest(series.slice(0, end), PROJECT_POINTS) * PAGE_BYTES;
  return {
    units: bytes / config.lfcToMemoryRatio / config.computeUnit.memBytes,
    workingSetBytes: Math.trunc(bytes),
  };
}

function isSane({ load1, load5, memUsageBytes, memCachedBytes }: SystemMetrics): boolean {
  return [load1, load5, memUsageBytes, memCachedBytes].every(isSaneMetric);
}

function isSaneSeries({ workingSetPagesPerMinute }: LfcMetrics): boolean {
  return workingSetPagesPerMinute.every(isSaneMetric);
}

/** No load, size or count in a VM is negative or beyond 2^53. */
export function isSaneMetric(value: number): boolean {
  return value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
