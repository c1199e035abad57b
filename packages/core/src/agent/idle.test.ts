// What a VM at rest costs, in counts: no clock of the machine that runs the test is in it.
import { expect, test } from "vitest";
import { type VmAction } from "./types.ts";
import { Rig } from "./testing/rig.ts";

const MINUTE_MS = 60_000;

/** A level that is met, said again every 5 s; the monitor answers health checks. */
function idleMinute(hasQuota: boolean) {
  const rig = new Rig();
  const vm = rig.add({ hasQuota });
  rig.attach(vm);
  rig.connect(vm);
  rig.wish(vm, 1, 512);
  rig.run(10_000);
  const kinds: string[] = [];
  vm.watch = (action: VmAction) => kinds.push(action.kind);
  const ticks = rig.ticks;
  for (let ms = 0; ms < MINUTE_MS; ms += 5_000) {
    rig.wish(vm, 1, 512);
    rig.run(5_000);
  }
  const count = (kind: string) => kinds.filter((other) => other === kind).length;
  return {
    observations: count("observe"),
    cpuReadings: count("read-cpu"),
    frames: count("send-frame"),
    claims: count("seek-permit"),
    ticks: rig.ticks - ticks,
  };
}

test("without a quota: QEMU is read every 10 s, and nobody wakes up in between but for health checks", () => {
  const { observations, cpuReadings, frames, claims, ticks } = idleMinute(false);
  expect(observations).toBeLessThanOrEqual(6);
  expect(cpuReadings).toBe(0);
  // 12 health checks, 12 answers to the level, 2 reports.
  expect(frames).toBeLessThanOrEqual(26);
  expect(claims).toBe(0);
  expect(ticks).toBeLessThanOrEqual(12 + 6 + 2);
});

test("under a quota the kernel is read every second, QEMU no more often", () => {
  const { observations, cpuReadings, frames, claims } = idleMinute(true);
  expect(observations).toBeLessThanOrEqual(6);
  expect(cpuReadings).toBeGreaterThanOrEqual(50);
  expect(cpuReadings).toBeLessThanOrEqual(60);
  expect(frames).toBeLessThanOrEqual(26);
  expect(claims).toBe(0);
});

test("a monitor that does not answer has its QEMU's CPU read every second, quota or not", () => {
  const rig = new Rig();
  const vm = rig.add({ hasQuota: false });
  rig.attach(vm);
  rig.connect(vm);
  rig.wish(vm, 1, 512);
  rig.run(1_000);
  vm.monitor.isMute = true;
  let readings = 0;
  vm.watch = (action) => (readings += action.kind === "read-cpu" ? 1 : 0);
  rig.run(9_000); // a health check at 5 s is never answered
  expect(readings).toBeGreaterThanOrEqual(3);
});
