import { encodeFromMonitor } from "@selfscale/protocol";
import { expect, onTestFinished, test, vi } from "vitest";
import { FrameGate, MAX_WAITING_FRAMES } from "./frame-gate.ts";

function startGate() {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const delivered: (string | null)[] = [];
  const said: string[] = [];
  let coalesced = 0;
  const gate = new FrameGate(
    () => Date.now(),
    (frame) => delivered.push(frame?.toString() ?? null),
    {
      pause: () => said.push("pause"),
      resume: () => said.push("resume"),
      flooded: () => said.push("flooded"),
      coalesced: () => (coalesced += 1),
    },
  );
  const take = (count: number) => {
    for (let n = 0; n < count; n += 1) gate.take(Buffer.from(String(n)));
  };
  return { gate, take, delivered, said, coalesced: () => coalesced };
}

const level = (ageMs: number) =>
  Buffer.from(
    encodeFromMonitor({ type: "ScaleRequest", target: { cpu: 1, mem: 1 }, ageMs, id: 3 }),
  );

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

test("of levels that come too fast the newest is known within two beats, however many came", () => {
  const { gate, delivered, said, coalesced } = startGate();
  for (let ms = 0; ms < 2000; ms += 1) {
    for (let n = 0; n < 10; n += 1) gate.take(level(ms));
    vi.advanceTimersByTime(1);
    const newest = JSON.parse(delivered.at(-1) ?? "") as { ageMs: number };
    expect(ms - newest.ageMs).toBeLessThanOrEqual(40);
  }
  vi.advanceTimersByTime(40); // the last one still waits
  expect(delivered.length).toBeLessThanOrEqual(202);
  expect(delivered.length + coalesced()).toBe(20_000);
  expect(said).not.toContain("flooded");
});

test("among levels that come too fast no answer is lost", () => {
  const { gate, take, delivered, said } = startGate();
  take(100);
  for (let n = 0; n < 10; n += 1) {
    for (let m = 0; m < 1000; m += 1) gate.take(level(m));
    gate.take(Buffer.from(`answer ${n}`));
  }
  vi.advanceTimersByTime(1000);
  const answers = Array.from({ length: 10 }, (_, n) => `answer ${n}`);
  expect(delivered.slice(100)).toEqual([String(level(999)), ...answers]);
  expect(said).toEqual(["pause", "resume"]);
});
