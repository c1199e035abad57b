// The moving-window recommender, by hand.
import { expect, test } from "vitest";
import { autopilotPolicy, AUTOPILOT_SETTINGS } from "./autopilot.ts";
import { defaultsOf } from "./settings.ts";
import { drive } from "./testing/drive.ts";

test("1 vCPU and 2 GiB, known after 5 min", () => {
  const vm = drive(autopilotPolicy());
  vm.pass(299.75, { busyCpus: 1, anonGib: 2 });
  expect(vm.want).toEqual({ cpu: 0.25, memGib: 1 });
  vm.pass(0.25, { busyCpus: 1, anonGib: 2 });
  // The bucket of 1 ends at 0.001 · (1.02¹⁵⁴ − 1) ÷ 0.02 = 1.0053, that of 2 at 2.0192; 15 % more are 1.156 and 2.322;
  // (2.322 + 0.15) ÷ 0.984 = 2.512.
  expect(vm.want).toEqual({ cpu: 1.25, memGib: 2.75 });
});

test("the percentile is of the work, not of the time", () => {
  const vm = drive(autopilotPolicy());
  // 30 s of 4 vCPUs are a tenth of the time and 120 of 147 CPU·s: 95 % of the work is done at 4.
  vm.pass(30, { busyCpus: 4 });
  vm.pass(270, { busyCpus: 0.1 });
  expect(vm.want.cpu).toBe(4.75); // the bucket ends at 4.007; 4.61
});

test("holds the most of an hour of recommendations", () => {
  const vm = drive(autopilotPolicy({ ...defaultsOf(AUTOPILOT_SETTINGS), cpu: 0.5 }));
  vm.pass(300, { busyCpus: 1 });
  vm.pass(300, { busyCpus: 1.9 });
  expect(vm.want.cpu).toBe(2.25); // the bucket ends at 1.939; 2.23
  const after = vm.pass(3_900, { busyCpus: 0.5 }).map(({ cpu }) => cpu);
  // 300 CPU·s at 1, 570 at 1.9 and 150 at 0.5 at 15 min: half of the work is at 1.9. At 20 min 300 are at 0.5, and half is
  // at 1 or below. So the last look that found 1.9 is that of 15 min, and an hour later it goes.
  expect(after.findIndex((cpu) => cpu !== 2.25)).toBe((15 + 60 - 10) * 240 - 1);
  expect(vm.want.cpu).toBe(1.25);
});

test("memory peaks of 5 min: one in ten counts, one in a hundred does not", () => {
  const brisk = { ...defaultsOf(AUTOPILOT_SETTINGS), hold: 0.1 };
  const tenth = drive(autopilotPolicy(brisk));
  tenth.pass(300, { anonGib: 4 });
  tenth.pass(9 * 300, { anonGib: 1 });
  expect(tenth.want.memGib).toBe(5); // (4.007 · 1.15 + 0.15) ÷ 0.984 = 4.84
  tenth.pass(50 * 300, { anonGib: 1 });
  expect(tenth.want.memGib).toBe(1.5); // (1.0053 · 1.15 + 0.15) ÷ 0.984 = 1.33
});
