// What is told to whoever asks inside the VM, in the situations people ask about.
import { expect, test } from "vitest";
import { PRESETS } from "../policy/presets.ts";
import { explainMonitor } from "./explanation.ts";
import { initialMonitor } from "./state.ts";
import { MIB, TestGuest } from "./testing/guest.ts";

const DEMO = { policy: PRESETS.demo, rMaxBytesPerSec: 200 * MIB, tReactStartMs: 400 };

function guest(): TestGuest {
  const one = new TestGuest(DEMO);
  one.shrinks = true;
  one.run(1_000);
  one.connect();
  one.run(30_000);
  return one;
}

const told = (one: TestGuest) => explainMonitor(one.state, one.now).join("\n");

test("before anything is measured", () => {
  const one = guest();
  expect(explainMonitor(initialMonitor(one.state.config, 0), 0)).toEqual([
    "Nothing is measured yet: it keeps the size it has, and asks for none.",
  ]);
});

test("idle, at its smallest size", () => {
  expect(told(guest())).toBe(
    [
      "This machine has 1 vCPU, 512 MiB, which is what it wants.",
      "Memory: 512 MiB, of which 256 MiB would do now (80 MiB in use): it is the smallest size it may have.",
      "CPU: 1 vCPU, of which 0.25 vCPU would do now: it is the smallest size it may have.",
      "It grows at once when more is used or reserved.",
    ].join("\n"),
  );
});

test("reserved, and used by nobody", () => {
  const one = guest();
  one.reserve("a", 1024, 2, { owner: "anna", reason: "CREATE INDEX", holdMs: 600_000 });
  one.run(2_000);
  expect(told(one)).toBe(
    [
      "This machine has 2 vCPU, 1280 MiB, which is what it wants.",
      "Memory: 1280 MiB, because of 1024 MiB reserved by anna (CREATE INDEX); 80 MiB are in use.",
      "CPU: 2 vCPU, because of 2 vCPU reserved by anna (CREATE INDEX); 0.25 vCPU would do now.",
      "Reserved: 2 vCPU and 1024 MiB for anna (CREATE INDEX), for 10 min more.",
      "It grows at once when more is used or reserved.",
      "It shrinks when the reservations have ended and it was idle for long enough (10 s for memory, 5 s for CPU).",
    ].join("\n"),
  );
});

test("the reservation is over, and the hold is not", () => {
  const one = guest();
  one.reserve("a", 1024, 0);
  one.run(2_000);
  one.feed({ kind: "reservation-released", id: "a" });
  one.run(1_000);
  expect(told(one)).toContain(
    "Memory: 1280 MiB, of which 256 MiB would do now (80 MiB in use): the rest was needed, or reserved, within the last 10 s",
  );
});

test("a full node: who waits, since when, and what is in the way", () => {
  const one = guest();
  one.plugMs = 1_000_000;
  one.reserve("a", 1024, 0);
  one.report({ reason: "node-full" });
  one.run(3_000);
  const text = told(one);
  expect(text).toContain("This machine has 1 vCPU, 512 MiB and wants 1 vCPU, 1280 MiB.");
  expect(text).toContain("In the way: the node is full and permits 1 vCPU, 512 MiB.");
  expect(text).toContain("Waiting: anna for 1024 MiB, since 3 s, 7 s more at most.");
  expect(text).toContain("It grows when another machine of the node gives something back");
});

test("that CPU can't be limited keeps no machine from growing, and is not said to", () => {
  const one = guest();
  one.plugMs = 1_000_000;
  one.reserve("a", 1024, 0);
  one.report({ reason: "no-cpu-quota" });
  one.run(1_000);
  expect(told(one)).toContain("In the way: it was asked for and is on its way.");
});

test("in use, beyond the operator's largest size, and on its way down", () => {
  const one = guest();
  one.cpuDemand = 8;
  one.usedBytes = 2_000 * MIB;
  one.max = { milliCpu: 4_000, memBytes: 4_096 * MIB };
  one.actual = one.max;
  one.presentCpus = 4;
  one.report();
  one.run(10_000);
  const text = told(one);
  expect(text).toContain("The operator's largest size for it is 4 vCPU, 4096 MiB.");
  expect(text).toContain("Memory: 2432 MiB, for 2000 MiB in use, and 80 MiB kept free");
  expect(text).toContain("CPU: 4 vCPU, as that much is used.");
  expect(text).toContain("It is on its way down, in steps that it agrees to one by one.");
});

test("at the operator's largest size", () => {
  const one = guest();
  one.reserve("a", 2_300, 4, { ifNotGranted: "proceed" });
  one.run(2_000);
  expect(one.actual).toEqual(one.max);
  expect(told(one)).toContain("It can't grow: this is the largest size the operator allows.");
});

test("no agent: nothing can change it", () => {
  const one = guest();
  one.link = null;
  one.feed({ kind: "link-closed", link: 1, problem: "gone" });
  expect(told(one)).toContain("No agent is connected: nothing can change its size.");
  expect(told(one)).toContain("It would change once an agent is connected.");
});

test("many reservations: the first few, and how many more", () => {
  const one = guest();
  for (let i = 0; i < 20; i += 1) one.reserve(String(i), 1, 0);
  const lines = explainMonitor(one.state, one.now);
  expect(lines.filter((line) => line.startsWith("Reserved:"))).toHaveLength(8);
  expect(lines).toContain("And 12 more reservations.");
});
