import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { edit, GOOD, SECOND, writeConfig } from "../testing/config-file.ts";
import { makeTempDir } from "../testing/temp-dir.ts";
import { loadConfig } from "./load.ts";
import { ConfigError } from "./problem.ts";

const BYTES = "an integer of bytes, or a number with Ki, Mi, Gi or Ti (512Mi, 1.5Gi)";
const CPU = "a number of vCPUs up to 1024, or thousandths of one with m (2, 0.5, 500m)";

// FILE and FOLDER stand for the file's own.
test.for<{ name: string; text: string; problem: string }>([
  {
    name: "not YAML",
    text: "node: {\n",
    problem:
      "FILE:2: not YAML: Flow map in block collection must be sufficiently indented and end with a }",
  },
  {
    name: "a key twice",
    text: `${GOOD}node: { cpu: 1, mem: 1Gi }\n`,
    problem: "FILE:7: not YAML: Map keys must be unique",
  },
  {
    name: "empty",
    text: "",
    problem:
      "FILE: got null, expected a mapping of node, legacy, vms, socket, http, log, slice, timers",
  },
  {
    name: "no node",
    text: "vms: []\n",
    problem: "FILE:1: vms: got [], expected at least one VM",
  },
  {
    name: "unknown key at the top",
    text: `${GOOD}vm: 3\n`,
    problem:
      "FILE:7: vm: unknown key, expected one of node, legacy, vms, socket, http, log, slice, timers",
  },
  {
    name: "unknown key in a VM",
    text: edit(["name: pg-1", "name: pg-1\n    metric: http://x/"]),
    problem:
      "FILE:4: vms[0].metric: unknown key, expected one of name, qmp, monitor, bounds, weight, priority, metrics, lfcMetrics, cgroup, memoryDevice, token, protocolMax, tls, legacy",
  },
  {
    name: "a misspelt key is told before the one that is missing for it",
    text: edit(["    qmp:", "    qpm:"]),
    problem:
      "FILE:4: vms[0].qpm: unknown key, expected one of name, qmp, monitor, bounds, weight, priority, metrics, lfcMetrics, cgroup, memoryDevice, token, protocolMax, tls, legacy (and 1 more)",
  },
  {
    name: "unknown legacy factor",
    text: edit(["vms:", "legacy: { loadAverage: 1 }\nvms:"]),
    problem:
      "FILE:2: legacy.loadAverage: unknown key, expected one of computeUnit, loadAverageFractionTarget, memoryUsageFractionTarget, memoryTotalFractionTarget, enableLFCMetrics, lfcUseLargestWindow, lfcToMemoryRatio, lfcWindowSizeMinutes, lfcMinWaitBeforeDownscaleMinutes, cpuStableZoneRatio, cpuMixedZoneRatio, requestedUpscaleValidSeconds, retryDeniedDownscaleSeconds",
  },
  {
    name: "a working set without host metrics",
    text: edit(["name: pg-1", "name: pg-1\n    lfcMetrics: http://127.0.0.1:9499/metrics"]),
    problem:
      "FILE:3: vms[0].metrics: missing, expected the address of its host metrics too: lfcMetrics is nothing without it",
  },
  {
    name: "wrong unit of memory",
    text: edit(["512Mi", "512M"]),
    problem: `FILE:6: vms[0].bounds.min.mem: got "512M", expected ${BYTES}`,
  },
  {
    name: "no memory at all",
    text: edit(["512Mi", "0"]),
    problem: `FILE:6: vms[0].bounds.min.mem: got 0, expected ${BYTES}, above zero`,
  },
  {
    name: "wrong unit of CPU",
    text: edit(["{ cpu: 4, mem: 3Gi }", "{ cpu: 4cores, mem: 3Gi }"]),
    problem: `FILE:1: node.cpu: got "4cores", expected ${CPU}`,
  },
  {
    name: "a missing value",
    text: edit([", mem: 512Mi", ""]),
    problem: `FILE:6: vms[0].bounds.min.mem: missing, expected ${BYTES}`,
  },
  {
    name: "a missing mapping",
    text: edit(["    bounds: { min: { cpu: 1, mem: 512Mi }, max: { cpu: 4, mem: 2560Mi } }\n", ""]),
    problem: "FILE:3: vms[0].bounds: missing, expected a mapping of min, max",
  },
  {
    name: "a list where a mapping belongs",
    text: edit(["{ cpu: 4, mem: 3Gi }", "[4, 3]"]),
    problem:
      "FILE:1: node: got [4,3], expected a mapping of cpu, mem, cgroup, brakes, overheadPerVm, reserve, overcommit, emergency",
  },
  {
    name: "a bad address of the monitor",
    text: edit(["ws://127.0.0.1:20301/monitor", "http://127.0.0.1:20301/monitor"]),
    problem:
      'FILE:5: vms[0].monitor: got "http://127.0.0.1:20301/monitor", expected a ws:// or wss:// address, such as ws://127.0.0.1:10301/monitor',
  },
  {
    name: "a bad address of QMP",
    text: edit(["unix:/run/vm/pg-1.qmp", "/run/vm/pg-1.qmp"]),
    problem:
      'FILE:4: vms[0].qmp: got "/run/vm/pg-1.qmp", expected unix:/absolute/path (up to 107 bytes) or tcp:host:port',
  },
  {
    name: "a QMP path that a socket can't have",
    text: edit(["unix:/run/vm/pg-1.qmp", `unix:/run/${"x".repeat(103)}`]),
    problem: `FILE:4: vms[0].qmp: got "unix:/run/${"x".repeat(49)}…, expected unix:/absolute/path (up to 107 bytes) or tcp:host:port`,
  },
  {
    name: "a name for no file or table",
    text: edit(["name: pg-1", 'name: "pg 1"']),
    problem:
      'FILE:3: vms[0].name: got "pg 1", expected up to 63 letters, digits, dots, dashes or underscores, a letter or digit first',
  },
  ...["10330", "127.0.0.1", "127.0.0.1:65536", "::1:10330", "http://127.0.0.1:10330", ""].map(
    (http) => ({
      name: `a bad address to serve: ${http}`,
      text: `${GOOD}http: "${http}"\n`,
      problem: `FILE:7: http: got "${http}", expected none, or an address and a port, such as 127.0.0.1:10330 or [::1]:10330`,
    }),
  ),
  {
    name: "a level of logging that is none",
    text: `${GOOD}log: { level: verbose }\n`,
    problem: 'FILE:7: log.level: got "verbose", expected one of debug, info, warn, error',
  },
  {
    name: "a timer of no time",
    text: `${GOOD}timers:\n  handshakeMs: 0\n`,
    problem: "FILE:8: timers.handshakeMs: got 0, expected a whole number above zero",
  },
  {
    name: "min above max, memory",
    text: edit(["512Mi", "2600Mi"]),
    problem:
      'FILE:6: vms[0].bounds.min.mem: got "2600Mi", expected at most bounds.max.mem, which is 2.5Gi',
  },
  {
    name: "min above max, CPU",
    text: edit(
      ["min: { cpu: 1,", "min: { cpu: 4500m,"],
      ["{ cpu: 4, mem: 3Gi }", "{ cpu: 9, mem: 3Gi }"],
    ),
    problem:
      'FILE:6: vms[0].bounds.min.cpu: got "4500m", expected at most bounds.max.cpu, which is 4',
  },
  {
    name: "no room for all minimums with their overhead",
    text: edit(["3Gi", "1Gi"]) + SECOND,
    problem:
      'FILE:1: node.mem: got "1Gi", expected at least 1.5Gi: the 2 VMs\' bounds.min is 1Gi and node.overheadPerVm makes 512Mi',
  },
  {
    name: "no CPU for all minimums",
    text: edit(["{ cpu: 4, mem: 3Gi }", "{ cpu: 1, mem: 3Gi }"]) + SECOND,
    problem: "FILE:1: node.cpu: got 1, expected at least 1.5: the 2 VMs' bounds.min",
  },
  {
    name: "a slice that is not there",
    text: edit(["{ cpu: 4, mem: 3Gi }", "{ cgroup: /sys/fs/cgroup/no-such-one }"]),
    problem:
      'FILE:1: node.cgroup: got "/sys/fs/cgroup/no-such-one", expected an existing cgroup folder',
  },
  {
    name: "brakes that are neither limits nor off",
    text: edit(["{ cpu: 4, mem: 3Gi }", "{ cpu: 4, mem: 3Gi, brakes: on }"]),
    problem:
      'FILE:1: node.brakes: got "on", expected off, or a mapping of memoryPressurePercent, swapPagesPerSec, availableMem, releaseAfterMs',
  },
  {
    name: "a brake that there is not",
    text: edit(["{ cpu: 4, mem: 3Gi }", "{ cpu: 4, mem: 3Gi, brakes: { cpuPercent: 3 } }"]),
    problem:
      "FILE:1: node.brakes.cpuPercent: unknown key, expected one of memoryPressurePercent, swapPagesPerSec, availableMem, releaseAfterMs",
  },
  {
    name: "more than all of the time",
    text: edit(["3Gi }", "3Gi, brakes: { memoryPressurePercent: 101 } }"]),
    problem:
      "FILE:1: node.brakes.memoryPressurePercent: got 101, expected a number above 0 and up to 100",
  },
  {
    name: "a reserve that leaves too little",
    text: edit(["{ cpu: 4, mem: 3Gi }", "{ cpu: 4, mem: 3Gi, reserve: { mem: 2.5Gi } }"]),
    problem:
      'FILE:1: node.mem: got "3Gi", expected at least 3328Mi: the VM\'s bounds.min is 512Mi, node.reserve.mem is 2.5Gi and node.overheadPerVm makes 256Mi',
  },
  {
    name: "a reserve of CPU that leaves too little",
    text: edit(["{ cpu: 4, mem: 3Gi }", "{ cpu: 4, mem: 3Gi, reserve: { cpu: 3500m } }"]),
    problem:
      "FILE:1: node.cpu: got 4, expected at least 4.5: the VM's bounds.min and node.reserve.cpu is 3.5",
  },
  {
    name: "less of the node than there is",
    text: edit(["{ cpu: 4, mem: 3Gi }", "{ cpu: 4, mem: 3Gi, overcommit: { cpu: 0.5 } }"]),
    problem: "FILE:1: node.overcommit.cpu: got 0.5, expected a number from 1 to 10",
  },
  {
    name: "an emergency that is no size",
    text: edit(["{ cpu: 4, mem: 3Gi }", "{ cpu: 4, mem: 3Gi, emergency: { mem: some } }"]),
    problem: `FILE:1: node.emergency.mem: got "some", expected ${BYTES}`,
  },
  {
    name: "a weight of nothing",
    text: edit(["name: pg-1", "name: pg-1\n    weight: 0"]),
    problem: "FILE:4: vms[0].weight: got 0, expected a number from 0.1 to 1000",
  },
  {
    name: "a priority between two",
    text: edit(["name: pg-1", "name: pg-1\n    priority: 1.5"]),
    problem: "FILE:4: vms[0].priority: got 1.5, expected a whole number from -100 to 100",
  },
  {
    name: "a protocol version that is none of ours",
    text: edit(["name: pg-1", "name: pg-1\n    protocolMax: 3"]),
    problem: "FILE:4: vms[0].protocolMax: got 3, expected 1 or 2",
  },
  {
    name: "two VMs of one name",
    text: GOOD + SECOND.replace("pg-2", "pg-1"),
    problem: 'FILE:7: vms[1].name: got "pg-1", expected one of its own: vms[0] has it too',
  },
  {
    name: "two VMs with one socket, spelt otherwise",
    text: GOOD + SECOND.replace("/run/vm/pg-2.qmp", "/run//vm/../vm/pg-1.qmp"),
    problem:
      'FILE:8: vms[1].qmp: got "unix:/run//vm/../vm/pg-1.qmp", expected one of its own: vms[0] has it too',
  },
  {
    name: "two VMs with one monitor",
    text: GOOD + SECOND.replace("20302", "20301"),
    problem:
      'FILE:9: vms[1].monitor: got "ws://127.0.0.1:20301/monitor", expected one of its own: vms[0] has it too',
  },
  {
    name: "a token file that is not there",
    text: edit(["name: pg-1", "name: pg-1\n    token: no.token"]),
    problem: 'FILE:4: vms[0].token: got "no.token", expected a readable file with a token: ENOENT',
  },
  {
    name: "TLS for an address without",
    text: edit(["name: pg-1", "name: pg-1\n    tls: { serverName: vm }"]),
    problem:
      'FILE:4: vms[0].tls: got {"serverName":"vm"}, expected a wss:// address in monitor for it',
  },
  {
    name: "a certificate without its key",
    text: edit(["ws:", "wss:"], ["name: pg-1", "name: pg-1\n    tls: { cert: a.crt }"]),
    problem: "FILE:4: vms[0].tls.key: missing, expected a path: cert and key go together",
  },
  {
    name: "a CA file that is not there",
    text: edit(["ws:", "wss:"], ["name: pg-1", "name: pg-1\n    tls: { ca: no.crt }"]),
    problem: 'FILE:4: vms[0].tls.ca: got "no.crt", expected a readable PEM file: ENOENT',
  },
  {
    name: "an address where a name belongs",
    text: edit(["ws:", "wss:"], ["name: pg-1", "name: pg-1\n    tls: { serverName: 10.0.0.7 }"]),
    problem:
      'FILE:4: vms[0].tls.serverName: got "10.0.0.7", expected a DNS name, such as vm-1.example',
  },
  {
    name: "a switch that there is not",
    text: edit(["ws:", "wss:"], ["name: pg-1", "name: pg-1\n    tls: { insecure: true }"]),
    problem: "FILE:4: vms[0].tls.insecure: unknown key, expected one of ca, cert, key, serverName",
  },
  {
    name: "a cgroup folder that is not there",
    text: edit(["name: pg-1", "name: pg-1\n    cgroup: /sys/fs/cgroup/no-such-one"]),
    problem:
      'FILE:4: vms[0].cgroup: got "/sys/fs/cgroup/no-such-one", expected an existing cgroup folder with a CPU limit: /sys/fs/cgroup/no-such-one is not there',
  },
  {
    name: "a window that the deployed algorithm reads past",
    text: edit(["vms:", "legacy: { lfcWindowSizeMinutes: 9 }\nvms:"]),
    problem:
      "FILE:2: legacy.lfcMinWaitBeforeDownscaleMinutes: missing, expected at least lfcWindowSizeMinutes, which is 9 (now it is 5)",
  },
])("refuses $name", ({ text, problem }) => {
  const { file } = writeConfig(text);
  expect(messageOf(file)).toBe(problem.replace("FILE", file));
});

