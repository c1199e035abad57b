import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { edit, GOOD, writeConfig } from "../testing/config-file.ts";
import { loadConfig } from "./load.ts";

const MIB = 1024 ** 2;

test("fills in what the smallest file leaves out", () => {
  const config = loadConfig(writeConfig(GOOD).file);
  expect(config.node).toEqual({
    size: { milliCpu: 4000, memBytes: 3072 * MIB },
    reserve: { milliCpu: 0, memBytes: 0 },
    overcommit: { cpu: 1, mem: 1 },
    overheadPerVmBytes: 256 * MIB,
    emergency: { milliCpu: 0, memBytes: 0 },
    brake: null,
  });
  expect(config.nodePlan).toEqual({
    milliCpu: 4000,
    memBytes: 3072 * MIB,
    reserve: { milliCpu: 0, memBytes: null },
    place: { proc: "/proc", cgroup: null },
    brakes: {
      memoryPressurePercent: 10,
      swapPagesPerSec: 1000,
      availableMemBytes: 256 * MIB,
      releaseAfterMs: 30_000,
    },
  });
  expect(config.http).toEqual({ address: { host: "127.0.0.1", port: 10330 }, isGiven: false });
  expect(config.statusSocket).toBe("/run/selfscale/agent.sock");
  expect([config.logLevel, config.sliceBytes]).toEqual(["info", 256 * MIB]);
  expect(config.timers.observeBusyMs).toBe(50);
  expect(config.shellTimers.reconnectMaxMs).toBe(5000);
  expect(config.vms).toHaveLength(1);
  expect(config.vms[0]).toMatchObject({
    weight: 1,
    priority: 0,
    spec: {
      name: "pg-1",
      bounds: {
        min: { milliCpu: 1000, memBytes: 512 * MIB },
        max: { milliCpu: 4000, memBytes: 2560 * MIB },
      },
      hasQuota: false,
      hasMetrics: false,
      protocolMax: 2,
      legacy: {
        computeUnit: { milliCpu: 250, memBytes: 1024 * MIB },
        loadAverageFractionTarget: 0.9,
      },
    },
    qmp: { kind: "unix", path: "/run/vm/pg-1.qmp" },
    monitorUrl: "ws://127.0.0.1:20301/monitor",
    metricsUrl: null,
    cgroup: null,
    memoryDevice: { kind: "only-one" },
    tokenFile: null,
    tls: null,
  });
});

