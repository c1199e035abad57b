// Which addresses of a VM are read, for what, how often and how long. The periods and deadlines are the deployed agent's.
import { type LegacyMetrics } from "@selfscale/core";
import { type VmConfig } from "../config/load.ts";
import { type ShellTimers } from "../shell/timers.ts";

export type MetricsKind = keyof LegacyMetrics;

/** One address. */
export type MetricsSource = Readonly<{
  /** Its key in the configuration. */
  name: "metrics" | "lfcMetrics";
  url: string;
  /** What it is read for. Other kinds that it may show are not looked at: each has one address. */
  kinds: readonly MetricsKind[];
  everyMs: number;
  deadlineMs: number;
  maxBytes: number;
}>;

/** A page of one VM is a few kilobytes; sixty windows are five more. */
const MAX_PAGE_BYTES = 1024 * 1024;

/** None: its monitor decides, or nobody. */
export function metricsSources(
  { metricsUrl, lfcMetricsUrl, spec }: Pick<VmConfig, "metricsUrl" | "lfcMetricsUrl" | "spec">,
  timers: ShellTimers,
): readonly MetricsSource[] {
  if (metricsUrl === null) return [];
  const isLfcOn = spec.legacy.enableLFCMetrics;
  const system: MetricsSource = {
    name: "metrics",
    url: metricsUrl,
    kinds: isLfcOn && lfcMetricsUrl === null ? ["system", "lfc"] : ["system"],
    everyMs: timers.scrapeEveryMs,
    deadlineMs: timers.scrapeMs,
    maxBytes: MAX_PAGE_BYTES,
  };
  if (!isLfcOn || lfcMetricsUrl === null) return [system];
  const lfc: MetricsSource = {
    name: "lfcMetrics",
    url: lfcMetricsUrl,
    kinds: ["lfc"],
    everyMs: timers.lfcScrapeEveryMs,
    deadlineMs: timers.lfcScrapeMs,
    maxBytes: MAX_PAGE_BYTES,
  };
  return [system, lfc];
}
