// The one-second controller and senpai's probes, by hand.
import { describe, expect, test } from "vitest";
import { defaultsOf } from "./settings.ts";
import { senpaiPolicy, SENPAI_SETTINGS } from "./senpai.ts";
import { drive } from "./testing/drive.ts";

const DEFAULTS = defaultsOf(SENPAI_SETTINGS);

describe("CPU", () => {
  test("the mean of 6 s over 0.8, once a second", () => {
    const vm = drive(senpaiPolicy());
    vm.pass(6, { busyCpus: 2 });
    expect(vm.want.cpu).toBeCloseTo(2.5, 9);
    const after = vm.pass(3.25, { busyCpus: 0 }).map(({ cpu }) => cpu);
    // A second of 24 ticks: one tick of silence at 6 s, four more at 7 s.
    expect(after[0]).toBeCloseTo((2 * 23) / 24 / 0.8, 9);
    expect(after[3]).toBe(after[0]);
    expect(after[4]).toBeCloseTo((2 * 19) / 24 / 0.8, 9);
  });

  test("growth with a coefficient: from 1 to 2.5 is 1.5, and (0.5 · 1.5)² on top", () => {
    const vm = drive(senpaiPolicy({ ...DEFAULTS, window: 1, coeff: 0.5 }));
    // At 0 s only one tick was seen: 0.8 ÷ 0.8 = 1, a growth by 3 from 0.25, and 2.25 more.
    vm.pass(0.25, { busyCpus: 0.2 });
    expect(vm.want.cpu).toBeCloseTo(0.25, 9);
    vm.pass(4, { busyCpus: 0.8 });
    vm.pass(4, { busyCpus: 0.8 });
    expect(vm.want.cpu).toBeCloseTo(1, 9);
    vm.pass(4, { busyCpus: 2 });
    const [first] = vm.pass(0.25, { busyCpus: 2 });
    expect(first?.cpu).toBeCloseTo(2.5, 9);
  });
});

describe("memory", () => {
  test("100 ms of stalls are ten times the target: a quarter more; then a hundredth less every 6 s", () => {
    const vm = drive(senpaiPolicy());
    vm.pass(1, {});
    // (100 ÷ 10 ÷ 20)² = 0.25
    vm.pass(0.25, { memPressureShare: 0.4 });
    expect(vm.want.memGib).toBeCloseTo(1.25, 9);
    const after = vm.pass(13, {}).map(({ memGib }) => memGib);
    // Grown at 1 s: five seconds of grace, then a probe at 7 s, and the next at 13 s.
    expect(after.findIndex((gib) => gib < 1.25)).toBe((7 - 1.25) * 4);
    expect(after.at(-1)).toBeCloseTo(1.25 * 0.99 * 0.99, 9);
  });

  test("stalls of 200 ms and more double it", () => {
    const vm = drive(senpaiPolicy());
    vm.pass(1.25, { memPressureShare: 1 });
    expect(vm.want.memGib).toBe(4); // 250 ms at 0 s and 1 s more at 1 s
  });

  test("cache that is read back is a stall: 4 MiB are 512 pages of half a millisecond", () => {
    const vm = drive(senpaiPolicy());
    vm.pass(0.25, { refaultGib: 1 / 1024 / 4 }); // 16 ms: (1.6 ÷ 20)² = 0.0064
    expect(vm.want.memGib).toBeCloseTo(1 + 0.0064, 9);
  });

  test("half of the target: the probe is (2 ÷ 10)² of a hundredth", () => {
    const vm = drive(senpaiPolicy());
    vm.pass(0.25, { memPressureShare: 1 }); // 2 GiB at 0 s
    vm.pass(5, {});
    vm.pass(1, { memPressureShare: 0.005 }); // 5 ms
    expect(vm.want.memGib).toBeCloseTo(2 * (1 - 0.01 * 0.04), 9);
  });
});
