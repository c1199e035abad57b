// What each VM of the inventory shows. Its name is the only label that grows with the node.
import { AGENT_REASONS, type Size } from "@selfscale/protocol";
import { type CounterName } from "../shell/counters.ts";
import { type FleetStatus } from "../shell/fleet.ts";
import { type RunnerStatus } from "../shell/vm-runner.ts";
import { sample, type LiveMetric, type Sample } from "./live-metric.ts";

export type VmMetric = LiveMetric<FleetStatus>;

/** The size ladder, and what stands beside it. */
export const RUNGS = [
  "desired",
  "permit",
  "requested",
  "actual",
  "held",
  "share",
  "min",
  "max",
] as const;

/** Nothing binds: the VM is on its way. */
export const NO_REASON = "none";
const MODES = ["held", "compute-controlled", "metrics-based"] as const;

function rungsOf(vm: FleetStatus["vms"][number]): readonly (Size | null)[] {
  const { min, max } = vm.bounds;
  return [vm.desired, vm.permit, vm.requested, vm.actual, vm.held, vm.sharing.share, min, max];
}

function ladder(read: (size: Size) => number): VmMetric["read"] {
  return ({ vms }) =>
    vms.flatMap((vm) => {
      const sizes = rungsOf(vm);
      return RUNGS.flatMap((rung, index): Sample[] => {
        const size = sizes[index] ?? null;
        return size === null ? [] : [sample(read(size), { vm: vm.name, rung })];
      });
    });
}

/** One series per VM; null: none. */
function each(read: (vm: RunnerStatus) => number | null): VmMetric["read"] {
  return ({ vms }) =>
    vms.flatMap((vm) => {
      const value = read(vm);
      return value === null ? [] : [sample(value, { vm: vm.name })];
    });
}

const reasonOf = ({ reason }: RunnerStatus) => reason ?? NO_REASON;

function countBy(
  label: string,
  words: readonly string[],
  read: (vm: RunnerStatus) => string,
): VmMetric["read"] {
  return ({ vms }) => {
    const counts = new Map(words.map((word) => [word, 0]));
    for (const vm of vms) counts.set(read(vm), (counts.get(read(vm)) ?? 0) + 1);
    return [...counts].map(([word, count]) => sample(count, { [label]: word }));
  };
}

const GAUGES: readonly Omit<VmMetric, "kind">[] = [
  {
    name: "selfscale_vm_cpu_vcpus",
    help: "CPU of one rung of the VM's size ladder, in vCPUs; a rung that is not known has no series.",
    labels: ["vm", "rung"],
    read: ladder(({ milliCpu }) => milliCpu / 1000),
  },
  {
    name: "selfscale_vm_memory_bytes",
    help: "Memory of one rung of the VM's size ladder; a rung that is not known has no series.",
    labels: ["vm", "rung"],
    read: ladder(({ memBytes }) => memBytes),
  },
  {
    name: "selfscale_vm_waiting_seconds",
    help: "For how long some of what the VM wants has waited for room on the node; 0: nothing waits.",
    labels: ["vm"],
    read: ({ vms }) =>
      vms.map(({ name, sharing }) => sample((sharing.waitingForMs ?? 0) / 1000, { vm: name })),
  },
  {
    name: "selfscale_vm_cpu_used_vcpus",
    help: "Host CPU that the QEMU process uses, in vCPUs, averaged over a second.",
    labels: ["vm"],
    read: each(({ cpuUsedMilli }) => (cpuUsedMilli === null ? null : cpuUsedMilli / 1000)),
  },
  {
    name: "selfscale_vm_cpu_throttled_ratio",
    help: "Share of quota periods in which the VM was throttled; no series without a quota.",
    labels: ["vm"],
    read: each(({ throttledShare }) => throttledShare),
  },
  {
    name: "selfscale_vm_hypervisor_up",
    help: "1 while the agent is attached to the VM's QEMU.",
    labels: ["vm"],
    read: each(({ loop }) => (loop.isAttached ? 1 : 0)),
  },
  {
    name: "selfscale_vm_monitor_up",
    help: "1 while the VM's monitor has answered the handshake and is connected.",
    labels: ["vm"],
    read: each(({ link }) => (link.state === "up" ? 1 : 0)),
  },
  {
    name: "selfscale_vm_reason",
    help: "Always 1: the one reason that binds the VM's size now; none while it is on its way.",
    labels: ["vm", "reason"],
    read: ({ vms }) => vms.map((vm) => sample(1, { vm: vm.name, reason: reasonOf(vm) })),
  },
  {
    name: "selfscale_vms",
    help: "VMs in the inventory, by who decides their size.",
    labels: ["mode"],
    read: countBy("mode", MODES, ({ mode }) => mode),
  },
  {
    name: "selfscale_vms_bound",
    help: "VMs in the inventory, by the reason that binds their size; none while they are on their way.",
    labels: ["reason"],
    read: countBy("reason", [...AGENT_REASONS, NO_REASON], reasonOf),
  },
];

/** A counter of the shell that has no line here does not compile. */
const COUNTERS: Readonly<Record<CounterName, readonly [name: string, help: string]>> = {
  steps: ["steps", "Events that the VM's machine has taken."],
  restarts: ["loop_restarts", "Times the VM's loop died of a mistake of the agent and began anew."],
  ordersTaken: ["orders", "Orders of an operator (pause, resume, set-size) that were taken."],
  dials: ["monitor_dials", "Attempts to reach the VM's monitor."],
  dialsFailed: ["monitor_dials_failed", "Attempts to reach the VM's monitor that failed."],
  framesReceived: ["frames_received", "Frames that came from the VM's monitor."],
  framesCoalesced: [
    "frames_coalesced",
    "Frames that came too fast and were replaced by a newer one.",
  ],
  framesSent: ["frames_sent", "Frames sent to the VM's monitor."],
  floods: ["floods", "Connections closed because the monitor sent too much."],
  attaches: ["hypervisor_attaches", "Times the agent attached to the VM's QEMU."],
  observations: ["hypervisor_observations", "Complete readings of the VM's QEMU."],
  commandsDone: ["commands", "Commands that QEMU or the kernel took."],
  commandsFailed: ["commands_failed", "Commands that QEMU or the kernel refused or lost."],
  scrapes: ["scrapes", "Pages of metrics that were read from the VM."],
  scrapesFailed: ["scrapes_failed", "Pages of metrics that could not be read, or not whole."],
  scrapesUnreachable: ["scrapes_unreachable", "Of the failed: nobody answered at the address."],
  scrapesTimedOut: ["scrapes_timed_out", "Of the failed: no whole page within the deadline."],
  scrapesRefused: ["scrapes_refused", "Of the failed: another HTTP status than 200."],
  scrapesTooLarge: ["scrapes_too_large", "Of the failed: a page above the size limit."],
  scrapesEncoded: [
    "scrapes_encoded",
    "Of the failed: a page that is compressed, which was not asked for.",
  ],
  scrapesMalformed: ["scrapes_malformed", "Of the failed: a page that can't be parsed."],
  scrapesIncomplete: ["scrapes_incomplete", "Of the failed: metrics are missing or make no sense."],
};

export const VM_METRICS: readonly VmMetric[] = [
  ...GAUGES.map((gauge): VmMetric => ({ ...gauge, kind: "gauge" })),
  ...Object.entries(COUNTERS).map(([counter, [name, help]]): VmMetric => {
    const read = each(({ counters }) => counters[counter as CounterName]);
    return { name: `selfscale_vm_${name}_total`, help, kind: "counter", labels: ["vm"], read };
  }),
];
