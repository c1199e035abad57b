import { type MemorySample } from "@selfscale/core";
import { type LoadAverage } from "../sensors/loadavg.ts";
import { type LinkCounts } from "./link-server.ts";
import { type Metric } from "./metrics-server.ts";

/** What the metrics are made of. null: not read yet, or this kernel does not tell. */
export type MetricSources = Readonly<{
  load: LoadAverage | null;
  memory: MemorySample | null;
  links: LinkCounts;
}>;

/**
 * The `host_*` names are a contract: version-1 agents size a VM by exactly these five, and reject
 * a scrape that lacks one.
 */
export function hostMetrics({ load, memory, links }: MetricSources): Metric[] {
  const gauge = (name: string, value: number | undefined, help: string): Metric[] =>
    value === undefined ? [] : [{ name, help, type: "gauge", value }];
  const counter = (name: string, value: number, help: string): Metric => ({
    name: `selfscale_monitor_${name}_total`,
    help,
    type: "counter",
    value,
  });
  return [
    ...gauge("host_load1", load?.load1, "Load average over one minute."),
    ...gauge("host_load5", load?.load5, "Load average over five minutes."),
    ...gauge("host_memory_total_bytes", memory?.totalBytes, "MemTotal of this machine."),
    ...gauge("host_memory_available_bytes", memory?.availableBytes, "MemAvailable."),
    ...gauge("host_memory_cached_bytes", memory?.cachedBytes, "Page cache."),
    counter("links_opened", links.opened, "Connections of agents with a finished handshake."),
    counter("links_taken_over", links.takeovers, "Connections that replaced an open one."),
    counter("links_slowed", links.slowed, "Connections refused because takeovers were too many."),
    counter(
      "links_unauthorized",
      links.unauthorized,
      "Connections refused for their token or certificate.",
    ),
    counter("handshakes_failed", links.failedHandshakes, "Connections that never finished."),
  ];
}
