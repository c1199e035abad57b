// Inputs of the metrics-based algorithm that deployed agents run for version-1 computes.
import { type Size } from "@selfscale/protocol";

/** Every factor of the deployed algorithm, under its published name. Values: defaults.ts. */
export type LegacyConfig = Readonly<{
  /** The unit in which CPU and memory move together. */
  computeUnit: Size;
  /** Load average per vCPU that is aimed at. */
  loadAverageFractionTarget: number;
  /** Share of memory that processes may use, page cache not counted. */
  memoryUsageFractionTarget: number;
  /** Share of memory that may be used, needed page cache counted. Matters with LFC metrics only. */
  memoryTotalFractionTarget: number;
  /** True: without LFC metrics nothing shrinks. */
  enableLFCMetrics: boolean;
  /** True: the longest window is the working set, whatever the shape of the series. */
  lfcUseLargestWindow: boolean;
  /** Share of memory that the local file cache gets. */
  lfcToMemoryRatio: number;
  /** Points between which a slope of the series is taken. At least 2. */
  lfcWindowSizeMinutes: number;
  /** The shortest window that can be the working set. At least lfcWindowSizeMinutes. */
  lfcMinWaitBeforeDownscaleMinutes: number;
  /** load1 and load5 this close, as a share of load5: load5 counts alone. */
  cpuStableZoneRatio: number;
  /** And this much further apart, load1 counts alone; in between the two are blended. */
  cpuMixedZoneRatio: number;
  /** An UpscaleRequest raises the goal for this long. */
  requestedUpscaleValidSeconds: number;
  /** A refused shrink keeps the goal a unit above what was refused for this long. */
  retryDeniedDownscaleSeconds: number;
}>;

/** Host metrics of one scrape (`host_*` names). */
export type SystemMetrics = Readonly<{
  load1: number;
  load5: number;
  /** host_memory_total_bytes: MemTotal, so less than QEMU gives. */
  memTotalBytes: number;
  /** total − available + 100 MiB, as the deployed agent computes it. */
  memUsageBytes: number;
  memCachedBytes: number;
}>;

/** Local file cache metrics: approximate working set per window of 1, 2, … minutes, in 8 KiB pages. */
export type LfcMetrics = Readonly<{ workingSetPagesPerMinute: readonly number[] }>;

/** What is told of a VM. null: a kind was not told, or was nonsense. */
export type LegacyMetrics = Readonly<{ system: SystemMetrics | null; lfc: LfcMetrics | null }>;
