import { describe, expect, test } from "vitest";
import { CpuQueue } from "./cpu-queue.ts";

describe("the queue", () => {
  test("what can't be served waits, and is served when there is room", () => {
    const queue = new CpuQueue();
    queue.pass(3, 1, Infinity, 0); // 0.75 CPU·s come, 0.25 are served
    expect([queue.busy, queue.backlog]).toEqual([1, 0.5]);
    expect(queue.runnable).toBeCloseTo(1 + 0.5 / 0.02, 9);
    expect(queue.pressureShare).toBeCloseTo(1 - 1 / 26, 9);
    queue.pass(0, 4, Infinity, 0);
    expect([queue.busy, queue.backlog]).toEqual([2, 0]);
  });

  test("one task can't use two CPUs", () => {
    const queue = new CpuQueue();
    queue.pass(2, 8, 1, 0);
    expect([queue.busy, queue.backlog]).toEqual([1, 0.25]);
  });

  test("a hundred clients at most; beyond 200 CPU·s work gives up", () => {
    const queue = new CpuQueue();
    queue.pass(1_000, 1, Infinity, 0);
    expect(queue.runnable).toBe(100);
    expect(queue.backlog).toBe(200);
    expect(queue.dropped).toBeCloseTo(250 - 0.25 - 200, 9);
  });

  test("without a queue pressure is 0.3 · ρ^(2V+2)", () => {
    const queue = new CpuQueue();
    queue.pass(1, 2, Infinity, 0);
    expect(queue.pressureShare).toBeCloseTo(0.3 * 0.5 ** 6, 12);
  });
});

test("the load average of a step: half after 45 s, 63 % after a minute, 90 % after 140 s", () => {
  const queue = new CpuQueue();
  const at = new Map<number, number>();
  for (let tick = 1; tick <= 560; tick += 1) {
    queue.pass(1, 8, Infinity, 3);
    at.set(tick / 4, queue.load1);
  }
  // One runs, three wait for a disk: four.
  expect((at.get(45) ?? 0) / 4).toBeCloseTo(1 - Math.exp(-45 / 60), 6);
  expect((at.get(60) ?? 0) / 4).toBeCloseTo(0.632, 3);
  expect((at.get(140) ?? 0) / 4).toBeCloseTo(0.903, 3);
});
