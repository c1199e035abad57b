// What another configuration changes, VM by VM. A VM is known by its QMP address: under another name it is the same one.
import { type AgentConfig, type VmConfig } from "../config/load.ts";

export type ReloadPlan = Readonly<{
  /** Loops that end, by name: removed, renamed, or reached another way. */
  ended: readonly string[];
  /** Loops that begin. `from`: the name under which this VM was known before; null: it is new. */
  begun: readonly Readonly<{ vm: VmConfig; from: string | null }>[];
  /** Of those that end: VMs that are not configured any more. */
  removed: readonly string[];
  /** For people: one line each, in the file's order. Empty when nothing changed. */
  changes: readonly string[];
  /** Keys that count only once the agent is started anew. */
  needRestart: readonly string[];
}>;

/** Pure. */
export function planReload(before: AgentConfig, next: AgentConfig): ReloadPlan {
  const byQmp = new Map(before.vms.map((vm) => [qmpOf(vm), vm]));
  const byName = new Map(before.vms.map((vm) => [vm.spec.name, vm]));
  const ended = new Set(byName.keys());
  const begun: { vm: VmConfig; from: string | null }[] = [];
  const changes = nodeChanges(before, next);
  for (const vm of next.vms) {
    const { name } = vm.spec;
    const old = byQmp.get(qmpOf(vm)) ?? byName.get(name);
    if (old === undefined) {
      begun.push({ vm, from: null });
      changes.push(`${name}: added`);
    } else if (old.spec.name !== name) {
      begun.push({ vm, from: old.spec.name });
      changes.push(`${name}: was ${old.spec.name}`);
    } else {
      const [links, lives] = [
        changedKeys(linkOf(old), linkOf(vm)),
        changedKeys(lifeOf(old), lifeOf(vm)),
      ];
      const changed = [...links, ...lives];
      if (changed.length > 0) {
        const how = links.length > 0 ? "its loop starts anew" : "live";
        changes.push(`${name}: ${changed.join(", ")} (${how})`);
      }
      if (links.length > 0) begun.push({ vm, from: name });
      else ended.delete(name);
    }
  }
  const known = new Set([
    ...next.vms.map(({ spec }) => spec.name),
    ...begun.map(({ from }) => from),
  ]);
  const removed = [...byName.keys()].filter((name) => !known.has(name));
  for (const name of removed) changes.push(`${name}: removed`);
  const needRestart = changedKeys(boundOf(before), boundOf(next));
  return { ended: [...ended], begun, removed, changes, needRestart };
}

/** What the agent binds once, when it starts. */
function boundOf({ statusSocket, http }: AgentConfig) {
  return { socket: statusSocket, http };
}

/** What a running loop can't change: how its QEMU and its monitor are reached, and what was said in the handshake. */
function linkOf(vm: VmConfig) {
  return {
    qmp: vm.qmp,
    monitor: vm.monitorUrl,
    metrics: vm.metricsUrl,
    lfcMetrics: vm.lfcMetricsUrl,
    // Which addresses are read follows from it.
    enableLFCMetrics: vm.spec.legacy.enableLFCMetrics,
    cgroup: vm.cgroup?.folder ?? null,
    memoryDevice: vm.memoryDevice,
    token: vm.tokenFile,
    tls: vm.tls,
    protocolMax: vm.spec.protocolMax,
  };
}

/** The parts of a VM's specification that follow from how it is reached, and its name. */
const OF_THE_LINK: ReadonlySet<string> = new Set(["name", "hasQuota", "hasMetrics", "protocolMax"]);

/** What it can. */
function lifeOf({ spec }: VmConfig): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(spec).filter(([key]) => !OF_THE_LINK.has(key)));
}

function nodeChanges(before: AgentConfig, next: AgentConfig): string[] {
  const kept = ({ node, nodePlan, sliceBytes, timers, shellTimers, logLevel }: AgentConfig) => ({
    node: { node, nodePlan },
    slice: sliceBytes,
    timers: { ...timers, ...shellTimers },
    "log.level": logLevel,
  });
  return changedKeys(kept(before), kept(next)).map((key) => `${key} (live)`);
}

function changedKeys<Values extends object>(before: Values, next: Values): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(next)]) as Set<
    string & keyof Values
  >;
  return [...keys].filter((key) => JSON.stringify(before[key]) !== JSON.stringify(next[key]));
}

function qmpOf({ qmp }: VmConfig): string {
  return JSON.stringify(qmp);
}
