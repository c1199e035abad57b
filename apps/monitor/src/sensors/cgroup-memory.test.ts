import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CgroupMemorySensor } from "./cgroup-memory.ts";

const MIB = 1024 ** 2;
const FILES = ["current", "stat", "events", "pressure", "max", "high"] as const;

let dir = "";
let missing: string[] = [];
let sensor: CgroupMemorySensor;

beforeEach(() => {
  dir = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-cgroup-")), "group");
  missing = [];
  sensor = new CgroupMemorySensor(dir, (file, problem) =>
    missing.push(`${path.basename(file)}: ${problem.split(",")[0]}`),
  );
});
afterEach(() => {
  sensor.close();
  fs.rmSync(path.dirname(dir), { recursive: true });
});

const write = (name: string, text: string) => {
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, `memory.${name}`), text);
};

describe("as kernels tell it", () => {
  test.for([
    {
      kernel: "linux-5.10-tcg",
      anonBytes: 270_336,
      fileBytes: 12_570_624,
      pressureMs: 2.362,
      hits: 1,
    },
    {
      kernel: "linux-6.1-tcg",
      anonBytes: 53_248,
      fileBytes: 12_582_912,
      pressureMs: 2.269,
      hits: 1,
    },
    {
      kernel: "linux-6.12-tcg",
      anonBytes: 49_152,
      fileBytes: 12_582_912,
      pressureMs: 3.561,
      hits: 2,
    },
  ])("$kernel", ({ kernel, anonBytes, fileBytes, pressureMs, hits }) => {
    for (const name of FILES) {
      const from = new URL(`fixtures/${kernel}/cgroup-memory.${name}.txt`, import.meta.url);
      write(name, fs.readFileSync(from, "latin1"));
    }
    expect(sensor.read(0, false)).toEqual({
      currentBytes: 12_713_984,
      ...{ anonBytes, fileBytes, shmemBytes: fileBytes },
      limitBytes: 32 * MIB,
      ...{ somePressureMs: pressureMs, limitHits: hits, oomKills: 1 },
    });
    expect(missing).toEqual([]);
  });
});

test("without limits, and on a kernel without PSI", () => {
  write("current", "1000\n");
  write("max", "max\n");
  write("high", "max\n");
  expect(sensor.read(0, false)).toEqual({
    ...{ currentBytes: 1000, anonBytes: null, fileBytes: null, shmemBytes: null, limitBytes: null },
    ...{ somePressureMs: null, limitHits: null, oomKills: null },
  });
  expect(missing).toEqual([]);
});

test("the lower of both limits counts", () => {
  write("current", "1000\n");
  write("max", "9000\n");
  write("high", "8000\n");
  expect(sensor.read(0, false)?.limitBytes).toBe(8000);
});

test("it is read once a second, or when a decision can't wait", () => {
  write("current", "1000\n");
  expect(sensor.read(0, false)?.currentBytes).toBe(1000);
  write("current", "2000\n");
  expect(sensor.read(900, false)?.currentBytes).toBe(1000);
  expect(sensor.read(900, true)?.currentBytes).toBe(2000);
  write("current", "3000\n");
  expect(sensor.read(1900, false)?.currentBytes).toBe(3000);
});

test("version 1, or a service that is not started: said once, and looked for once a second", () => {
  expect(sensor.read(0, false)).toBeNull();
  write("current", "1000\n");
  expect(sensor.read(500, true)).toBeNull();
  expect(sensor.read(1000, false)?.currentBytes).toBe(1000);
  expect(missing).toEqual(["group: ENOENT: no such file or directory"]);
});

const CGROUPS = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].filter((root) =>
  fs.existsSync(path.join(root, "cgroup.procs")),
);

// Only a real cgroup fails its kept descriptors: ENODEV. Any of its files will do: pressure is there without a controller.
test.skipIf(CGROUPS.length === 0 || process.getuid?.() !== 0)(
  "a service that is started anew: its group is another one under the same name",
  () => {
    const group = path.join(CGROUPS[0] ?? "", `selfscale-test-${process.pid}`);
    const files = fs.mkdtempSync(path.join(path.dirname(dir), "links-"));
    // The memory controller is not everywhere version 2's, so another file of the group stands for memory.current.
    fs.symlinkSync(path.join(group, "cgroup.max.depth"), path.join(files, "memory.current"));
    const linked = new CgroupMemorySensor(files, () => undefined);
    const start = (depth: number) => {
      fs.mkdirSync(group);
      fs.writeFileSync(path.join(group, "cgroup.max.depth"), `${depth}\n`);
    };
    start(7);
    try {
      expect(linked.read(0, false)?.currentBytes).toBe(7);
      fs.rmdirSync(group);
      start(8);
      expect(linked.read(1000, false)).toBeNull();
      expect(linked.read(2000, false)?.currentBytes).toBe(8);
    } finally {
      linked.close();
      fs.rmdirSync(group);
    }
  },
);
