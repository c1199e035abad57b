// The deployed configuration. Source: neondatabase/autoscaling @a4bce09e, autoscaler-agent/config_map.yaml; the
// Go code has no defaults of its own.
import { type LegacyConfig } from "./types.ts";

export const DEPLOYED_LEGACY_CONFIG: LegacyConfig = {
  computeUnit: { milliCpu: 250, memBytes: 1024 ** 3 },
  loadAverageFractionTarget: 0.9,
  memoryUsageFractionTarget: 0.75,
  memoryTotalFractionTarget: 0.9,
  enableLFCMetrics: false, // production turns it on VM by VM
  lfcUseLargestWindow: false,
  lfcToMemoryRatio: 0.75,
  lfcWindowSizeMinutes: 5,
  lfcMinWaitBeforeDownscaleMinutes: 5,
  // With both at zero the load of one minute counts alone.
  cpuStableZoneRatio: 0,
  cpuMixedZoneRatio: 0,
  // These two stand under `monitor` there, for all VMs alike.
  requestedUpscaleValidSeconds: 10,
  retryDeniedDownscaleSeconds: 5,
};

/** What the deployed agent adds to measured use: memory of the kernel's own. pkg/agent/core/metrics.go */
export const KERNEL_MEM_BYTES = 100 * 1024 ** 2;

/** The deployed agent holds its goal in a uint32. */
export const MAX_COMPUTE_UNITS = 2 ** 32 - 1;
