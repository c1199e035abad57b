import { expect, test } from "vitest";
import { makeMachine, mountOf, type Files } from "../testing/machine.ts";
import { detectCpu, detectMemory } from "./detect.ts";

const GIB = 1024 ** 3;
const V2_MOUNT = mountOf("ROOT/cg", "cgroup2", "rw");
const V1_MOUNTS = [
  mountOf("ROOT/v1/memory", "cgroup", "rw,memory"),
  mountOf("ROOT/v1/cpu", "cgroup", "rw,cpu,cpuacct"),
].join("\n");
const V2: Files = {
  "proc/self/mountinfo": V2_MOUNT,
  "proc/self/cgroup": "0::/machine.slice/selfscale-agent.service",
};
const V1: Files = {
  "proc/self/mountinfo": V1_MOUNTS,
  "proc/self/cgroup":
    "4:memory:/machine.slice/agent\n2:cpu,cpuacct:/machine.slice/agent\n1:name=systemd:/x",
};
const UNLIMITED_V1 = "9223372036854771712";
const MACHINE = { cpu: 2, memGib: 16 };

test.for<{
  name: string;
  files: Files;
  cgroup?: string;
  cpu?: number;
  memGib?: number;
  by?: readonly string[];
}>([
  { name: "the machine, where there are no cgroups", files: {} },
  {
    name: "v2: no limit anywhere",
    files: {
      ...V2,
      "cg/machine.slice/memory.max": "max",
      "cg/machine.slice/cpu.max": "max 100000",
    },
  },
  {
    name: "v2: the slice's limits",
    files: {
      ...V2,
      "cg/machine.slice/memory.max": 4 * GIB,
      "cg/machine.slice/cpu.max": "150000 100000",
    },
    ...{ cpu: 1.5, memGib: 4, by: ["cg/machine.slice/cpu.max", "cg/machine.slice/memory.max"] },
  },
  {
    name: "v2: the agent's own limits are its own",
    files: {
      ...V2,
      "cg/machine.slice/selfscale-agent.service/memory.max": GIB / 4,
      "cg/machine.slice/selfscale-agent.service/cpu.max": "50000 100000",
    },
  },
  {
    name: "v2: of nested limits the smallest counts, above",
    files: { ...V2, "cg/memory.max": 3 * GIB, "cg/machine.slice/memory.max": 8 * GIB },
    ...{ memGib: 3, by: ["cg/memory.max"] },
  },
  {
    name: "v2: of nested limits the smallest counts, below",
    files: { ...V2, "cg/memory.max": 8 * GIB, "cg/machine.slice/memory.max": 3 * GIB },
    ...{ memGib: 3, by: ["cg/machine.slice/memory.max"] },
  },
  {
    name: "v2: a limit above the machine is none",
    files: {
      ...V2,
      "cg/machine.slice/memory.max": 64 * GIB,
      "cg/machine.slice/cpu.max": "900000 100000",
    },
  },
  {
    name: "v2: a slice that is named, and those above it",
    files: {
      ...V2,
      "cg/vms.slice/memory.max": 6 * GIB,
      "cg/vms.slice/big/memory.max": "max",
      "cg/machine.slice/memory.max": GIB,
    },
    ...{ cgroup: "cg/vms.slice/big", memGib: 6, by: ["cg/vms.slice/memory.max"] },
  },
  {
    name: "v2: a named slice's own limit counts",
    files: { ...V2, "cg/vms.slice/memory.max": 6 * GIB },
    ...{ cgroup: "cg/vms.slice", memGib: 6, by: ["cg/vms.slice/memory.max"] },
  },
  {
    name: "v1: unlimited is a huge number, and -1",
    files: {
      ...V1,
      "v1/memory/machine.slice/memory.limit_in_bytes": UNLIMITED_V1,
      "v1/cpu/machine.slice/cpu.cfs_quota_us": -1,
      "v1/cpu/machine.slice/cpu.cfs_period_us": 100_000,
    },
  },
  {
    name: "v1: the slice's limits, each in its hierarchy",
    files: {
      ...V1,
      "v1/memory/machine.slice/memory.limit_in_bytes": 2 * GIB,
      "v1/cpu/machine.slice/cpu.cfs_quota_us": 50_000,
      "v1/cpu/machine.slice/cpu.cfs_period_us": 100_000,
    },
    ...{
      cpu: 0.5,
      memGib: 2,
      by: [
        "v1/cpu/machine.slice/cpu.cfs_quota_us",
        "v1/memory/machine.slice/memory.limit_in_bytes",
      ],
    },
  },
  {
    name: "v1: a named slice is found in the other hierarchies by its name",
    files: {
      ...V1,
      "v1/memory/vms/memory.limit_in_bytes": 5 * GIB,
      "v1/cpu/vms/cpu.cfs_quota_us": 100_000,
      "v1/cpu/vms/cpu.cfs_period_us": 100_000,
    },
    ...{ cgroup: "v1/cpu/vms", cpu: 1, memGib: 5 },
  },
  {
    name: "both versions at once: v1 has the controllers",
    files: {
      "proc/self/mountinfo": `${V1_MOUNTS}\n${V2_MOUNT}`,
      "proc/self/cgroup": "4:memory:/machine.slice/agent\n0::/other/agent",
      "v1/memory/machine.slice/memory.limit_in_bytes": 2 * GIB,
    },
    memGib: 2,
  },
  {
    name: "a container that sees its part of the hierarchy only",
    files: {
      "proc/self/mountinfo": mountOf("ROOT/cg", "cgroup2", "rw", "/pods/a"),
      "proc/self/cgroup": "0::/pods/a/vms/agent",
      "cg/vms/memory.max": 2 * GIB,
    },
    memGib: 2,
  },
  {
    name: "a container whose own cgroup is all it sees",
    files: {
      "proc/self/mountinfo": V2_MOUNT,
      "proc/self/cgroup": "0::/",
      "cg/memory.max": GIB,
    },
  },
  {
    name: "a cgroup outside of what is mounted",
    files: {
      "proc/self/mountinfo": V2_MOUNT,
      "proc/self/cgroup": "0::/../../other",
      "cg/memory.max": GIB,
    },
  },
  {
    name: "a mount point with a space",
    files: {
      "proc/self/mountinfo": mountOf("ROOT/my\\040cg", "cgroup2", "rw"),
      "proc/self/cgroup": "0::/a/agent",
      "my cg/a/memory.max": GIB,
    },
    memGib: 1,
  },
  {
    name: "a folder that is in no hierarchy is read by itself",
    files: { "lone/memory.max": GIB, "lone/cpu.max": "100000 100000" },
    ...{ cgroup: "lone", cpu: 1, memGib: 1 },
  },
  {
    name: "files that say nonsense",
    files: { ...V2, "cg/machine.slice/memory.max": "lots", "cg/machine.slice/cpu.max": "100000 0" },
  },
])("$name", ({ files, cgroup, by, cpu = MACHINE.cpu, memGib = MACHINE.memGib }) => {
  const machine = makeMachine(files);
  const place = { proc: machine.proc, cgroup: cgroup === undefined ? null : machine.at(cgroup) };
  const found = { cpu: detectCpu(place), mem: detectMemory(place) };
  expect(found.cpu?.amount).toBe(cpu * 1000);
  expect(found.mem?.amount).toBe(memGib * GIB);
  if (cpu === MACHINE.cpu) expect(found.cpu?.source).toBe("online CPUs of /proc/stat");
  if (memGib === MACHINE.memGib) expect(found.mem?.source).toBe("MemTotal of /proc/meminfo");
  for (const file of by ?? []) {
    expect([found.cpu?.source, found.mem?.source]).toContain(machine.at(file));
  }
});

test("a machine that says nothing", () => {
  const place = { proc: "/nowhere", cgroup: null };
  expect([detectCpu(place), detectMemory(place)]).toEqual([null, null]);
});
