// Inputs of the metrics-based algorithm that deployed agents run for version-1 computes.
import { type Size } from "@selfscale/protocol";

/**
 * Every factor of the deployed algorithm, under its published name.
 * Source: neondatabase/autoscaling @a4bce09e, autoscaler-agent/config_map.yaml.
 */
export type LegacyConfig = Readonly<{
  /** The unit in which CPU and memory move together. Deployed default: 0.25 vCPU and 1 GiB. */
  computeUnit: Size;
  loadAverageFractionTarget: number;
  memoryUsageFractionTarget: number;
  memoryTotalFractionTarget: number;
  enableLFCMetrics: boolean;
  lfcUseLargestWindow: boolean;
  lfcToMemoryRatio: number;
  lfcWindowSizeMinutes: number;
  lfcMinWaitBeforeDownscaleMinutes: number;
  cpuStableZoneRatio: number;
  cpuMixedZoneRatio: number;
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

/** What is known of a VM's metrics, each with its age by the shell's clock. null: never scraped. */
export type LegacyMetrics = Readonly<{ system: SystemMetrics | null; lfc: LfcMetrics | null }>;
