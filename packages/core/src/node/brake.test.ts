import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BRAKE_LIMITS,
  INITIAL_BRAKE,
  pressureShare,
  stepBrake,
  type BrakeState,
  type NodeSignals,
} from "./brake.ts";

const MIB = 1024 ** 2;
const NONE: NodeSignals = {
  stalledUs: { memory: null, cpu: null, io: null },
  swappedPages: null,
  swapFreeBytes: null,
  availableBytes: null,
};

/** What one second brings. */
type Second = Readonly<{
  /** Percent of it that some task waited for memory; null: the kernel does not say. */
  pressure?: number | null;
  pages?: number | null;
  availableMib?: number | null;
  /** Counters begin anew before it. */
  isReset?: boolean;
  lengthMs?: number;
}>;

/** The brake after each second. */
function run(seconds: readonly Second[], limits = BRAKE_LIMITS): (string | null)[] {
  let [state, at, stalled, swapped]: [BrakeState, number, number, number] = [
    INITIAL_BRAKE,
    1e6,
    5e9,
    5e6,
  ];
  return seconds.map((second) => {
    const { pressure = 0, pages = 0, availableMib = 4096, lengthMs = 1000 } = second;
    if (second.isReset === true) [stalled, swapped] = [0, 0];
    at += lengthMs;
    stalled += (pressure ?? 0) * 10 * lengthMs;
    swapped += ((pages ?? 0) * lengthMs) / 1000;
    state = stepBrake(
      state,
      limits,
      {
        stalledUs: { memory: pressure === null ? null : stalled, cpu: null, io: null },
        swappedPages: pages === null ? null : swapped,
        swapFreeBytes: pages === null ? null : 100 * MIB,
        availableBytes: availableMib === null ? null : availableMib * MIB,
      },
      at,
    );
    return state.brake?.text ?? null;
  });
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
const CALM: Second = {};

test.for<{ name: string; seconds: readonly Second[]; text: string | null }>([
  { name: "nothing wrong", seconds: times(10, CALM), text: null },
  {
    name: "memory pressure",
    seconds: times(8, { pressure: 23 }),
    text: "memory pressure 23 % (limit 10 %)",
  },
  {
    name: "swapping",
    seconds: times(8, { pages: 1200 }),
    text: "swapping 1200 pages/s (limit 1000), 100 MiB of swap free",
  },
  {
    name: "little available",
    seconds: times(8, { availableMib: 180 }),
    text: "180 MiB available (limit 256 MiB)",
  },
  {
    name: "all at once",
    seconds: times(8, { pressure: 50, pages: 5000, availableMib: 1 }),
    text: "memory pressure 50 % (limit 10 %); swapping 5000 pages/s (limit 1000), 100 MiB of swap free; 1 MiB available (limit 256 MiB)",
  },
  {
    name: "none left at all",
    seconds: times(8, { availableMib: 0 }),
    text: "0 MiB available (limit 256 MiB)",
  },
  {
    name: "just below every limit",
    seconds: times(60, { pressure: 9, pages: 990, availableMib: 260 }),
    text: null,
  },
  {
    name: "a kernel without PSI has the other signals",
    seconds: times(8, { pressure: null, pages: 1200 }),
    text: "swapping 1200 pages/s (limit 1000), 100 MiB of swap free",
  },
  {
    name: "a kernel that says nothing at all",
    seconds: times(8, { pressure: null, pages: null, availableMib: null }),
    text: null,
  },
  { name: "one bad reading", seconds: [CALM, CALM, CALM, { availableMib: 1 }], text: null },
  { name: "one second of swapping", seconds: [...times(6, CALM), { pages: 4000 }], text: null },
  { name: "too little seen yet", seconds: times(2, { pressure: 90 }), text: null },
  {
    name: "counters that begin anew are no swapping",
    seconds: [...times(6, CALM), { isReset: true, pages: 10 }, CALM, CALM, CALM],
    text: null,
  },
  {
    name: "a gap of an hour is no rate",
    seconds: [...times(6, CALM), { lengthMs: 3_600_000, pages: 2000 }],
    text: null,
  },
  {
    name: "a clock that stands still is no rate",
    seconds: [...times(6, CALM), { lengthMs: 0, isReset: false }, CALM],
    text: null,
  },
])("$name: $text", ({ seconds, text }) => {
  expect(run(seconds).at(-1)).toBe(text);
});

test("it is let go after so long of calm, not before, and calm is counted anew after each relapse", () => {
  const limits = { ...BRAKE_LIMITS, releaseAfterMs: 10_000 };
  const trouble = times(6, { pressure: 30 });
  // The window needs a while to forget the trouble: from then on ten seconds of calm.
  const after = run([...trouble, ...times(20, CALM)], limits).slice(trouble.length);
  const freeAt = after.indexOf(null);
  expect(freeAt).toBeGreaterThanOrEqual(10);
  expect(freeAt).toBeLessThanOrEqual(16);
  expect(after.slice(freeAt)).toEqual(times(20 - freeAt, null));
  const relapse = [...trouble, ...times(9, CALM), ...times(3, { pressure: 30 }), ...times(9, CALM)];
  expect(run(relapse, limits).slice(3)).not.toContain(null);
});

test("the reason is said anew when another signal joins or leaves, not with each figure", () => {
  const said = run([
    ...times(8, { pressure: 23 }),
    ...times(8, { pressure: 40 }),
    ...times(8, { pressure: 40, pages: 3000 }),
    ...times(12, { pages: 3000 }),
  ]);
  const words = said.filter((text, index) => text !== null && text !== said[index - 1]);
  expect(words.map((text) => text?.replaceAll(/\d+ (%|pages)/g, "N $1"))).toEqual([
    "memory pressure N % (limit N %)",
    "memory pressure N % (limit N %); swapping N pages/s (limit 1000), 100 MiB of swap free",
    "swapping N pages/s (limit 1000), 100 MiB of swap free",
  ]);
});

test("after a gap the brake stays on until calm was seen", () => {
  const limits = { ...BRAKE_LIMITS, releaseAfterMs: 5_000 };
  const gap = { lengthMs: 3_600_000 };
  const said = run([...times(6, { pressure: 30 }), gap, ...times(12, CALM)], limits);
  expect(said[6]).not.toBeNull();
  expect(said[11]).not.toBeNull();
  expect(said.at(-1)).toBeNull();
});

test("pressure is shown per resource as a share of time", () => {
  const at = (ms: number, us: number): [NodeSignals, number] => [
    { ...NONE, stalledUs: { memory: null, cpu: us, io: 0 } },
    ms,
  ];
  let state = INITIAL_BRAKE;
  expect(pressureShare(state, "cpu")).toBeNull();
  for (const [signals, now] of [at(0, 0), at(2000, 500_000)]) {
    state = stepBrake(state, BRAKE_LIMITS, signals, now);
  }
  expect(pressureShare(state, "cpu")).toBe(0.25);
  expect(pressureShare(state, "io")).toBe(0);
  expect(pressureShare(state, "memory")).toBeNull();
});

describe("whatever comes", () => {
  const value = (least: number, most: number) => fc.double({ min: least, max: most, noNaN: true });
  const below = fc.record({
    pressure: value(0, 9.9),
    pages: fc.option(value(0, 990)),
    availableMib: fc.option(value(258, 1e6)),
    isReset: fc.boolean(),
    lengthMs: fc.integer({ min: 1, max: 20_000 }),
  });

  test("it is never put on while no signal reaches its limit: noise, resets, gaps and missing ones included", () => {
    fc.assert(
      fc.property(fc.array(below, { maxLength: 60 }), (seconds) => {
        expect(run(seconds).filter((text) => text !== null)).toEqual([]);
      }),
    );
  });

  test("it is put on within the window when a signal stays beyond its limit", () => {
    const beyond = fc.oneof(
      fc.record({ pressure: value(11, 100) }),
      fc.record({ pages: value(1100, 1e6) }),
      fc.record({ availableMib: value(0, 250) }),
    );
    fc.assert(
      fc.property(fc.array(below, { maxLength: 20 }), beyond, (before, trouble) => {
        const said = run([
          ...before.map((one) => ({ ...one, isReset: false })),
          ...times(7, trouble),
        ]);
        expect(said.at(-1)).not.toBeNull();
      }),
    );
  });

  test("noise between calm and the limit switches nothing", () => {
    const between = fc.record({ pressure: value(7.6, 9.9), availableMib: value(258, 340) });
    fc.assert(
      fc.property(fc.array(between, { minLength: 8, maxLength: 80 }), (noise) => {
        const said = run([...times(8, { pressure: 12, availableMib: 300 }), ...noise]);
        expect(said.slice(4)).not.toContain(null);
        expect(new Set(said.slice(4)).size).toBe(1);
      }),
    );
  });

  test("same readings, same answer; what is kept stays bounded", () => {
    let state = INITIAL_BRAKE;
    for (let at = 0; at < 1e6; at += 500) state = stepBrake(state, BRAKE_LIMITS, NONE, at);
    expect(state.readings.length).toBeLessThanOrEqual(11);
  });
});
