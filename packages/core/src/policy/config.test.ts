import { expect, test } from "vitest";
import { PRESETS, withCalm } from "./config.ts";

test.for([
  { calm: 0, cpu: 7_000, memory: 64_615 },
  { calm: 0.29, cpu: 13_052, memory: 120_482 },
  { calm: 1, cpu: 60_000, memory: 553_846 },
  { calm: 7, cpu: 60_000, memory: 553_846 },
  { calm: -1, cpu: 7_000, memory: 64_615 },
])("calm $calm holds CPU $cpu ms and memory $memory ms", ({ calm, cpu, memory }) => {
  const policy = withCalm(PRESETS.default, calm);
  expect(policy.cpu.holdMs).toBe(cpu);
  expect(policy.memory.holdMs).toBe(memory);
  expect({ ...policy.cpu, holdMs: 0 }).toEqual({ ...PRESETS.default.cpu, holdMs: 0 });
});

test("the demo decides as the default does, only sooner", () => {
  const { default: real, demo } = PRESETS;
  expect(demo.cpu.holdMs).toBeLessThan(real.cpu.holdMs);
  expect(demo.memory.holdMs).toBeLessThan(real.memory.holdMs);
  expect({ ...demo.cpu, holdMs: 0 }).toEqual({ ...real.cpu, holdMs: 0 });
});
