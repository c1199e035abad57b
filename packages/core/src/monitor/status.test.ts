// What is shown when little is known, and at the edges.
import { expect, test } from "vitest";
import { monitorStatus } from "./status.ts";
import { TestGuest } from "./testing/guest.ts";

test("with nothing known, nothing is unmet", () => {
  const guest = new TestGuest();
  const { isMet, ladder, memory } = monitorStatus(guest.state);
  expect(isMet).toBe(true);
  expect(ladder).toEqual({ desired: null, permit: null, requested: null, actual: null });
  expect(memory).toMatchObject({ needBytes: null, keepBytes: null, veto: null, inputs: {} });
});

test("what the reserve outlives is the reserve by the second, also where nothing takes time", () => {
  const { memory } = monitorStatus(new TestGuest({ tReactStartMs: 0 }).state);
  expect(memory.outlivesBytesPerSec).toBe(memory.reserveBytes * 1000);
  const slow = monitorStatus(new TestGuest({ tReactStartMs: 500 }).state).memory;
  expect(slow.outlivesBytesPerSec).toBe(slow.reserveBytes * 2);
});

test("need and kept memory are the last sample's", () => {
  const guest = new TestGuest();
  guest.run(1_000);
  const { needBytes, keepBytes } = monitorStatus(guest.state).memory;
  expect(needBytes).toBe(guest.state.memoryNeed?.needBytes);
  expect(keepBytes).toBe(guest.state.memoryNeed?.keepBytes);
  expect(keepBytes).toBeGreaterThan(needBytes ?? Infinity);
});
