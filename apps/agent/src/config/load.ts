import fs from "node:fs";
import path from "node:path";
import { AGENT_TIMERS, type AgentTimers, type Capacity, type VmSpec } from "@selfscale/core";
import { parseQmpAddress, type QmpAddress } from "@selfscale/qmp";
import { type Bounds, type Size } from "@selfscale/protocol";
import { LineCounter, parseDocument } from "yaml";
import { findCgroup, type Cgroup } from "../hypervisor/cgroup.ts";
import { type DeviceChoice } from "../hypervisor/device-choice.ts";
import { sizeNode, reserveOf, type NodePlan, type NodeSize } from "../node/plan.ts";
import { SYSTEM_TLS, type MonitorTls } from "../shell/monitor-tls.ts";
import { SHELL_TIMERS, type ShellTimers } from "../shell/timers.ts";
import { findMismatches, findMissing, type Mismatch } from "./check.ts";
import { legacyOf } from "./legacy.ts";
import { ConfigError, describeIssues, type Source } from "./problem.ts";
import { planOf } from "./node.ts";
import { httpOf, type HttpChoice } from "./http.ts";
import { ConfigFile, isSecure, type LOG_LEVELS } from "./schema.ts";

export type VmConfig = Readonly<{
  spec: VmSpec;
  /** Its part of what is shared, and who is served first. */
  weight: number;
  priority: number;
  qmp: QmpAddress;
  monitorUrl: string;
  metricsUrl: string | null;
  /** null: a working set is looked for among the host metrics. */
  lfcMetricsUrl: string | null;
  cgroup: Cgroup | null;
  memoryDevice: DeviceChoice;
  tokenFile: string | null;
  /** null: the monitor is reached over ws. */
  tls: MonitorTls | null;
}>;

export type AgentConfig = Readonly<{
  /** As large as it was when the configuration was read. */
  node: Capacity;
  nodePlan: NodePlan;
  nodeSize: NodeSize;
  vms: readonly VmConfig[];
  statusSocket: string;
  http: HttpChoice;
  logLevel: (typeof LOG_LEVELS)[number];
  sliceBytes: number;
  timers: AgentTimers;
  shellTimers: ShellTimers;
}>;

/** A longer file is not a configuration. */
const MAX_FILE_BYTES = 1024 * 1024;

/** A file that is right by itself. `folder`: what its paths start from. */
export type ReadConfig = Readonly<{
  config: ConfigFile;
  plan: NodePlan;
  source: Source;
  folder: string;
}>;

/** Reads, checks and completes the file. Throws ConfigError with the first thing wrong in it. */
export function loadConfig(file: string, proc = "/proc"): AgentConfig {
  const { config, plan, folder } = readConfig(file, { findMore: findMissing, proc });
  return complete(config, plan, folder);
}

type ReadOptions = Readonly<{
  findMore?: (config: ConfigFile, folder: string) => readonly Mismatch[];
  /** Where the kernel tells how large this machine is. */
  proc?: string;
}>;

/** Throws ConfigError with the first thing wrong in it; `findMore` may find more. */
export function readConfig(file: string, options: ReadOptions = {}): ReadConfig {
  const { findMore = () => [], proc = "/proc" } = options;
  const source = parse(file, read(file));
  const parsed = ConfigFile.safeParse(valuesOf(source));
  if (!parsed.success) throw new ConfigError(describeIssues(parsed.error.issues, source));
  const folder = path.dirname(path.resolve(file));
  const plan = planOf(parsed.data.node, proc);
  for (const mismatches of [findMismatches(parsed.data, plan), findMore(parsed.data, folder)]) {
    if (mismatches.length > 0) throw new ConfigError(describeMismatches(mismatches, source));
  }
  return { config: parsed.data, plan, source, folder };
}

/** The first of them, with how many more there are. */
export function describeMismatches(mismatches: readonly Mismatch[], source: Source): string {
  const issues = mismatches.map(({ path, expected }) => ({
    code: "custom" as const,
    path: [...path],
    message: expected,
  }));
  return describeIssues(issues, source);
}

