// What the tables rest on: our monitor in the machine model, held to bounds that a worse policy would break. The bounds
// are 5 % above what was measured; who makes it better lowers them.
import { describe, expect, test, vi } from "vitest";
import { ACTUATORS } from "../machine/profile.ts";
import { DEFAULT_RUN, run, runClairvoyant, type RunOptions } from "../run.ts";
import { generate } from "../workloads/shapes.ts";
import { generatorByName } from "../workloads/synthetic.ts";
import { policyByName } from "./registry.ts";

// An hour of a VM takes a second or two where other tests run beside it.
vi.setConfig({ testTimeout: 120_000 });

function scored(name: string, seed: number, policy = "ours", options: RunOptions = DEFAULT_RUN) {
  const generator = generatorByName(name);
  const choice = policyByName(policy);
  if (generator === null || choice.kind === "problem") throw new Error(`${name}, ${policy}`);
  const workload = generate(generator, seed);
  const score = run(workload, choice.policyFor(workload), options);
  return { ...score, ratio: score.cost / runClairvoyant(workload, options).cost };
}

const mean = (of: readonly number[]) => of.reduce((sum, one) => sum + one, 0) / of.length;

describe("tuning seeds", () => {
  test.for([
    { name: "pgbench_spikes", atMost: 1.5 },
    { name: "cron", atMost: 1.27 },
    { name: "create_index", atMost: 1.25 },
    { name: "dsm_burst", atMost: 1.4 },
    { name: "cold_start", atMost: 1.3 },
    { name: "herd", atMost: 1.45 },
    { name: "square30", atMost: 1.5 },
    { name: "noisy_flat", atMost: 1.37 },
    { name: "backup", atMost: 1.15 },
  ])("$name: at most $atMost times the clairvoyant, nobody killed", ({ name, atMost }) => {
    const scores = [1, 2].map((seed) => scored(name, seed));
    expect(mean(scores.map(({ ratio }) => ratio))).toBeLessThan(atMost);
    expect(scores.map(({ oomKills }) => oomKills)).toEqual([0, 0]);
    expect(mean(scores.map(({ meanDelaySec }) => meanDelaySec))).toBeLessThan(0.03);
  });
});

test("more patience, fewer resizes and a higher bill", () => {
  const [frugal, standard, calm] = ["ours:calm=0", "ours", "ours:calm=1"].map((policy) =>
    scored("noisy_flat", 1, policy),
  );
  expect(frugal?.resizes).toBeGreaterThan(standard?.resizes ?? Infinity);
  expect(standard?.resizes).toBeGreaterThan(calm?.resizes ?? Infinity);
  expect(frugal?.provisioned).toBeLessThan(standard?.provisioned ?? 0);
  expect(standard?.provisioned).toBeLessThan(calm?.provisioned ?? 0);
});

test("a slow actuator and no swap: dearer, and still nobody is killed by a leak", () => {
  const profile = { actuator: ACTUATORS.slow, swapGib: 0 };
  const slow = scored("herd", 1, "ours", { ...DEFAULT_RUN, profile });
  expect(slow.meanDelaySec).toBeGreaterThan(scored("herd", 1).meanDelaySec);
  expect(scored("leak", 1, "ours", { ...DEFAULT_RUN, profile }).oomKills).toBe(0);
});

test("in whole units CPU and memory go together", () => {
  const generator = generatorByName("cron");
  const choice = policyByName("ours:coupled=1");
  if (generator === null || choice.kind === "problem") throw new Error("both are there");
  const workload = generate(generator, 1);
  run(workload, choice.policyFor(workload), DEFAULT_RUN, (_machine, want, tick) => {
    if (tick > 4) expect(want.cpu / 0.25).toBe(want.memGib);
  });
});

test("a host that takes half of the CPUs is answered", () => {
  expect(scored("steal", 1).p99DelaySec).toBeLessThan(5);
});
