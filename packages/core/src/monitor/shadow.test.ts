// A second policy beside the live one: right about itself, and without any effect on the other.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PRESETS } from "../policy/presets.ts";
import { MONITOR_DEFAULTS, type MonitorConfig } from "./config.ts";
import { initialShadow, shadowStatus, stepShadow, type ShadowLevels } from "./shadow.ts";
import { initialMonitor } from "./state.ts";
import { stepMonitor } from "./step.ts";
import { MIB, TestGuest, size } from "./testing/guest.ts";
import { cpuSample, memorySample } from "./testing/samples.ts";
import { type MonitorEvent } from "./types.ts";

const LIVE: MonitorConfig = {
  ...MONITOR_DEFAULTS,
  rMaxBytesPerSec: 200 * MIB,
  tReactStartMs: 400,
};
const PATIENT: MonitorConfig = { ...LIVE, policy: PRESETS.calm };
const DEMO: MonitorConfig = { ...LIVE, policy: PRESETS.demo };

type Watched = {
  guest: TestGuest;
  news: ShadowLevels[];
  status: () => ReturnType<typeof shadowStatus>;
};

function watched(live: MonitorConfig, second: MonitorConfig): Watched {
  const guest = new TestGuest(live);
  guest.shrinks = true;
  let shadow = initialShadow(second, guest.now);
  const news: ShadowLevels[] = [];
  guest.witness = (state, event, now) => {
    const [next, levels] = stepShadow(shadow, state, event, now);
    shadow = next;
    if (levels !== null) news.push(levels);
  };
  return { guest, news, status: () => shadowStatus(shadow, guest.now) };
}

/** Rest, a burst of both, and time to come down again. */
function story(guest: TestGuest, version: number): void {
  guest.run(1_000);
  guest.connect(version);
  guest.run(70_000);
  guest.cpuDemand = 2.6;
  guest.allocatingBytesPerSec = 100 * MIB;
  guest.allocatingUntilBytes = 900 * MIB;
  guest.run(20_000);
  guest.cpuDemand = 0.05;
  guest.usedBytes = 80 * MIB;
  guest.allocatingBytesPerSec = 0;
  guest.run(200_000);
}

describe("the live policy beside itself never differs", () => {
  const same = () => watched(LIVE, LIVE);

  test("with an agent that takes levels", () => {
    const { guest, news, status } = same();
    story(guest, 2);
    expect(guest.history.some(({ memBytes }) => memBytes > 900 * MIB)).toBe(true);
    expect(news).toEqual([]);
    expect(status()).toMatchObject({ differs: false, changes: 0, more: { vcpuSec: 0, gibSec: 0 } });
  });

  test("with reservations, granted, given up and released", () => {
    const { guest, news } = same();
    guest.run(1_000);
    guest.connect();
    guest.run(70_000);
    guest.reserve("a", 1_024, 2);
    guest.run(20_000);
    expect(guest.actual).toEqual(size(2, 1_280));
    guest.plugMs = 60_000;
    guest.reserve("b", 900, 0);
    guest.run(1_000);
    guest.feed({ kind: "reservation-released", id: "b" });
    guest.run(1_000);
    guest.feed({ kind: "reservation-released", id: "a" });
    guest.run(200_000);
    expect(guest.actual).toEqual(size(1, 512));
    expect(news).toEqual([]);
  });

  test("when it learns that it has less than it took itself to have", () => {
    const { guest, news } = same();
    guest.min = size(0.25, 512);
    guest.quota = 0.25;
    guest.actual = size(0.25, 512);
    guest.run(1_000);
    expect(guest.state.desired?.milliCpu).toBe(1_000);
    guest.connect();
    guest.run(10_000);
    expect(guest.state.desired?.milliCpu).toBe(250);
    expect(news).toEqual([]);
  });

  test("with an agent of version 1, which leads the way down", () => {
    const { guest, news } = same();
    guest.run(1_000);
    guest.connect(1);
    guest.run(70_000);
    guest.usedBytes = 500 * MIB;
    guest.actual = size(1, 1024);
    const granted = { cpu: 1, mem: 1024 * MIB };
    guest.tell({ type: "UpscaleNotification", content: { granted }, id: 900 });
    guest.run(20_000);
    guest.usedBytes = 80 * MIB;
    guest.run(5_000);
    const before = guest.state.desired?.memBytes ?? 0;
    expect(before).toBeGreaterThan(512 * MIB);
    expect(guest.ask(size(1, 512))).toMatchObject({ Ok: true });
    expect(guest.state.desired?.memBytes).toBe(512 * MIB);
    guest.actual = size(1, 512);
    guest.run(5_000);
    expect(news).toEqual([]);
  });
});

