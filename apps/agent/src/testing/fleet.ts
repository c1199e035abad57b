// A fleet of real loops over real sockets, with its log in memory.
import { AGENT_TIMERS, type AgentTimers, type Capacity, type stepVm } from "@selfscale/core";
import { HIGHEST_VERSION, type Size } from "@selfscale/protocol";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { legacyOf } from "../config/legacy.ts";
import { type AgentConfig, type VmConfig } from "../config/load.ts";
import { type Log } from "../log.ts";
import { Fleet } from "../shell/fleet.ts";
import { GIVEN } from "../node/plan.ts";
import { NO_OBSERVER, type Observer } from "../shell/observer.ts";
import { SHELL_TIMERS, type ShellTimers } from "../shell/timers.ts";
import { MIB } from "./qemu.ts";

export type LogLine = Readonly<Record<string, unknown> & { msg: string; vm?: string }>;

/** Retries come fast enough for a test; everything else as in production. */
export const QUICK: ShellTimers = { ...SHELL_TIMERS, reconnectMinMs: 10, reconnectMaxMs: 50 };

export const size = (cpu: number, mib: number): Size => ({
  milliCpu: cpu * 1000,
  memBytes: mib * MIB,
});

export function memoryLog(level = "info"): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const write = (text: string) => void lines.push(JSON.parse(text) as LogLine);
  const formatters = { level: (label: string) => ({ level: label }) };
  return { log: pino({ level, base: null, formatters }, { write }), lines };
}

export function vmConfig(
  place: Readonly<{ name: string; socket: string; url: string }>,
  overrides: Partial<VmConfig> = {},
): VmConfig {
  return {
    spec: {
      name: place.name,
      bounds: { min: size(1, 128), max: size(4, 1152) },
      hasQuota: (overrides.cgroup ?? null) !== null,
      hasMetrics: (overrides.metricsUrl ?? null) !== null,
      protocolMax: HIGHEST_VERSION,
      legacy: legacyOf(undefined, undefined),
    },
    weight: 1,
    priority: 0,
    qmp: { kind: "unix", path: place.socket },
    monitorUrl: place.url,
    metricsUrl: null,
    lfcMetricsUrl: null,
    cgroup: null,
    memoryDevice: { kind: "only-one" },
    tokenFile: null,
    tls: null,
    ...overrides,
  };
}

/** A node of this size by the operator's word, which nobody watches. */
export function nodeOf(
  capacity: Size,
  node: Partial<Capacity> = {},
): Pick<AgentConfig, "node" | "nodePlan" | "nodeSize" | "http"> {
  return {
    node: {
      size: capacity,
      reserve: size(0, 0),
      overcommit: { cpu: 1, mem: 1 },
      overheadPerVmBytes: 0,
      emergency: size(0, 0),
      brake: null,
      ...node,
    },
    nodePlan: {
      ...capacity,
      reserve: size(0, 0),
      place: { proc: "/nowhere", cgroup: null },
      brakes: null,
    },
    nodeSize: {
      size: capacity,
      source: { cpu: GIVEN, mem: GIVEN },
      defaultReserve: { milliCpu: 0, memBytes: 0 },
    },
    http: { address: null, isGiven: true },
  };
}

/** Started; it stops with the test. */
export function startFleet(
  vms: readonly VmConfig[],
  setup: Readonly<{
    capacity?: Size;
    node?: Partial<Capacity>;
    timers?: Partial<AgentTimers>;
    shellTimers?: ShellTimers;
    observer?: Observer;
    step?: typeof stepVm;
  }> = {},
): { fleet: Fleet; lines: LogLine[] } {
  const capacity = setup.capacity ?? size(16, 16_384);
  const config: AgentConfig = {
    ...nodeOf(capacity, setup.node),
    vms,
    statusSocket: "/nowhere",
    logLevel: "info",
    sliceBytes: 256 * MIB,
    timers: { ...AGENT_TIMERS, ...setup.timers },
    shellTimers: setup.shellTimers ?? QUICK,
  };
  const { log, lines } = memoryLog();
  const { step, observer = NO_OBSERVER } = setup;
  const fleet = new Fleet({ config, log, observer, ...(step === undefined ? {} : { step }) });
  onTestFinished(() => fleet.stop());
  fleet.start();
  return { fleet, lines };
}
