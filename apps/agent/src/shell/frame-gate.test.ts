import { expect, onTestFinished, test, vi } from "vitest";
import { FrameGate, MAX_WAITING_FRAMES } from "./frame-gate.ts";

function startGate() {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const delivered: (string | null)[] = [];
  const said: string[] = [];
  const gate = new FrameGate(
    () => Date.now(),
    (text) => delivered.push(text),
    {
      pause: () => said.push("pause"),
      resume: () => said.push("resume"),
      flooded: () => said.push("flooded"),
    },
  );
  const take = (count: number) => {
    for (let n = 0; n < count; n += 1) gate.take(String(n));
  };
  return { gate, take, delivered, said };
}

test("a burst of 100 passes at once; the rest at 50 a second while the socket is paused", () => {
  const { take, delivered, said } = startGate();
  take(150);
  expect(delivered).toHaveLength(100);
  expect(said).toEqual(["pause"]);
  vi.advanceTimersByTime(500);
  expect(delivered).toHaveLength(125);
  vi.advanceTimersByTime(500);
  expect(delivered).toHaveLength(150);
  expect(said).toEqual(["pause", "resume"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("what a legal monitor says never waits", () => {
  const { take, delivered, said } = startGate();
  for (let second = 0; second < 60; second += 1) {
    take(13);
    vi.advanceTimersByTime(1000);
  }
  expect([delivered.length, said]).toEqual([780, []]);
});

test("too many waiting are a flood, and forgotten", () => {
  const { take, delivered, said } = startGate();
  take(100 + MAX_WAITING_FRAMES + 1);
  expect(said).toEqual(["pause", "flooded"]);
  vi.advanceTimersByTime(60_000);
  expect(delivered).toHaveLength(100);
  expect(vi.getTimerCount()).toBe(0);
});
