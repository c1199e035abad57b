import { describe, expect, test } from "vitest";
import { Random } from "../random.ts";
import { CpuActuator, MemActuator } from "./actuator.ts";
import { ACTUATORS } from "./profile.ts";

const WHOLE = { ...ACTUATORS.fast, partialUnplugShare: 0 };
const HALF = { ...ACTUATORS.fast, partialUnplugShare: 1 };

describe("CPU", () => {
  test("comes after its latency: 0.05 s of the first tick have it, and it is paid for from the order on", () => {
    const cpu = new CpuActuator(ACTUATORS.fast, 1);
    expect(cpu.order(3)).toBe(true);
    expect(cpu.pass()).toBeCloseTo((0.2 * 1 + 0.05 * 3) / 0.25, 9);
    expect([cpu.now, cpu.paid]).toEqual([3, 3]);
    expect(cpu.pass()).toBe(3);
  });

  test("one operation at a time: what is wanted meanwhile waits", () => {
    const cpu = new CpuActuator(ACTUATORS.slow, 1);
    expect(cpu.order(2)).toBe(true);
    for (let tick = 0; tick < 6; tick += 1) {
      expect(cpu.order(8)).toBe(false);
      expect(cpu.now).toBe(1);
      cpu.pass();
    }
    expect(cpu.now).toBe(2);
    expect(cpu.order(8)).toBe(true);
  });

  test("the same size is no operation", () => {
    expect(new CpuActuator(ACTUATORS.fast, 1).order(1)).toBe(false);
  });
});

describe("memory", () => {
  const memory = (profile = WHOLE, start = 1) => new MemActuator(profile, start, new Random(1));

  test("comes 8 GiB/s fast after 0.4 s", () => {
    const mem = memory();
    expect(mem.order(5)).toBe(true);
    const seen: number[] = [];
    for (let tick = 0; tick < 4; tick += 1) {
      mem.pass(0);
      seen.push(mem.now);
    }
    // 0.4 s pass; 0.1 s of the second tick bring 0.8 GiB; then 2 GiB a tick.
    expect(seen.map((gib) => Number(gib.toFixed(6)))).toEqual([1, 1.8, 3.8, 5]);
  });

  test("goes 2 GiB/s fast after 0.5 s, and never below what is in use, in whole cells", () => {
    const mem = memory(WHOLE, 4);
    mem.order(1);
    for (let tick = 0; tick < 3; tick += 1) mem.pass(2.6);
    expect(mem.now).toBeCloseTo(3.5, 9);
    for (let tick = 0; tick < 10; tick += 1) mem.pass(2.6);
    expect(mem.now).toBe(2.75);
  });

  test("growth takes the place of an unplug that is under way", () => {
    const mem = memory(WHOLE, 4);
    mem.order(1);
    mem.pass(0);
    expect(mem.order(6)).toBe(true);
    for (let tick = 0; tick < 4; tick += 1) mem.pass(0);
    expect(mem.now).toBe(6);
  });

  test("an unplug that gives back half is tried again after 5 s, then 10", () => {
    const mem = memory(HALF, 5);
    mem.order(1);
    for (let tick = 0; tick < 8; tick += 1) mem.pass(0);
    expect(mem.now).toBe(3);
    let waited = 0;
    while (!mem.order(1)) {
      mem.pass(0);
      waited += 0.25;
    }
    expect(waited).toBeGreaterThan(3);
    expect(waited).toBeLessThanOrEqual(5);
    for (let tick = 0; tick < 8; tick += 1) mem.pass(0);
    expect(mem.now).toBe(2);
    expect(mem.order(1)).toBe(false);
    expect(mem.order(4)).toBe(true); // growth never waits
  });
});
