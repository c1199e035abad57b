import { expect, test } from "vitest";
import { SHELL_TIMERS } from "../shell/timers.ts";
import { vmConfig } from "../testing/fleet.ts";
import { metricsSources } from "./sources.ts";

const HOST = "http://127.0.0.1:9100/metrics";
const CACHE = "http://127.0.0.1:9499/metrics";
const host = { name: "metrics", url: HOST, everyMs: 5_000, deadlineMs: 2_000, maxBytes: 2 ** 20 };
const cache = {
  name: "lfcMetrics",
  url: CACHE,
  everyMs: 15_000,
  deadlineMs: 5_000,
  maxBytes: 2 ** 20,
};

test.for([
  { metrics: null, lfc: null, isOn: false, want: [] },
  { metrics: null, lfc: null, isOn: true, want: [] },
  { metrics: HOST, lfc: null, isOn: false, want: [{ ...host, kinds: ["system"] }] },
  { metrics: HOST, lfc: CACHE, isOn: false, want: [{ ...host, kinds: ["system"] }] },
  { metrics: HOST, lfc: null, isOn: true, want: [{ ...host, kinds: ["system", "lfc"] }] },
  {
    metrics: HOST,
    lfc: CACHE,
    isOn: true,
    want: [
      { ...host, kinds: ["system"] },
      { ...cache, kinds: ["lfc"] },
    ],
  },
])("metrics $metrics, lfcMetrics $lfc, enableLFCMetrics $isOn", ({ metrics, lfc, isOn, want }) => {
  const place = { name: "old", socket: "/nowhere", url: "ws://127.0.0.1:1/" };
  const vm = vmConfig(place, { metricsUrl: metrics, lfcMetricsUrl: lfc });
  const legacy = { ...vm.spec.legacy, enableLFCMetrics: isOn };
  const sources = metricsSources({ ...vm, spec: { ...vm.spec, legacy } }, SHELL_TIMERS);
  expect(sources).toEqual(want);
});