test("on version 1 a notification tells both the size, before anything is decided", () => {
  const { guest, status } = watched(LIVE, LIVE);
  guest.run(1_000);
  guest.connect(1);
  guest.run(200);
  const granted = { cpu: 2, mem: 1024 * MIB };
  guest.tell({ type: "UpscaleNotification", content: { granted }, id: 40 });
  guest.run(300);
  expect(guest.state.desired).toEqual(size(2, 1024));
  expect(status().differs).toBe(false);
});

describe("a less patient one", () => {
  test("wants less while the live one still holds, and the sums say how much", () => {
    const { guest, news, status } = watched(PATIENT, DEMO);
    story(guest, 2);
    const { more, less, differs, changes, comparedMs } = status();
    expect(news.length).toBe(changes);
    expect(news.some(({ live, shadow }) => shadow.memBytes < live.memBytes)).toBe(true);
    expect(news.some(({ live, shadow }) => shadow.milliCpu < live.milliCpu)).toBe(true);
    expect(less.gibSec).toBeGreaterThan(10);
    expect(less.vcpuSec).toBeGreaterThan(5);
    expect(less.gibSec).toBeGreaterThan(more.gibSec);
    // Each moment is counted on one side only.
    const [early] = [watched(LIVE, LIVE)];
    story(early.guest, 2);
    expect(early.status().less).toEqual({ vcpuSec: 0, gibSec: 0 });
    expect(early.status().more).toEqual({ vcpuSec: 0, gibSec: 0 });
    expect(differs).toBe(false);
    expect(news.at(-1)?.shadow).toEqual(news.at(-1)?.live);
    expect(comparedMs).toBeGreaterThan(280_000);
  });

  test("is told in what the agent's bounds allow", () => {
    const { guest, news } = watched(LIVE, DEMO);
    guest.max = size(2, 768);
    story(guest, 2);
    for (const { live, shadow } of news) {
      for (const one of [live, shadow]) {
        expect(one.memBytes).toBeLessThanOrEqual(768 * MIB);
        expect(one.milliCpu).toBeLessThanOrEqual(2_000);
      }
    }
  });

  test("changes nothing that the live one does or says", () => {
    const alone = new TestGuest(LIVE);
    alone.shrinks = true;
    const { guest } = watched(LIVE, DEMO);
    for (const one of [alone, guest]) story(one, 2);
    expect(guest.actions).toEqual(alone.actions);
    expect(guest.state).toEqual(alone.state);
  });
});

test("any samples: the live one's actions and state are those without a shadow", () => {
  const event: fc.Arbitrary<MonitorEvent> = fc.oneof(
    cpuSample.map((sample): MonitorEvent => ({ kind: "cpu-sampled", sample })),
    memorySample.map((sample): MonitorEvent => ({ kind: "memory-sampled", sample })),
    fc.constant<MonitorEvent>({ kind: "link-opened", link: 1, version: 2, features: [] }),
    fc.constant<MonitorEvent>({ kind: "link-closed", link: 1, problem: "gone" }),
    fc.constant<MonitorEvent>({ kind: "tick" }),
  );
  const pause = fc.constantFrom(0, 90, 250, 5_000, 61_000);
  const play = (
    steps: readonly (readonly [number, MonitorEvent])[],
    second: MonitorConfig | null,
  ) => {
    let now = 1_000;
    let state = initialMonitor(LIVE, now);
    let shadow = initialShadow(second ?? LIVE, now);
    const actions: unknown[] = [];
    for (const [ms, one] of steps) {
      now += ms;
      const [next, done] = stepMonitor(state, one, now);
      state = deepFreeze(next);
      if (second !== null) [shadow] = stepShadow(shadow, state, one, now);
      actions.push(...done);
    }
    return { state, actions };
  };
  fc.assert(
    fc.property(fc.array(fc.tuple(pause, event), { minLength: 1, maxLength: 60 }), (steps) => {
      expect(play(steps, DEMO)).toEqual(play(steps, null));
    }),
    { numRuns: 200, seed: 4 },
  );
});

/** Whoever writes into it throws. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
