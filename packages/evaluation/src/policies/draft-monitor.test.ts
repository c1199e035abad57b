// The draft monitor, by hand.
import { expect, test } from "vitest";
import { draftMonitorPolicy } from "./draft-monitor.ts";
import { drive } from "./testing/drive.ts";

test("load1 ÷ 0.9 up to a quarter, used ÷ 0.75 up to half a GiB", () => {
  const vm = drive(draftMonitorPolicy());
  // 1 ÷ 0.9 = 1.11; 2.3 ÷ 0.75 = 3.07
  vm.pass(0.25, { load1: 1, anonGib: 2.8, swapUsedGib: 0.5 });
  expect(vm.want).toEqual({ cpu: 1.25, memGib: 3.5 });
});

test("each resource keeps its most of a minute", () => {
  const vm = drive(draftMonitorPolicy());
  vm.pass(1, { load1: 1 });
  vm.pass(10, { anonGib: 3 });
  const after = vm.pass(60, {});
  // The last tick of load is 0.75 s; it leaves the window of 240 ticks 60 s later, at 60.75 s.
  expect(after.findIndex(({ cpu }) => cpu === 0)).toBe((60.75 - 11) * 4);
  expect(after[(70.75 - 11) * 4 - 1]?.memGib).toBe(4);
  expect(after.findIndex(({ memGib }) => memGib === 0)).toBe((70.75 - 11) * 4);
});

test("speaks once a second at most", () => {
  const vm = drive(draftMonitorPolicy());
  vm.pass(0.25, { load1: 1 });
  const sizes = vm.pass(2, { load1: 4 }).map(({ cpu }) => cpu);
  expect(sizes).toEqual([1.25, 1.25, 1.25, 4.5, 4.5, 4.5, 4.5, 4.5]);
});
