// What the node as a whole shows, and this process.
import { PRESSURES, type Pressure } from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import pkg from "../../package.json" with { type: "json" };
import { type FleetStatus } from "../shell/fleet.ts";
import { sample, type LiveMetric } from "./live-metric.ts";

export type NodeView = FleetStatus &
  Readonly<{
    /** Share of time in which some task of the node waited; null: not known. */
    pressure: Readonly<Record<Pressure, number | null>>;
  }>;
type NodeMetric = LiveMetric<NodeView>;

const PARTS = {
  capacity: "What the node may hand out to its VMs, after its reserve",
  held: "What the VMs hold",
  promised: "What the VMs hold or were promised",
  free: "What is neither held nor promised nor the VMs' overhead; below zero: overcommitted",
} as const;
type Part = keyof typeof PARTS;

function partOf({ node, vms }: FleetStatus, part: Part): Size {
  if (part !== "free") return node[part];
  const overheadBytes = vms.length * node.overheadPerVmBytes;
  return {
    milliCpu: node.capacity.milliCpu - node.promised.milliCpu,
    memBytes: node.capacity.memBytes - node.promised.memBytes - overheadBytes,
  };
}

function sizesOf(part: Part): NodeMetric[] {
  const read = (of: (size: Size) => number) => (status: FleetStatus) => [
    sample(of(partOf(status, part))),
  ];
  return [
    {
      name: `selfscale_node_${part}_vcpus`,
      help: `${PARTS[part]}, in vCPUs.`,
      kind: "gauge",
      labels: [],
      read: read(({ milliCpu }) => milliCpu / 1000),
    },
    {
      name: `selfscale_node_${part}_bytes`,
      help: `${PARTS[part]}, in bytes of guest memory.`,
      kind: "gauge",
      labels: [],
      read: read(({ memBytes }) => memBytes),
    },
  ];
}

const startedAtSeconds = Date.now() / 1000 - process.uptime();

export const NODE_METRICS: readonly NodeMetric[] = [
  ...(Object.keys(PARTS) as Part[]).flatMap(sizesOf),
  {
    name: "selfscale_node_overcommitted",
    help: "1 while the VMs hold or were promised more than the node has; nothing grows then.",
    kind: "gauge",
    labels: [],
    read: ({ node }) => [sample(node.isOvercommitted ? 1 : 0)],
  },
  {
    name: "selfscale_node_brake",
    help: "1 while the node is in trouble and nothing grows for comfort; the status says why.",
    kind: "gauge",
    labels: [],
    read: ({ node }) => [sample(node.brake === null ? 0 : 1)],
  },
  {
    name: "selfscale_node_pressure_ratio",
    help: "Share of the last seconds in which some task waited for the resource; no series where it is not known.",
    kind: "gauge",
    labels: ["resource"],
    read: ({ pressure }) =>
      PRESSURES.flatMap((resource) => {
        const share = pressure[resource];
        return share === null ? [] : [sample(share, { resource })];
      }),
  },
  {
    name: "selfscale_node_source_info",
    help: "Always 1: where the node's CPU and memory are known from; given, or a file of the kernel.",
    kind: "gauge",
    labels: ["cpu", "mem"],
    read: ({ node }) => [sample(1, node.source)],
  },
  {
    name: "selfscale_build_info",
    help: "Always 1: the release of the agent and the runtime it runs on.",
    kind: "gauge",
    labels: ["version", "runtime"],
    read: () => [sample(1, { version: pkg.version, runtime: process.version })],
  },
  {
    name: "process_cpu_seconds_total",
    help: "CPU time of the agent, in seconds.",
    kind: "counter",
    labels: [],
    read: () => {
      const { user, system } = process.cpuUsage();
      return [sample((user + system) / 1e6)];
    },
  },
  {
    name: "process_resident_memory_bytes",
    help: "Memory of the agent that is resident, in bytes.",
    kind: "gauge",
    labels: [],
    read: () => [sample(process.memoryUsage.rss())],
  },
  {
    name: "process_start_time_seconds",
    help: "When the agent started, in seconds since 1970.",
    kind: "gauge",
    labels: [],
    read: () => [sample(startedAtSeconds)],
  },
];
