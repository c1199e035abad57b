import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeMachine } from "../testing/machine.ts";
import { MachineSensors } from "./machine-sensors.ts";

const MIB = 1024 ** 2;
let machine: FakeMachine;
let sensors: MachineSensors;
let missing: string[] = [];

beforeEach(() => {
  missing = [];
  machine = new FakeMachine();
  sensors = new MachineSensors(machine.roots, (file) =>
    missing.push(path.relative(machine.dir, file)),
  );
});
afterEach(() => {
  sensors.close();
  machine.remove();
});

test("a memory sample", () => {
  machine.setBlock(32, "offline");
  expect(sensors.readMemory(0)).toEqual({
    totalBytes: 404 * MIB,
    availableBytes: 360 * MIB,
    cachedBytes: 0,
    swapTotalBytes: 0,
    swapFreeBytes: 0,
    anonBytes: 20 * MIB,
    shmemBytes: 0,
    counters: { refaultedAnonPages: 0, refaultedFilePages: 0, allocationStalls: 0, oomKills: 0 },
    somePressureMs: 0,
    blocks: { blockBytes: 128 * MIB, onlineCount: 4, offlineCount: 1 },
  });
  expect(sensors.offlineBlocks()).toEqual([32]);
  expect(missing).toEqual([]);
});

test("a cgroup is looked at beside the machine, where one is named", () => {
  expect(sensors.readMemory(0)).not.toHaveProperty("cgroup");
  const folder = path.join(machine.dir, "cgroup");
  const both = new MachineSensors(machine.roots, () => undefined, folder);
  expect(both.readMemory(0)?.cgroup).toBeNull();
  machine.write("cgroup/memory.current", "4096\n");
  expect(both.readMemory(1_000)?.cgroup).toMatchObject({ currentBytes: 4096 });
  both.close();
});

test("a CPU sample, on a kernel without schedstat", () => {
  machine.set({ online: "0-1", present: "0-3" });
  expect(sensors.readCpu()).toEqual({
    busyMs: 1000,
    stolenMs: 0,
    runDelayMs: null,
    somePressureMs: 0,
    runnable: 1,
    onlineCount: 2,
    presentCount: 4,
  });
  expect(missing).toEqual(["proc/schedstat"]);
});

test("memory in use is read every time, event counters four times a second", () => {
  expect(sensors.readMemory(0)?.counters?.oomKills).toBe(0);
  machine.set({ anonBytes: 30 * MIB });
  machine.write("proc/vmstat", "oom_kill 1\n");
  expect(sensors.readMemory(100)).toMatchObject({ anonBytes: 30 * MIB, counters: { oomKills: 0 } });
  expect(sensors.readMemory(300)).toMatchObject({ counters: { oomKills: 1 } });
  machine.write("proc/vmstat", "oom_kill 2\n");
  expect(sensors.readMemory(310, true)).toMatchObject({ counters: { oomKills: 2 } });
  machine.write("proc/vmstat", "oom_kill 3\n");
  machine.set({ totalBytes: 500 * MIB });
  expect(sensors.readMemory(320)).toMatchObject({ counters: { oomKills: 3 } });
});

test("a bare kernel: what is not there is null, each said once", () => {
  for (const name of ["proc/vmstat", "proc/loadavg"]) fs.rmSync(path.join(machine.dir, name));
  for (const name of ["proc/pressure", "sys/devices"]) {
    fs.rmSync(path.join(machine.dir, name), { recursive: true });
  }
  for (let round = 0; round < 3; round++) {
    expect(sensors.readMemory(round * 1000)).toMatchObject({
      counters: null,
      somePressureMs: null,
      blocks: null,
    });
    expect(sensors.readCpu()).toMatchObject({
      somePressureMs: null,
      runnable: null,
      onlineCount: 1,
      presentCount: 1,
    });
  }
  expect([...missing].sort()).toEqual([
    "proc/loadavg",
    "proc/pressure/cpu",
    "proc/pressure/memory",
    "proc/schedstat",
    "proc/vmstat",
    "sys/devices/system/cpu/online",
    "sys/devices/system/cpu/present",
    "sys/devices/system/memory",
  ]);
});

test("without meminfo or stat there is no sample at all", () => {
  fs.rmSync(path.join(machine.dir, "proc/meminfo"));
  fs.rmSync(path.join(machine.dir, "proc/stat"));
  expect(sensors.readMemory(0)).toBeNull();
  expect(sensors.readCpu()).toBeNull();
});