test("a file that is not there, or is a folder, is one sentence too", () => {
  const folder = makeTempDir();
  expect(messageOf(`${folder}/no.yaml`)).toBe(
    `${folder}/no.yaml: can't be read (ENOENT), expected a YAML file`,
  );
  expect(messageOf(folder)).toBe(`${folder}: can't be read (EISDIR), expected a YAML file`);
});

test("aliases that multiply beyond reason are one sentence too", () => {
  const many = `node: &node { cpu: 4, mem: 3Gi }\nvms: [${"*node, ".repeat(101)}]\n`;
  const { file } = writeConfig(many);
  expect(messageOf(file)).toMatch(/^.*agent\.yaml: not YAML: Excessive alias count/);
});

test("a token file of nothing but space holds no token", () => {
  const { folder, file } = writeConfig(edit(["name: pg-1", "name: pg-1\n    token: empty"]));
  fs.writeFileSync(path.join(folder, "empty"), " \n");
  expect(messageOf(file)).toMatch(/expected a readable file with a token: it is empty$/);
});

test.for([
  {
    meminfo: "MemTotal: 1048576 kB\n",
    problem:
      "FILE:1: node.mem: missing, expected at least 1280Mi: the VM's bounds.min is 512Mi, node.reserve.mem is 512Mi and node.overheadPerVm makes 256Mi (1Gi by MemTotal of /proc/meminfo)",
  },
  {
    meminfo: "",
    problem: "FILE:1: node.mem: missing, expected a size: none can be detected here",
  },
])("a machine that is too small, or says nothing: $meminfo", ({ meminfo, problem }) => {
  const { folder, file } = writeConfig(edit(["{ cpu: 4, mem: 3Gi }", "{ cpu: 4 }"]));
  fs.writeFileSync(path.join(folder, "meminfo"), meminfo);
  expect(messageOf(file, folder)).toBe(problem.replace("FILE", file));
});

test("a machine with too few CPUs is told with where that is known from", () => {
  const { folder, file } = writeConfig(edit(["{ cpu: 4, mem: 3Gi }", "{ mem: 3Gi }"]) + SECOND);
  fs.writeFileSync(path.join(folder, "stat"), "cpu  1\ncpu0 1\n");
  expect(messageOf(file, folder)).toBe(
    `${file}:1: node.cpu: missing, expected at least 1.5: the 2 VMs' bounds.min (1 by online CPUs of /proc/stat)`,
  );
});

function messageOf(file: string, proc?: string): string {
  try {
    loadConfig(file, proc);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error("the file was taken");
}
