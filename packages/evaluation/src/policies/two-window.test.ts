// The recommender of two windows, with the example of its documentation.
import { expect, test } from "vitest";
import { defaultsOf } from "./settings.ts";
import { drive, VM } from "./testing/drive.ts";
import { twoWindowPolicy, TWO_WINDOW_SETTINGS } from "./two-window.ts";

const FOUR = { ...VM, min: { cpu: 4, memGib: 4 } };
/** A short window of 6 min and a long one of an hour. */
const BRISK = { ...defaultsOf(TWO_WINDOW_SETTINGS), short: 0.1, long: 1 };

test("3.8 of 4 vCPUs are above 75 %: 3.8 ÷ 0.53 = 7.17", () => {
  const vm = drive(twoWindowPolicy(), FOUR);
  vm.pass(59.75, { busyCpus: 3.8 });
  expect(vm.want.cpu).toBe(4);
  vm.pass(0.25, { busyCpus: 3.8 });
  expect(vm.want.cpu).toBe(7.25);
});

test("within the band nothing changes", () => {
  const vm = drive(twoWindowPolicy(), FOUR);
  vm.pass(60, { busyCpus: 2.99 });
  expect(vm.want.cpu).toBe(4);
});

test("shrinks 3 h later to what the short window saw", () => {
  const vm = drive(twoWindowPolicy());
  vm.pass(60, { busyCpus: 3.8 });
  const after = vm.pass(3 * 3_600, { busyCpus: 1 });
  // The sample of the first minute is the 180th last until the end of the 180th minute.
  expect(after.findIndex(({ cpu }) => cpu < 7)).toBe(3 * 3_600 * 4 - 1);
  expect(vm.want.cpu).toBe(2); // 1 ÷ 0.53 = 1.89
});

test("grows in one step to what the long window saw", () => {
  const vm = drive(twoWindowPolicy(BRISK));
  vm.pass(60, { busyCpus: 3.8 });
  vm.pass(600, { busyCpus: 0.5 });
  expect(vm.want.cpu).toBe(1); // 0.94
  vm.pass(60, { busyCpus: 0.8 });
  expect(vm.want.cpu).toBe(7.25);
});

test("memory by its peak of the minute", () => {
  const vm = drive(twoWindowPolicy());
  vm.pass(59, { anonGib: 0.5 });
  vm.pass(1, { anonGib: 2 });
  // 2 ÷ 0.53 = 3.774 usable; (3.774 + 0.15) ÷ 0.984 = 3.99
  expect(vm.want.memGib).toBe(4);
});
