// The configuration of a whole monitor on a pretended machine: quick, on ports of the kernel's choice, with nothing beside it.
import path from "node:path";
import {
  ANTICIPATION_DEFAULTS,
  FILE_CACHE_DEFAULTS,
  MONITOR_DEFAULTS,
  PRESETS,
} from "@selfscale/core";
import { type Config } from "../config/load.ts";
import { type FakeMachine } from "./machine.ts";

const MIB = 1024 ** 2;

export function configFor(machine: FakeMachine, change: Partial<Config> = {}): Config {
  return {
    listen: { address: "127.0.0.1", port: 0 },
    metricsListen: { address: "127.0.0.1", port: 0 },
    status: path.join(machine.dir, "run", "monitor.sock"),
    statusGroup: null,
    preset: "demo",
    calm: null,
    protocolMax: 2,
    probeScaleRequest: false,
    token: null,
    tls: null,
    requireAuth: false,
    shadow: null,
    record: null,
    recordSamplesEveryMs: null,
    postgres: null,
    anticipation: ANTICIPATION_DEFAULTS,
    fileCache: FILE_CACHE_DEFAULTS,
    cgroup: null,
    logLevel: "info",
    policy: PRESETS.demo,
    cpuEveryMs: 50,
    memoryEveryMs: 20,
    pageInMaxBytesPerSec: 100 * MIB,
    reactStartMs: MONITOR_DEFAULTS.tReactStartMs,
    ...change,
  };
}