test("takes every key", () => {
  const { folder, file } = writeConfig(`
node:
  { cpu: 3500m, mem: 4294967296, overheadPerVm: 0, reserve: { cpu: 1, mem: 1Gi },
    overcommit: { cpu: 4, mem: 1.25 }, emergency: { mem: 256Mi }, cgroup: FOLDER,
    brakes: { memoryPressurePercent: 25, swapPagesPerSec: 7, availableMem: 1Gi, releaseAfterMs: 9 } }
http: 127.0.0.1:0
legacy: { computeUnit: { cpu: 0.5, mem: 2Gi }, memoryUsageFractionTarget: 0.8 }
socket: /run/other.sock
log: { level: debug }
slice: 128Mi
timers: { handshakeMs: 100, reconnectMinMs: 7 }
vms:
  - name: pg-1
    qmp: tcp:127.0.0.1:4444
    monitor: wss://vm.example/monitor
    bounds: { min: { cpu: 250m, mem: 512Mi }, max: { cpu: 4, mem: 2Gi } }
    weight: 2.5
    priority: -3
    metrics: http://127.0.0.1:29100/metrics
    memoryDevice: vm7
    token: pg-1.token
    protocolMax: 1
    tls: { ca: monitors.crt, cert: node.crt, key: node.key, serverName: vm-1.example }
    cgroup: FOLDER
    legacy: { computeUnit: { cpu: 1, mem: 4Gi }, loadAverageFractionTarget: 0.7, enableLFCMetrics: true }
`);
  fs.writeFileSync(path.join(folder, "pg-1.token"), "s3cret\n");
  for (const name of ["monitors.crt", "node.crt", "node.key"]) {
    fs.writeFileSync(path.join(folder, name), "read at each dial");
  }
  fs.writeFileSync(path.join(folder, "cpu.max"), "max 100000\n");
  fs.writeFileSync(file, fs.readFileSync(file, "utf8").replaceAll("FOLDER", folder));
  const config = loadConfig(file);
  expect(config).toMatchObject({
    node: {
      size: { milliCpu: 3500, memBytes: 4096 * MIB },
      reserve: { milliCpu: 1000, memBytes: 1024 * MIB },
      overcommit: { cpu: 4, mem: 1.25 },
      overheadPerVmBytes: 0,
      emergency: { milliCpu: 0, memBytes: 256 * MIB },
      brake: null,
    },
    nodePlan: {
      place: { cgroup: folder },
      brakes: {
        memoryPressurePercent: 25,
        swapPagesPerSec: 7,
        availableMemBytes: 1024 * MIB,
        releaseAfterMs: 9,
      },
    },
    http: { address: { host: "127.0.0.1", port: 0 }, isGiven: true },
    statusSocket: "/run/other.sock",
    logLevel: "debug",
    sliceBytes: 128 * MIB,
    timers: { handshakeMs: 100, requestMs: 5000 },
    shellTimers: { reconnectMinMs: 7, reconnectMaxMs: 5000 },
  });
  expect(config.vms[0]).toMatchObject({
    weight: 2.5,
    priority: -3,
    spec: {
      hasQuota: true,
      hasMetrics: true,
      protocolMax: 1,
      legacy: {
        computeUnit: { milliCpu: 1000, memBytes: 4096 * MIB },
        loadAverageFractionTarget: 0.7,
        memoryUsageFractionTarget: 0.8,
        memoryTotalFractionTarget: 0.9,
        enableLFCMetrics: true,
      },
    },
    qmp: { kind: "tcp", host: "127.0.0.1", port: 4444 },
    metricsUrl: "http://127.0.0.1:29100/metrics",
    memoryDevice: { kind: "named", id: "vm7" },
    tokenFile: path.join(folder, "pg-1.token"),
    tls: {
      ca: path.join(folder, "monitors.crt"),
      client: { cert: path.join(folder, "node.crt"), key: path.join(folder, "node.key") },
      serverName: "vm-1.example",
    },
  });
  expect(config.vms[0]?.cgroup?.folder).toBe(folder);
});

test("a wss address alone trusts the system's CAs", () => {
  const { file } = writeConfig(edit(["ws://127.0.0.1:20301", "wss://vm.example:20301"]));
  expect(loadConfig(file).vms[0]?.tls).toEqual({ ca: null, client: null, serverName: null });
});

test("memoryDevice: none is a choice of its own", () => {
  const { file } = writeConfig(edit(["name: pg-1", "name: pg-1\n    memoryDevice: none"]));
  expect(loadConfig(file).vms[0]?.memoryDevice).toEqual({ kind: "none" });
});

test("what is left out is detected, and found memory leaves the node its reserve", () => {
  const { folder, file } = writeConfig(edit(["{ cpu: 4, mem: 3Gi }", "{ brakes: off }"]));
  fs.writeFileSync(path.join(folder, "meminfo"), "MemTotal:       4194304 kB\n");
  fs.writeFileSync(path.join(folder, "stat"), "cpu  9 9\ncpu0 4\ncpu1 5\nintr 7\n");
  const { node, nodePlan, nodeSize } = loadConfig(file, folder);
  expect(node.size).toEqual({ milliCpu: 2000, memBytes: 4096 * MIB });
  expect(node.reserve).toEqual({ milliCpu: 0, memBytes: 512 * MIB });
  expect(nodePlan).toMatchObject({ milliCpu: null, memBytes: null, brakes: null });
  expect(nodeSize.source).toEqual({
    cpu: "online CPUs of /proc/stat",
    mem: "MemTotal of /proc/meminfo",
  });
});
