import { describe, expect, test } from "vitest";
import { GuestMemory } from "./memory.ts";
import { sizeForUsable, usableGib } from "./profile.ts";

describe("sizes", () => {
  test("the kernel keeps 0.15 GiB and 1.6 %", () => {
    expect(usableGib(10)).toBeCloseTo(10 - 0.31, 9);
  });

  test.for([0.1, 0.834, 1, 3.3, 17])("the least size for %d GiB, and no cell less", (gib) => {
    const size = sizeForUsable(gib);
    expect(usableGib(size)).toBeGreaterThanOrEqual(gib - 1e-6);
    expect(usableGib(size - 0.25)).toBeLessThan(gib);
  });
});

describe("processes", () => {
  test("take memory at 2.5 GiB/s at most, and give it back at once", () => {
    const guest = new GuestMemory(2, 0.5, 0.5);
    guest.pass(8, 4, 0, 0);
    expect(guest.anonGib).toBeCloseTo(0.5 + 0.625, 9);
    guest.pass(8, 0.5, 0, 0);
    expect(guest.anonGib).toBe(0.5);
  });

  test("what does not fit goes to swap, and everything is slower", () => {
    const guest = new GuestMemory(2, 0.5, 1.5);
    guest.pass(1, 1.5, 0, 0);
    const overflow = 1.5 - usableGib(1);
    expect(guest.swapUsedGib).toBeCloseTo(overflow, 9);
    expect(guest.slow).toBeCloseTo(1 / (1 + (10 * overflow) / 1.5), 9);
    expect(guest.oomKills).toBe(0);
  });

  test("what does not fit there either is killed: 10 s nothing works, 30 s it is gone", () => {
    const guest = new GuestMemory(0, 0.5, 1.5);
    guest.pass(1, 1.5, 0, 0);
    expect([guest.oomKills, guest.outageTicks, guest.anonGib]).toEqual([1, 40, 0.5]);
    for (let tick = 0; tick < 120; tick += 1) {
      guest.pass(1, 1.5, 0, 0);
      expect(guest.anonGib).toBe(0.5);
    }
    expect(guest.outageTicks).toBe(0);
    for (let tick = 0; tick < 4; tick += 1) guest.pass(8, 1.5, 0, 0);
    expect(guest.anonGib).toBe(1.5);
  });
});

describe("the file cache", () => {
  test("a hit by the square root; misses fill it, and nothing misses once it holds all", () => {
    const guest = new GuestMemory(0, 0.5, 0.5);
    guest.pass(8, 0.5, 1, 0.4);
    expect(guest.missGib).toBeCloseTo(0.1, 9);
    expect(guest.cacheGib).toBeCloseTo(0.1, 9);
    guest.pass(8, 0.5, 1, 0.4);
    expect(guest.missGib).toBeCloseTo(0.1 * (1 - Math.sqrt(0.1)), 9);
    for (let tick = 0; tick < 2_000; tick += 1) guest.pass(8, 0.5, 1, 0.4);
    expect(guest.cacheGib).toBeCloseTo(1, 2);
    expect(guest.refaultGib).toBe(0); // all of it was read for the first time
  });

  test("what a smaller machine dropped and is read again counts as read back", () => {
    const guest = new GuestMemory(0, 0.5, 0.5);
    for (let tick = 0; tick < 4_000; tick += 1) guest.pass(8, 0.5, 1, 0.4);
    guest.pass(1.25, 0.5, 1, 0.4);
    expect(guest.cacheGib).toBeLessThan(0.6);
    expect(guest.refaultGib).toBeGreaterThan(0);
    expect(guest.refaultGib).toBe(guest.missGib);
  });
});
