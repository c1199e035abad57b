import fs from "node:fs";
import { expect, test, vi } from "vitest";
import { startQemu } from "../testing/qemu.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { parseCpuUs, readProcessId, readQemuCpuUs } from "./process.ts";

vi.setConfig(PATIENT);

test.for([
  { stat: "42 (qemu) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0", us: 2_000_000 },
  { stat: "42 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 1 0 0 0 20 0", us: 10_000 },
  { stat: "nonsense", us: null },
])("parses $stat", ({ stat, us }) => {
  expect(parseCpuUs(stat)).toBe(us);
});

test("any thread's number gives the whole process's CPU time, for a QEMU only", async () => {
  const qemu = await startQemu();
  const [cpu] = await qemu.qmp.execute("query-cpus-fast", {});
  const thread = cpu?.["thread-id"] ?? 0;
  expect(thread).not.toBe(qemu.pid);
  expect(readProcessId(thread)).toBe(qemu.pid);
  const own = () => parseCpuUs(fs.readFileSync(`/proc/${qemu.pid}/stat`, "utf8")) ?? 0;
  await until("CPU time to be counted", () => own() > 0);
  const before = own();
  const seen = readQemuCpuUs(thread) ?? 0;
  expect(seen).toBeGreaterThanOrEqual(before);
  expect(seen).toBeLessThanOrEqual(own());
  expect(readQemuCpuUs(process.pid)).toBeNull();
  await qemu.end();
  expect(readQemuCpuUs(thread)).toBeNull();
  expect(readProcessId(thread)).toBeNull();
});
