// The recommender's histogram and bounds, and when the updater acts, by hand.
import { describe, expect, test } from "vitest";
import { DecayingHistogram } from "./decaying-histogram.ts";
import { defaultsOf } from "./settings.ts";
import { drive } from "./testing/drive.ts";
import { Recommender, vpaPolicy, VPA_SETTINGS } from "./vpa.ts";

const DAY_SEC = 86_400;

describe("the histogram", () => {
  /** Buckets begin at 0, 1, 3, 7, 15, …; a half-life of 10 s. */
  const doubling = () =>
    new DecayingHistogram({ firstBucket: 1, maxValue: 1_000, ratio: 2, halfLifeSec: 10 });

  test("gives the end of the bucket", () => {
    const histogram = doubling();
    expect(histogram.percentile(0.5)).toBe(0);
    for (const value of [0.5, 2, 4, 4]) histogram.add(value, 1, 0);
    expect([0.25, 0.3, 0.5, 0.51, 1].map((share) => histogram.percentile(share))).toEqual([
      1, 3, 3, 7, 7,
    ]);
  });

  test("what is a half-life old weighs half", () => {
    const histogram = doubling();
    histogram.add(2, 3, 0);
    histogram.add(4, 1, 10); // 3 : 2
    expect(histogram.percentile(0.6)).toBe(3);
    expect(histogram.percentile(0.61)).toBe(7);
    histogram.add(4, 1, 20); // 3 : 6
    expect(histogram.percentile(0.33)).toBe(3);
    expect(histogram.percentile(0.34)).toBe(7);
  });

  test("takes a sample back", () => {
    const histogram = doubling();
    histogram.add(20, 1, 0);
    histogram.add(2, 1, 0);
    histogram.subtract(20, 1, 0);
    expect(histogram.percentile(1)).toBe(3);
  });

  test("years of weights do not overflow", () => {
    const histogram = doubling();
    histogram.add(20, 1, 0);
    histogram.add(2, 1, 100_000);
    histogram.add(4, 3, 100_000);
    expect(histogram.percentile(0.25)).toBe(3);
    expect(histogram.percentile(0.26)).toBe(7);
  });
});

describe("a day of 1 vCPU and a peak of 2 GiB", () => {
  const recommender = new Recommender(defaultsOf(VPA_SETTINGS));
  for (let minute = 0; minute <= 1_440; minute += 1) {
    recommender.noteCpu(1, 0.25, minute * 60);
    recommender.noteMemory(minute === 700 ? 2 : 0.5, minute * 60);
  }
  const { cpu } = recommender.recommend(DAY_SEC);

  test("the bucket of 1 vCPU ends at 0.001 · (1.05⁸¹ − 1) ÷ 0.05 = 1.02079; 15 % on top", () => {
    expect(cpu.target).toBeCloseTo(1.173909, 5);
  });

  test("after a day: lower ÷ 1.001², upper · 2", () => {
    expect(cpu.lower).toBeCloseTo(1.173909 / 1.002001, 5);
    expect(cpu.upper).toBeCloseTo(2 * 1.173909, 5);
  });
});

describe("memory", () => {
  test("the day's peak: the bucket of 2 GiB ends at 10 MB · (1.05⁵¹ − 1) ÷ 0.05 = 2.0565 GiB", () => {
    const recommender = new Recommender(defaultsOf(VPA_SETTINGS));
    recommender.noteCpu(1, 1, 0);
    for (const gib of [0.5, 1, 2, 0.1]) recommender.noteMemory(gib, 60);
    recommender.noteCpu(1, 1, 60);
    const { mem } = recommender.recommend(60);
    expect(mem.target).toBeCloseTo(2.364979, 5);
  });

  test("a kill at 2 GiB counts as a fifth more: the bucket of 2.4 GiB ends at 2.41002 GiB", () => {
    const recommender = new Recommender(defaultsOf(VPA_SETTINGS));
    recommender.noteCpu(1, 1, 0);
    recommender.noteMemory(1.5, 30);
    recommender.noteKill(2, 60);
    recommender.noteCpu(1, 1, 60);
    expect(recommender.recommend(60).mem.target).toBeCloseTo(2.771523, 5);
  });
});

describe("the updater", () => {
  test("waits until it is sure: 1 vCPU on 0.25", () => {
    const vm = drive(vpaPolicy());
    const sizes = vm.pass(240, { busyCpus: 1 }).map(({ cpu }) => cpu);
    // lower is 1.1739 · (1 + 0.001/N)⁻²: 0.197 after 2 min (0.25 on the grid), 0.397 after 3 min (0.5).
    expect(sizes.indexOf(1.25)).toBe(3 * 60 * 4 - 1);
  });

  test.for([
    // upper is 1.1739 · (1 + 1440/(n − 1)) at minute n: 4.5 on the grid, below what it has, from n = 510 on.
    { settle: 12, minute: 510 },
    // The first look that is no earlier than 2 h.
    { settle: 2, minute: 121 },
  ])("leaves what is within the bounds, or for $settle h", ({ settle, minute }) => {
    const vm = drive(vpaPolicy({ ...defaultsOf(VPA_SETTINGS), settle }));
    vm.pass(240, { busyCpus: 4 });
    expect(vm.want.cpu).toBe(4.75); // the bucket ends at 4.08; 4.69
    // The samples under 4.75 vCPUs weigh 19 times those before: the target is 1.25 within the hour.
    const sizes = vm.pass(9 * 3_600, { busyCpus: 1 }).map(({ cpu }) => cpu);
    const changed = sizes.findIndex((cpu) => cpu !== 4.75);
    expect(sizes[changed]).toBe(1.25);
    expect(changed).toBe((minute - 4) * 240 - 1);
  });
});
