import { describe, expect, test } from "vitest";
import { TICK_SEC } from "../workload.ts";
import { generate } from "./shapes.ts";
import { generatorByName, SYNTHETIC } from "./synthetic.ts";

function made(name: string, seed: number) {
  const generator = generatorByName(name);
  if (generator === null) throw new Error(`there is no ${name}`);
  return generate(generator, seed);
}

const max = (of: Float32Array) => of.reduce((most, one) => Math.max(most, one), 0);
const mean = (of: Float32Array) => of.reduce((sum, one) => sum + one, 0) / of.length;

describe.for(SYNTHETIC.map(({ name }) => name))("%s", (name) => {
  test("the same seed gives the same workload, another one another", () => {
    expect(made(name, 7)).toEqual(made(name, 7));
    if (!name.startsWith("square")) expect(made(name, 7).cpu).not.toEqual(made(name, 8).cpu);
  });

  test("is finite, not negative, and fits the largest machine", () => {
    const { cpu, anonGib, workingSetGib, readGibPerSec, max: largest, ticks } = made(name, 3);
    for (const array of [cpu, anonGib, workingSetGib, readGibPerSec]) {
      expect(array).toHaveLength(ticks);
      expect(array.every((one) => one >= 0 && Number.isFinite(one))).toBe(true);
    }
    for (let tick = 0; tick < ticks; tick += 1) {
      expect((anonGib[tick] ?? 0) + (workingSetGib[tick] ?? 0)).toBeLessThan(0.95 * largest.memGib);
    }
  });
});

test("the ten of the table, and what is told apart", () => {
  const names = SYNTHETIC.filter((one) => one.isHeadline).map(({ name }) => name);
  expect(names).toEqual([
    ...["pgbench_spikes", "cron", "diurnal", "create_index", "dsm_burst", "leak", "cold_start"],
    ...["herd", "square30", "noisy_flat"],
  ]);
});

describe("published parameters", () => {
  test("cron: 2.5 cores for 20 s every 5 minutes, 4 for 90 s and 2 GiB every hour", () => {
    const { cpu, anonGib } = made("cron", 1);
    const work = 0.3 + (2.5 * 20) / 300 + (4 * 90) / 3_600;
    expect(mean(cpu)).toBeGreaterThan(0.9 * work);
    expect(mean(cpu)).toBeLessThan(1.1 * work);
    expect(max(anonGib)).toBeCloseTo(2.6, 4);
  });

  test("pgbench_spikes: 1 to 7 cores, 50 MiB each, at most 60 s", () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const { cpu, anonGib } = made("pgbench_spikes", seed);
      expect(max(anonGib)).toBeLessThanOrEqual(0.5 + (7 * 50) / 1024 + 1e-6);
      let longest = 0;
      let since = 0;
      for (const one of anonGib) {
        since = one > 0.5 ? since + TICK_SEC : 0;
        longest = Math.max(longest, since);
      }
      expect(longest).toBeLessThanOrEqual(60.5);
      expect(max(cpu)).toBeGreaterThan(1);
    }
  });

  test("create_index says beforehand what it needs", () => {
    const { hints, anonGib } = made("create_index", 2);
    expect(hints).toHaveLength(2);
    for (const hint of hints) {
      const before = anonGib[hint.fromTick] ?? 0;
      expect(before).toBeLessThan(1);
      const rise = anonGib.findIndex((one, tick) => tick > hint.fromTick && one > 0.7);
      const lead = (rise - hint.fromTick) * TICK_SEC;
      expect(lead).toBeGreaterThan(0.7 + hint.addMemGib / 8 - 0.5);
      expect(max(anonGib.subarray(hint.fromTick, hint.untilTick))).toBeCloseTo(
        0.6 + hint.addMemGib,
        3,
      );
    }
  });

  test("noisy_flat: mean 2 cores, deviation 35 %", () => {
    const all = [1, 2, 3, 4].map((seed) => made("noisy_flat", seed).cpu);
    const means = all.map(mean);
    const overall = means.reduce((sum, one) => sum + one, 0) / means.length;
    expect(overall).toBeGreaterThan(1.85);
    expect(overall).toBeLessThan(2.15);
    const variance = all
      .flatMap((cpu) => [...cpu])
      .reduce((sum, one) => sum + (one - overall) ** 2, 0);
    const cv = Math.sqrt(variance / (4 * 14_400)) / overall;
    expect(cv).toBeGreaterThan(0.3);
    expect(cv).toBeLessThan(0.4);
  });
});
