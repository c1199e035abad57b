// The reference is a schedule that the simulator can play: priced by hand and by the simulator it must cost the same.
import { describe, expect, test, vi } from "vitest";
import { clairvoyantSchedule, scheduled } from "./clairvoyant.ts";
import { ACTUATORS } from "./machine/profile.ts";
import { policyByName } from "./policies/registry.ts";
import { DEFAULT_RUN, run, runClairvoyant } from "./run.ts";
import { PRICES } from "./score.ts";
import { blank, NO_TROUBLE, TICK_SEC, type Workload } from "./workload.ts";
import { generate } from "./workloads/shapes.ts";
import { SYNTHETIC } from "./workloads/synthetic.ts";

vi.setConfig({ testTimeout: 120_000 });

function workload(cpu: readonly number[], max = 8): Workload {
  const parts = blank(cpu.length);
  parts.cpu.set(cpu);
  const sizes = { min: { cpu: 0.25, memGib: 1 }, max: { cpu: max, memGib: 8 } };
  const named = { name: "hand", source: "hand", seed: 1, ticks: cpu.length };
  return { ...named, ...sizes, ...parts, hints: [], trouble: NO_TROUBLE };
}

const repeat = (value: number, times: number) => Array.from({ length: times }, () => value);

describe("a gap", () => {
  // A quarter of a vCPU costs 0.695 CU·s per second, letting it go and taking it back 2 · 0.5: 1.44 s, or 5.75 ticks.
  test.for([
    { ticks: 5, isKept: true },
    { ticks: 6, isKept: false },
  ])("of $ticks ticks: kept $isKept", ({ ticks, isKept }) => {
    const { cpu } = clairvoyantSchedule(workload([1, ...repeat(0.5, ticks), 1]));
    expect(cpu[3]).toBe(isKept ? 1 : 0.5);
    expect([cpu[0], cpu.at(-1)]).toEqual([1, 1]);
  });

  test("before the first need and after the last nothing is kept", () => {
    const { cpu } = clairvoyantSchedule(workload([0.5, 2, 0.5]));
    expect([...cpu]).toEqual([0.5, 2, 0.5]);
  });

  test("no schedule of the same needs is cheaper, by trying all", () => {
    const levels = [0.25, 0.5, 0.75];
    for (const needs of [
      [0.75, 0.25, 0.75, 0.5, 0.25, 0.75],
      [0.5, 0.25, 0.25, 0.75, 0.25, 0.5],
      [0.75, 0.25, 0.25, 0.25, 0.25, 0.75],
    ]) {
      const prices = { ...PRICES, perResize: 0.3 };
      const price = (schedule: readonly number[]) => {
        let cost = 0;
        for (const [tick, size] of schedule.entries()) {
          const before = schedule[tick - 1] ?? size;
          cost += size * prices.perCpuSec * TICK_SEC;
          cost += (Math.abs(size - before) / 0.25) * prices.perResize; // per unit
        }
        return cost;
      };
      let best = Infinity;
      for (let code = 0; code < levels.length ** needs.length; code += 1) {
        const schedule = needs.map((_, n) => levels[Math.floor(code / 3 ** n) % 3] ?? 0);
        if (schedule.every((size, n) => size >= (needs[n] ?? 0)))
          best = Math.min(best, price(schedule));
      }
      const found = [...clairvoyantSchedule(workload(needs), prices).cpu];
      expect(price(found)).toBeCloseTo(best, 6);
    }
  });
});

test("more than the largest size: the rest waits, and what waits is needed as long as it takes", () => {
  const score = runClairvoyant(
    workload([...repeat(0.5, 40), ...repeat(4, 40), ...repeat(0.5, 80)], 2),
  );
  // 2 CPU·s per second wait for 10 s; then 1.5 of them are served per second.
  expect(score.droppedCpuSec).toBe(0);
  expect(score.meanDelaySec).toBeGreaterThan(1);
});

describe("the simulator prices a schedule as it is priced by hand", () => {
  test.for(SYNTHETIC.filter((one) => one.hours <= 1).map(({ name }) => name))("%s", (name) => {
    const generator = SYNTHETIC.find((one) => one.name === name);
    if (generator === undefined) throw new Error("it is there");
    const calm = { ...generate(generator, 3), trouble: NO_TROUBLE };
    const schedule = clairvoyantSchedule(calm);
    const profile = { actuator: ACTUATORS.ideal, swapGib: 2 };
    const score = run(calm, scheduled("by hand", schedule), { ...DEFAULT_RUN, profile });
    let provisioned = 0;
    let resizes = 0;
    for (let tick = 0; tick < calm.ticks; tick += 1) {
      const [cpu = 0, mem = 0] = [schedule.cpu[tick], schedule.memGib[tick]];
      provisioned += (cpu * PRICES.perCpuSec + mem * PRICES.perGibSec) * TICK_SEC;
      const isChange = cpu !== schedule.cpu[tick - 1] || mem !== schedule.memGib[tick - 1];
      if (tick > 0 && isChange) resizes += 1;
    }
    expect(score.provisioned).toBeCloseTo(provisioned, 3);
    expect(score.resizes).toBe(resizes);
    expect(score.oomKills).toBe(0);
    const pain = 0.5 * resizes + 33 * score.missGib;
    const waited = calm.cpu.some((one, tick) => one > 8 * (1 - (calm.stealShare[tick] ?? 0)));
    if (!waited) expect(score.cost).toBeCloseTo(provisioned + pain, 3);
  });
});

test("nobody who does not know the future is cheaper, where nothing is given up for it", () => {
  for (const name of ["pgbench_spikes", "herd", "dsm_burst"]) {
    const generator = SYNTHETIC.find((one) => one.name === name);
    if (generator === undefined) throw new Error("it is there");
    const one = generate(generator, 5);
    const reference = runClairvoyant(one).cost;
    for (const policy of ["ours", "ours:calm=0", "neon", "static-max", "target"]) {
      const choice = policyByName(policy);
      if (choice.kind === "problem") throw new Error(choice.problem);
      expect(run(one, choice.policyFor(one)).cost, `${policy} on ${name}`).toBeGreaterThan(
        reference,
      );
    }
  }
});
