// Sizes in hindsight, by hand.
import { expect, test } from "vitest";
import { run } from "../run.ts";
import { blank, NO_TROUBLE, type Workload } from "../workload.ts";
import { percentileOf, staticMaxPolicy, staticPolicy } from "./static.ts";

/** CPU 0.01, 0.02, … 2 vCPUs; 1 GiB in use, and files of 1 GiB at the last tenth. */
function load(): Workload {
  const parts = blank(200);
  for (let tick = 0; tick < 200; tick += 1) {
    parts.cpu[tick] = (tick + 1) / 100;
    parts.anonGib[tick] = 1;
    parts.workingSetGib[tick] = tick < 180 ? 0 : 1;
  }
  const min = { cpu: 0.25, memGib: 1 };
  const max = { cpu: 8, memGib: 32 };
  return {
    name: "ramp",
    source: "hand",
    seed: 1,
    ticks: 200,
    min,
    max,
    ...parts,
    hints: [],
    trouble: NO_TROUBLE,
  };
}

test.for([
  { share: 0.95, expected: 190 },
  { share: 0.995, expected: 199 },
  { share: 1, expected: 200 },
  { share: 0, expected: 1 },
])("the percentile $share of 1 … 200 by nearest rank", ({ share, expected }) => {
  const values = Float32Array.from({ length: 200 }, (_, i) => 200 - i);
  expect(percentileOf(values, share)).toBe(expected);
  expect(values[0]).toBe(200);
});

test("95 %: 1.9 vCPUs up to the grid; 2 GiB and the kernel's share", () => {
  const policy = staticPolicy("p95", { share: 0.95, extra: 0 })(load());
  // (2 + 0.15) ÷ 0.984 = 2.185
  expect(policy.start({ ...load(), swapGib: 2 }).startSize).toEqual({ cpu: 2, memGib: 2.25 });
});

test("99.5 % and a fifth: 1.99 · 1.2 = 2.39 vCPUs, 2.185 · 1.2 = 2.62 GiB", () => {
  const policy = staticPolicy("p", { share: 0.995, extra: 0.2 })(load());
  expect(policy.start({ ...load(), swapGib: 2 }).startSize).toEqual({ cpu: 2.5, memGib: 2.75 });
});

test("they never resize", () => {
  const p95 = staticPolicy("p95", { share: 0.95, extra: 0 })(load());
  for (const policy of [staticMaxPolicy(), p95]) expect(run(load(), policy).resizes).toBe(0);
});

test("the largest size costs what its price says", () => {
  // 50 s of 8 vCPUs and 32 GiB.
  expect(run(load(), staticMaxPolicy()).provisioned).toBeCloseTo(50 * (8 * 2.78 + 32 * 0.305), 6);
});