function read(file: string): string {
  try {
    const { size } = fs.statSync(file);
    if (size > MAX_FILE_BYTES) {
      throw new ConfigError(`${file}: ${size} bytes, expected at most ${MAX_FILE_BYTES}`);
    }
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError(`${file}: can't be read (${code}), expected a YAML file`, {
      cause: error,
    });
  }
}

function parse(file: string, yaml: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines, prettyErrors: false });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const line = lines.linePos(problem.pos[0]).line;
    throw new ConfigError(`${file}:${line}: not YAML: ${problem.message}`);
  }
  return { file, document, lines };
}

function valuesOf({ file, document }: Source): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // Aliases that point nowhere, or that multiply beyond reason.
    throw new ConfigError(`${file}: not YAML: ${(error as Error).message}`, { cause: error });
  }
}

function complete(file: ConfigFile, nodePlan: NodePlan, folder: string): AgentConfig {
  const timers = file.timers ?? {};
  const nodeSize = sizeNode(nodePlan);
  return {
    node: {
      size: nodeSize.size,
      reserve: reserveOf(nodePlan, nodeSize),
      overcommit: file.node.overcommit,
      overheadPerVmBytes: file.node.overheadPerVm,
      emergency: sizeOf(file.node.emergency),
      brake: null,
    },
    nodePlan,
    nodeSize,
    vms: file.vms.map((vm) => completeVm(vm, file, folder)),
    statusSocket: file.socket,
    http: httpOf(file.http),
    logLevel: file.log.level,
    sliceBytes: file.slice,
    timers: overridden(AGENT_TIMERS, timers),
    shellTimers: overridden(SHELL_TIMERS, timers),
  };
}

function completeVm(vm: ConfigFile["vms"][number], file: ConfigFile, folder: string): VmConfig {
  return {
    spec: {
      name: vm.name,
      bounds: boundsOf(vm.bounds),
      hasQuota: vm.cgroup !== undefined,
      hasMetrics: vm.metrics !== undefined,
      protocolMax: vm.protocolMax,
      legacy: legacyOf(file.legacy, vm.legacy),
    },
    weight: vm.weight,
    priority: vm.priority,
    qmp: parseQmpAddress(vm.qmp),
    monitorUrl: vm.monitor,
    metricsUrl: vm.metrics ?? null,
    lfcMetricsUrl: vm.lfcMetrics ?? null,
    cgroup: vm.cgroup === undefined ? null : findCgroup(vm.cgroup),
    memoryDevice: deviceChoice(vm.memoryDevice),
    tokenFile: vm.token === undefined ? null : path.resolve(folder, vm.token),
    tls: isSecure(vm.monitor) ? tlsOf(vm.tls, folder) : null,
  };
}

function tlsOf(given: ConfigFile["vms"][number]["tls"], folder: string): MonitorTls {
  if (given === undefined) return SYSTEM_TLS;
  const { ca, cert, key, serverName = null } = given;
  const file = (name: string) => path.resolve(folder, name);
  const hasClient = cert !== undefined && key !== undefined;
  return {
    ca: ca === undefined ? null : file(ca),
    client: hasClient ? { cert: file(cert), key: file(key) } : null,
    serverName,
  };
}

function deviceChoice(text: string | undefined): DeviceChoice {
  if (text === undefined) return { kind: "only-one" };
  return text === "none" ? { kind: "none" } : { kind: "named", id: text };
}

type Amount = Readonly<{ cpu: number; mem: number }>;

function boundsOf({ min, max }: Readonly<{ min: Amount; max: Amount }>): Bounds {
  return { min: sizeOf(min), max: sizeOf(max) };
}

function sizeOf({ cpu, mem }: Amount): Size {
  return { milliCpu: cpu, memBytes: mem };
}

function overridden<Timers extends Readonly<Record<string, number>>>(
  defaults: Timers,
  given: Readonly<Record<string, number | undefined>>,
): Timers {
  const own = Object.entries(given).filter(
    ([name, value]) => name in defaults && value !== undefined,
  );
  return { ...defaults, ...(Object.fromEntries(own) as Partial<Timers>) };
}
