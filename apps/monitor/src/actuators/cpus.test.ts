import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CpuActuator, nextCpuStep } from "./cpus.ts";

test.for([
  {
    name: "one more",
    present: [0, 1, 2, 3],
    online: [0],
    goal: 3,
    want: { cpu: 1, isOnline: true },
  },
  {
    name: "the gap first",
    present: [0, 1, 2, 3],
    online: [0, 2],
    goal: 3,
    want: { cpu: 1, isOnline: true },
  },
  { name: "not present yet", present: [0, 1], online: [0, 1], goal: 4, want: null },
  {
    name: "one fewer",
    present: [0, 1, 2],
    online: [0, 1, 2],
    goal: 1,
    want: { cpu: 2, isOnline: false },
  },
  { name: "there", present: [0, 1, 2], online: [0, 1], goal: 2, want: null },
  { name: "never none", present: [0], online: [0], goal: 0, want: null },
  {
    name: "never CPU 0",
    present: [0, 1],
    online: [0, 1],
    goal: 0,
    want: { cpu: 1, isOnline: false },
  },
])("$name", ({ present, online, goal, want }) => {
  expect(nextCpuStep({ present, online }, goal)).toEqual(want);
});

let dir = "";
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-cpus-"));
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

test("a machine whose files can't be switched reports the kernel's refusal", async () => {
  fs.writeFileSync(path.join(dir, "present"), "0-1\n");
  fs.writeFileSync(path.join(dir, "online"), "0\n");
  const outcome = await new CpuActuator(dir).bringTo(2);
  expect(outcome.onlineCount).toBe(1);
  expect(outcome.error).toMatchObject({ code: "SYSFS_WRITE_FAILED", errno: "ENOENT", value: "1" });
  expect(outcome.error?.message).toContain("cpu1/online failed: ENOENT");
});

test("without sysfs there is one CPU and nothing to do", async () => {
  const outcome = await new CpuActuator(path.join(dir, "absent")).bringTo(4);
  expect(outcome).toEqual({ onlineCount: 1, error: null });
});
