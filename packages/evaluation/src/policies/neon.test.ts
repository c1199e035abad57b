// The deployed algorithm on cases worked by hand: goals, blending, steps down, refusals and requests for more.
import { describe, expect, test } from "vitest";
import { defaultsOf } from "./settings.ts";
import { NEON_SETTINGS, neonPolicy } from "./neon.ts";
import { drive } from "./testing/drive.ts";
import { WorkingSetRecord } from "./working-set-record.ts";

const DEFAULTS = defaultsOf(NEON_SETTINGS);
/** The metrics-based algorithm alone. */
const BARE = { ...DEFAULTS, lfc: 0, monitor: 0 };

describe("the goal, in units of 0.25 vCPU and 1 GiB", () => {
  test.for([
    { load: 1, units: 4 }, // 1 ÷ 0.9 ÷ 0.25 = 4.44
    { load: 1.05, units: 5 }, // 4.67
    { load: 2.5, units: 11 }, // 11.11
    { load: 0.11, units: 1 }, // 0.49: the least
  ])("load $load", ({ load, units }) => {
    const vm = drive(neonPolicy(BARE));
    vm.pass(4, { load1: load, load5: load });
    expect(vm.want).toEqual({ cpu: units * 0.25, memGib: units });
  });

  test.for([
    { load1: 9.5, units: 36 }, // within 25 % of load5: 8 ÷ 0.225 = 35.56
    { load1: 11, units: 42 }, // halfway between the zones' ends: 9.5 ÷ 0.225 = 42.22
    { load1: 13, units: 58 }, // beyond both: 57.78
    { load1: 5, units: 29 }, // 6.5 ÷ 0.225 = 28.89
  ])("load $load1 blended with a load5 of 8", ({ load1, units }) => {
    const vm = drive(neonPolicy({ ...BARE, blend: 0.25 }));
    vm.pass(4, { load1, load5: 8 });
    expect(vm.want).toEqual({ cpu: units * 0.25, memGib: units });
  });

  test("memory: 3 GiB and 100 MiB in use, over three quarters", () => {
    const vm = drive(neonPolicy(BARE));
    vm.pass(4, { anonGib: 3.5, swapUsedGib: 0.5 }); // 3.0977 ÷ 0.75 = 4.13
    expect(vm.want).toEqual({ cpu: 1.25, memGib: 5 });
  });

  test("a working set of 3 GiB, all of it cached, beside 2 GiB in use", () => {
    const vm = drive(neonPolicy({ ...DEFAULTS, monitor: 0 }));
    vm.pass(4, { anonGib: 2, cacheGib: 3, workingSetGib: 3 }); // (3 + 2.0977) ÷ 0.9 = 5.66 > 3 ÷ 0.75
    expect(vm.want).toEqual({ cpu: 1.5, memGib: 6 });
  });

  test("a working set that is not cached yet", () => {
    const vm = drive(neonPolicy({ ...DEFAULTS, monitor: 0 }));
    vm.pass(4, { workingSetGib: 3 }); // 3 ÷ 0.75 = 4
    expect(vm.want).toEqual({ cpu: 1, memGib: 4 });
  });
});

describe("when it looks", () => {
  test("3 s after the kernel, then every 5 s", () => {
    const vm = drive(neonPolicy(BARE));
    const before = vm.pass(3, { load1: 1, load5: 1 });
    expect(before.every(({ cpu }) => cpu === 0.25)).toBe(true);
    expect(vm.pass(0.25, { load1: 1, load5: 1 })[0]?.cpu).toBe(1);
    const between = vm.pass(4.75, { load1: 2, load5: 2 });
    expect(between.every(({ cpu }) => cpu === 1)).toBe(true);
    expect(vm.pass(0.25, { load1: 2, load5: 2 })[0]?.cpu).toBe(2.25); // 2 ÷ 0.225 = 8.89
  });

  test("without the file cache's windows nothing shrinks; they come with the first scrape", () => {
    const vm = drive(neonPolicy(DEFAULTS));
    vm.pass(4, { load1: 1, load5: 1 });
    vm.pass(5, {});
    expect(vm.want).toEqual({ cpu: 0.25, memGib: 1 });
  });
});

describe("down", () => {
  test("a unit at a time", () => {
    const vm = drive(neonPolicy(BARE));
    vm.pass(4, { load1: 1, load5: 1 });
    const steps = vm.pass(5, {}).map(({ memGib }) => memGib);
    // Still 4 from 4 s until the scrape at 8 s, then one fewer each tick.
    expect(steps).toEqual([...Array<number>(16).fill(4), 3, 2, 1, 1]);
  });

  test("the monitor refuses what would be too small, and is asked again 5 s later", () => {
    const vm = drive(neonPolicy({ ...DEFAULTS, lfc: 0 }));
    vm.pass(8, { load1: 2.5, load5: 2.5 }); // 11
    vm.pass(0.75, {}); // 10, 9, 8
    expect(vm.want.memGib).toBe(8);
    // 5 GiB in use need 5120 + 100 ≤ 0.85 · (target − 100) MiB: 7 GiB has 6007.8, 6 GiB has 5137.4.
    const held = vm.pass(1, { anonGib: 5 }).map(({ memGib }) => memGib);
    // The mean of half a second is 2.5 GiB in the first tick.
    expect(held).toEqual([7, 7, 7, 7]);
    const after = vm.pass(5, {}).map(({ memGib }) => memGib);
    // Refused at 9 s: at 14 s it goes on.
    expect(after.indexOf(6)).toBe(17);
    expect(after.slice(17)).toEqual([6, 5, 4]);
  });
});

describe("the monitor asks for more", () => {
  test("when the mean of half a second reaches 0.85 · (size − 100 MiB), and it counts 10 s", () => {
    const vm = drive(neonPolicy({ ...DEFAULTS, lfc: 0 }));
    vm.pass(4, {});
    // 785.4 MiB at 1 GiB: half of 1.4 GiB is 717 MiB, the next tick has 1434.
    const asked = vm.pass(0.5, { anonGib: 1.4 }).map(({ memGib }) => memGib);
    expect(asked).toEqual([1, 2]);
    const after = vm.pass(11, {}).map(({ memGib }) => memGib);
    // Asked at 4.25 s, so it counts until 14.25 s: 39 ticks after 4.5 s.
    expect(after.indexOf(1)).toBe(39);
  });

  test("a unit a second", () => {
    const vm = drive(neonPolicy({ ...DEFAULTS, lfc: 0, lag: 4.75 }));
    const sizes = vm.pass(4, { anonGib: 10 }).map(({ memGib }) => memGib);
    expect(sizes).toEqual([2, 3, 4, 5].flatMap((size) => Array<number>(4).fill(size)));
  });
});

test("the record: over a longer window the working set is the largest there was", () => {
  const record = new WorkingSetRecord();
  const minutes = (count: number, value: number) => {
    for (let tick = 0; tick < count * 240; tick += 1) record.note(value);
  };
  minutes(2, 5);
  minutes(1, 1);
  minutes(1, 3);
  expect(record.minutes(10).slice(0, 5)).toEqual([30, 30, 50, 50, 50]);
  minutes(58, 2);
  const series = record.minutes(1);
  expect(series[57]).toBe(2);
  expect(series[58]).toBe(3);
  expect(series[59]).toBe(3);
});
