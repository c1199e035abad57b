// Target tracking, by hand.
import { expect, test } from "vitest";
import { targetPolicy, TARGET_SETTINGS } from "./target.ts";
import { defaultsOf } from "./settings.ts";
import { drive } from "./testing/drive.ts";

test("2.1 vCPUs busy are 70 % of 3, known after 15 s", () => {
  const vm = drive(targetPolicy());
  vm.pass(14.75, { busyCpus: 2.1 });
  expect(vm.want.cpu).toBe(0.25);
  vm.pass(0.25, { busyCpus: 2.1 });
  expect(vm.want.cpu).toBe(3);
});

test("memory: what is used and cached is 70 % of what is usable", () => {
  const vm = drive(targetPolicy());
  // 2 + 0.8 of a container's working set: 4 GiB usable, (4 + 0.15) ÷ 0.984 = 4.217 GiB of VM.
  vm.pass(15, { anonGib: 2.5, swapUsedGib: 0.5, cacheGib: 1, workingSetGib: 0.8 });
  expect(vm.want.memGib).toBe(4.25);
});

test("down to the most of the last 300 s", () => {
  const vm = drive(targetPolicy());
  vm.pass(15, { busyCpus: 2.1 });
  vm.pass(60, { busyCpus: 1.4 });
  const after = vm.pass(330, { busyCpus: 0.7 }).map(({ cpu }) => cpu);
  // Twenty looks: that of 3 was made at 15 s and goes at 315 s, the last of 2 at 75 s and goes at 375 s.
  expect(after.indexOf(2)).toBe((315 - 75) * 4 - 1);
  expect(after.indexOf(1)).toBe((375 - 75) * 4 - 1);
});

test("within 10 % of the target nothing changes", () => {
  const vm = drive(targetPolicy({ ...defaultsOf(TARGET_SETTINGS), hold: 0 }));
  vm.pass(15, { busyCpus: 2.1 });
  vm.pass(15, { busyCpus: 2.3 }); // 2.3 ÷ 0.7 = 3.29: 9.5 % more
  expect(vm.want.cpu).toBe(3);
  vm.pass(15, { busyCpus: 2.32 }); // 3.314: 10.5 % more
  expect(vm.want.cpu).toBe(3.5);
  vm.pass(15, { busyCpus: 1.4 });
  expect(vm.want.cpu).toBe(2);
});
