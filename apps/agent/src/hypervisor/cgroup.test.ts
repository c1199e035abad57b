import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { makeTempDir } from "../testing/temp-dir.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { CgroupError, findCgroup, type Cgroup } from "./cgroup.ts";

vi.setConfig(PATIENT);

/** A folder with these files, as the kernel would show them. */
function fake(files: Readonly<Record<string, string>>): Cgroup {
  const folder = makeTempDir();
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
  return findCgroup(folder);
}

const read = (cgroup: Cgroup, name: string) =>
  fs.readFileSync(path.join(cgroup.folder, name), "utf8");

const V1 = { "cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n" };
const V1_STAT = "nr_periods 100\nnr_throttled 25\nthrottled_time 1200345\n";
const V2_STAT = `usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n${V1_STAT}`;

describe("reads the quota", () => {
  test.for([
    { name: "v1 none", files: V1, milli: null },
    { name: "v1 half", files: { ...V1, "cpu.cfs_quota_us": "50000\n" }, milli: 500 },
    { name: "v2 none", files: { "cpu.max": "max 100000\n" }, milli: null },
    { name: "v2 one and a half", files: { "cpu.max": "30000 20000\n" }, milli: 1500 },
    { name: "v2 a third", files: { "cpu.max": "33333 100000\n" }, milli: 333 },
  ])("$name", ({ files, milli }) => {
    expect(fake(files).readQuota()).toBe(milli);
  });
});

describe("writes the quota with a period of 20 ms, and reads it back", () => {
  test.for([
    { name: "a quarter", milli: 250, quota: "5000" },
    { name: "one", milli: 1000, quota: "20000" },
    { name: "four", milli: 4000, quota: "80000" },
    { name: "less than the kernel takes", milli: 10, quota: "1000" },
  ])("$name", ({ milli, quota }) => {
    const v1 = fake(V1);
    v1.writeQuota(milli);
    expect(read(v1, "cpu.cfs_quota_us")).toBe(quota);
    expect(read(v1, "cpu.cfs_period_us")).toBe("20000");
    const v2 = fake({ "cpu.max": "max 100000\n" });
    v2.writeQuota(milli);
    expect(read(v2, "cpu.max")).toBe(`${quota} 20000`);
    expect([v1.readQuota(), v2.readQuota()]).toEqual([Math.max(50, milli), Math.max(50, milli)]);
  });
});

test("counts periods and usage, where the folder does", () => {
  const v2 = fake({ "cpu.max": "max 100000", "cpu.stat": V2_STAT });
  expect(v2.readPeriods()).toEqual({ periods: 100, throttled: 25 });
  expect(v2.readUsageUs()).toBe(1_234_567);
  const v1 = fake({ ...V1, "cpu.stat": V1_STAT });
  expect(v1.readPeriods()).toEqual({ periods: 100, throttled: 25 });
  expect(v1.readUsageUs()).toBeNull();
  expect(fake({ ...V1, "cpuacct.usage": "7000999\n" }).readUsageUs()).toBe(7001);
});

test("says what is missing", () => {
  const folder = makeTempDir();
  expect(() => findCgroup(path.join(folder, "no"))).toThrow(`${folder}/no is not there`);
  expect(() => findCgroup(folder)).toThrow("has neither cpu.cfs_quota_us nor cpu.max");
});

test("a folder that vanished, or holds nonsense, is a typed error", () => {
  const gone = fake(V1);
  fs.rmSync(gone.folder, { recursive: true });
  expect(() => gone.readQuota()).toThrow(CgroupError);
  expect(() => gone.writeQuota(1000)).toThrow(/cpu\.cfs_quota_us \(ENOENT\)/);
  expect(() => fake({ "cpu.max": "a lot" }).readQuota()).toThrow('is not "QUOTA PERIOD"');
  expect(() => fake({ ...V1, "cpu.cfs_quota_us": "" }).readQuota()).toThrow("is not a number");
});

const ROOT = "/sys/fs/cgroup/cpu";
/** A cgroup of the real kernel; null where this machine gives us none to write. */
function makeRealFolder(): string | null {
  const folder = path.join(ROOT, `selfscale-test-${process.pid}`);
  try {
    fs.accessSync(path.join(ROOT, "cpu.cfs_quota_us"), fs.constants.W_OK);
    fs.mkdirSync(folder);
  } catch {
    return null; // not root, or cgroup v2 only: the end-to-end tests cover that in a guest
  }
  onTestFinished(() => fs.rmdirSync(folder));
  return folder;
}

test("the real kernel takes it, enforces it and counts it", async ({ skip }) => {
  const folder = makeRealFolder();
  if (folder === null) return skip("no writable cgroup v1 CPU hierarchy here");
  const cgroup = findCgroup(folder);
  expect(cgroup.readQuota()).toBeNull();
  for (const milli of [4000, 1000, 250, 500]) {
    cgroup.writeQuota(milli);
    expect(cgroup.readQuota()).toBe(milli);
  }
  fs.writeFileSync(path.join(folder, "cpu.cfs_period_us"), "5000"); // somebody else's shorter one
  cgroup.writeQuota(100);
  expect(cgroup.readQuota()).toBe(100);

  const hog = spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
  const ended = new Promise((resolve) => hog.once("close", resolve));
  try {
    fs.writeFileSync(path.join(folder, "cgroup.procs"), String(hog.pid));
    await until("a throttled period", () => cgroup.readPeriods().throttled > 0);
    expect(cgroup.readPids()).toEqual([hog.pid]);
  } finally {
    hog.kill("SIGKILL");
    await ended;
    await until("an empty cgroup", () => cgroup.readPids().length === 0);
  }
});

test.for([
  { name: "none", quota: "-1", period: "100000" },
  { name: "a long one", quota: "30000", period: "100000" },
  { name: "a short one", quota: "2000", period: "5000" },
])("what a parent forbids is refused, and the quota before ($name) stays", (before, { skip }) => {
  const folder = makeRealFolder();
  if (folder === null) return skip("no writable cgroup v1 CPU hierarchy here");
  findCgroup(folder).writeQuota(500);
  const child = path.join(folder, "child");
  fs.mkdirSync(child);
  onTestFinished(() => fs.rmdirSync(child));
  const cgroup = findCgroup(child);
  fs.writeFileSync(path.join(child, "cpu.cfs_period_us"), before.period);
  fs.writeFileSync(path.join(child, "cpu.cfs_quota_us"), before.quota);
  expect(() => cgroup.writeQuota(1000)).toThrow(/cpu\.cfs_\w+_us \(EINVAL\)/);
  expect(read(cgroup, "cpu.cfs_quota_us").trim()).toBe(before.quota);
  expect(read(cgroup, "cpu.cfs_period_us").trim()).toBe(before.period);
});
