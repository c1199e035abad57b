import { describe, expect, test } from "vitest";
import { PRESETS } from "./presets.ts";
import {
  expectGrowth,
  forgetGrowth,
  initialReaction,
  noticeGrowth,
  reactP99Ms,
  reserveBytes,
  tReactMs,
  type Reaction,
} from "./reserve.ts";

const MIB = 1024 ** 2;
const policy = PRESETS.default.memory;
const measured = (...measuredMs: number[]): Reaction => ({ measuredMs, pending: null });

test.for([
  { name: "KVM, as assumed", rate: 2560 * MIB, ms: 650, want: 1024 * MIB },
  { name: "KVM, 300 ms", rate: 2560 * MIB, ms: 300, want: 768 * MIB },
  { name: "TCG, 600 ms", rate: 300 * MIB, ms: 600, want: 180 * MIB },
  { name: "slow and quick: the least", rate: 50 * MIB, ms: 300, want: 64 * MIB },
  { name: "an absurd rate: the most", rate: 1e15, ms: 650, want: 1024 * MIB },
])("reserve $name", ({ rate, ms, want }) => {
  expect(reserveBytes(rate, ms, policy)).toBe(want);
});

describe("tReact", () => {
  test.for([
    { name: "nothing measured: the start value", reaction: measured(), want: 650 },
    { name: "a few may raise it", reaction: measured(300, 900), want: 900 },
    { name: "a few may not lower it", reaction: measured(300, 310), want: 650 },
    { name: "enough: the worst of them", reaction: measured(300, 310, 290, 420, 305), want: 420 },
  ])("$name: $want ms", ({ reaction, want }) => {
    expect(tReactMs(reaction, 650, policy)).toBe(want);
  });

  test("the 99th percentile by nearest rank", () => {
    expect(reactP99Ms(measured())).toBeNull();
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(reactP99Ms(measured(...hundred))).toBe(99);
    expect(reactP99Ms(measured(...hundred.slice(0, 50)))).toBe(50);
  });
});

describe("the watch", () => {
  const watching = expectGrowth(initialReaction(), 469 * MIB, 256 * MIB, 1_000);

  test("ends when most of the memory is usable", () => {
    const [waiting, none] = noticeGrowth(watching, 600 * MIB, policy, 1_200);
    expect(none).toBeNull();
    const [done, tookMs] = noticeGrowth(waiting, 661 * MIB, policy, 1_450);
    expect(tookMs).toBe(450);
    expect(done).toEqual({ measuredMs: [450], pending: null });
  });

  test("measures from the first need, not from later ones", () => {
    const again = expectGrowth(watching, 469 * MIB, 1024 * MIB, 1_300);
    expect(again).toBe(watching);
  });

  test.for([
    {
      name: "a reaction that took too long is an incident",
      after: noticeGrowth(watching, 900 * MIB, policy, 7_000)[0],
    },
    { name: "a refused one is forgotten", after: forgetGrowth(watching) },
    { name: "none is expected of nothing", after: expectGrowth(initialReaction(), 1, 0, 0) },
  ])("$name", ({ after }) => {
    expect(after).toEqual(initialReaction());
  });

  test("only the last 128 count", () => {
    let reaction = initialReaction();
    for (let i = 0; i < 300; i += 1) {
      reaction = expectGrowth(reaction, 0, MIB, i * 1_000);
      [reaction] = noticeGrowth(reaction, MIB, policy, i * 1_000 + i);
    }
    expect(reaction.measuredMs).toHaveLength(128);
    expect(reaction.measuredMs.at(-1)).toBe(299);
  });
});
