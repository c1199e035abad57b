// Stories of one guest, told against a scripted agent in virtual time (testing/guest.ts).
import { describe, expect, test } from "vitest";
import { type PolicyConfig } from "../policy/config.ts";
import { PRESETS } from "../policy/presets.ts";
import { monitorStatus } from "./status.ts";
import { GIB, MIB, TestGuest, size } from "./testing/guest.ts";

/** What a TCG machine was calibrated to: page-ins at most this fast. */
const SLOW = { rMaxBytesPerSec: 200 * MIB, tReactStartMs: 400 };

/** Nothing is learned: a unit is kept for exactly so long. */
const FIXED_HOLDS: PolicyConfig = {
  ...PRESETS.default,
  cpu: { ...PRESETS.default.cpu, holdMs: 13_000, holdMinMs: 13_000, holdMaxMs: 13_000 },
  memory: { ...PRESETS.default.memory, holdMs: 120_000, holdMinMs: 120_000, holdMaxMs: 120_000 },
};

function settled(config: ConstructorParameters<typeof TestGuest>[0] = SLOW): TestGuest {
  const guest = new TestGuest(config);
  guest.run(1_000);
  guest.connect();
  guest.run(70_000);
  return guest;
}

describe("memory", () => {
  test("an idle guest of 512 MiB rests at 512 MiB", () => {
    const guest = settled();
    guest.run(300_000);
    expect(monitorStatus(guest.state).ladder.desired?.memBytes).toBe(512 * MIB);
    expect(guest.sizes.every(({ size: wish }) => wish.memBytes === 512 * MIB)).toBe(true);
  });

  test.for([40, 200, 500])(
    "touching %i MB/s is followed in a few jumps, nothing is killed",
    (rate) => {
      const guest = settled({ rMaxBytesPerSec: 600 * MIB, tReactStartMs: 400 });
      const before = guest.sizes.length;
      guest.allocatingUntilBytes = 1700 * MIB;
      guest.allocatingBytesPerSec = rate * 1e6;
      guest.run(60_000);
      expect(guest.oomKills).toBe(0);
      expect(guest.usedBytes).toBeGreaterThan(1690 * MIB);
      const raises = new Set(guest.sizes.slice(before).map(({ size: wish }) => wish.memBytes));
      expect(raises.size).toBeLessThanOrEqual(rate === 40 ? 8 : 4);
    },
  );

  test("the reserve is rMax times the measured reaction, within its limits", () => {
    const guest = settled({ rMaxBytesPerSec: 600 * MIB, tReactStartMs: 200 });
    expect(monitorStatus(guest.state).memory.reserveBytes).toBe(120 * MIB);
    guest.allocatingUntilBytes = 1200 * MIB;
    guest.allocatingBytesPerSec = 200 * MIB;
    guest.run(15_000);
    const { tReactMs, tReactSamples, reserveBytes } = monitorStatus(guest.state).memory;
    expect(tReactSamples).toBeGreaterThan(0);
    expect(tReactMs).toBeGreaterThanOrEqual(300); // the guest plugs in 300 ms
    expect(reserveBytes).toBe(Math.round((600 * MIB * tReactMs) / 1000));
  });

  test("what was not needed for the hold is released, and not before", () => {
    const guest = settled({ ...SLOW, policy: FIXED_HOLDS });
    guest.allocatingUntilBytes = 1200 * MIB;
    guest.allocatingBytesPerSec = 400 * MIB;
    guest.run(30_000); // what it jumped too far is given back by then
    const grown = monitorStatus(guest.state).ladder.desired?.memBytes ?? 0;
    expect(grown).toBeGreaterThan(1200 * MIB);
    guest.allocatingBytesPerSec = 0;
    guest.usedBytes = 80 * MIB;
    guest.run(80_000);
    expect(monitorStatus(guest.state).ladder.desired?.memBytes).toBe(grown);
    guest.run(60_000);
    expect(monitorStatus(guest.state).ladder.desired?.memBytes).toBe(512 * MIB);
    expect(guest.sizes.at(-1)?.reason).toBe("idle");
  });

  test("nothing is released while tasks wait for memory", () => {
    const guest = settled({ ...SLOW, policy: PRESETS.demo });
    guest.allocatingUntilBytes = 1000 * MIB;
    guest.allocatingBytesPerSec = 400 * MIB;
    guest.run(10_000);
    guest.allocatingBytesPerSec = 0;
    guest.usedBytes = 80 * MIB;
    for (let i = 0; i < 60; i += 1) {
      guest.pressureMs += 50;
      guest.run(1_000);
    }
    expect(monitorStatus(guest.state).ladder.desired?.memBytes).toBeGreaterThan(1000 * MIB);
    guest.run(30_000);
    expect(monitorStatus(guest.state).ladder.desired?.memBytes).toBe(512 * MIB);
  });

  test("cache that keeps being read back is needed: it grows for it, and says so", () => {
    const guest = settled();
    guest.usedBytes = 200 * MIB;
    for (let i = 0; i < 30; i += 1) {
      guest.refaultedFilePages += 256;
      guest.run(100);
    }
    expect(guest.state.memory.cache).not.toBeNull();
  });
});

describe("CPU", () => {
  test("a burst of three tasks is met in one jump, within three quarters of a second", () => {
    const guest = settled();
    guest.sizes = [];
    const since = guest.now;
    guest.cpuDemand = 3;
    guest.run(2_000);
    expect(guest.actual.milliCpu).toBeGreaterThanOrEqual(3_000);
    expect(guest.sizes.map(({ size: wish }) => wish.milliCpu)).toEqual([3_750]); // 3 ÷ 0.85
    expect(guest.sizes[0]?.at).toBeLessThanOrEqual(since + 750);
    expect(guest.onlineCpus).toBeGreaterThanOrEqual(3);
  });

  test("it is released after the hold, in one step", () => {
    const guest = settled({ ...SLOW, policy: FIXED_HOLDS });
    guest.cpuDemand = 3;
    guest.run(5_000);
    guest.cpuDemand = 0.05;
    guest.run(10_000);
    expect(monitorStatus(guest.state).ladder.desired?.milliCpu).toBeGreaterThanOrEqual(3_000);
    guest.run(6_000);
    expect(monitorStatus(guest.state).ladder.desired?.milliCpu).toBe(1_000);
  });

  test("a square wave shorter than the hold does not make it flap", () => {
    const guest = settled();
    guest.sizes = [];
    for (let i = 0; i < 20; i += 1) {
      guest.cpuDemand = i % 2 === 0 ? 3 : 0.3;
      guest.run(5_000);
    }
    const distinct = new Set(guest.sizes.map(({ size: wish }) => wish.milliCpu));
    expect(distinct.size).toBeLessThanOrEqual(3);
  });

  test.for([0.25, 0.5])("an idle guest at a quota of %d stays there", (quota) => {
    const guest = new TestGuest(SLOW);
    guest.min = size(0.25, 512);
    guest.quota = quota;
    guest.actual = size(quota, 512);
    guest.cpuDemand = 0.12;
    guest.throttledShare = 0.3; // bursts of its own work are cut, although little is used
    guest.run(1_000);
    guest.connect();
    guest.run(300_000);
    const wishes = new Set(guest.sizes.map(({ size: wish }) => wish.milliCpu));
    expect([...wishes]).toEqual([quota * 1000]);
  });

  test("a busy guest at a quarter grows by the agent's word, not by its own ticks", () => {
    const guest = new TestGuest(SLOW);
    guest.min = size(0.25, 512);
    guest.quota = 0.25;
    guest.actual = size(0.25, 512);
    guest.run(1_000);
    guest.connect();
    guest.run(5_000);
    guest.cpuDemand = 0.9;
    guest.throttledShare = 0.8;
    guest.run(3_000);
    expect(monitorStatus(guest.state).ladder.desired?.milliCpu).toBeGreaterThanOrEqual(500);
  });
});

describe("consent", () => {
  test("agrees to what is not in use, refuses what is, and names the lowest", () => {
    const guest = settled();
    guest.actual = size(1, 2048);
    guest.usedBytes = 700 * MIB;
    guest.run(10_000);
    guest.report();
    expect(guest.ask(size(1, 1792))).toMatchObject({ Ok: true });
    const refusal = guest.ask(size(1, 640));
    expect(refusal).toMatchObject({ Ok: false, reason: "memory" });
    if (refusal?.type !== "DownscaleResult") throw new Error("no answer");
    const lowest = refusal.lowest?.mem ?? 0;
    expect(lowest).toBeGreaterThan(700 * MIB);
    expect(guest.ask({ milliCpu: 1000, memBytes: lowest })).toMatchObject({ Ok: true });
  });

  test("judges each resource by itself: busy memory does not hinder a CPU shrink", () => {
    const guest = settled();
    guest.allocatingUntilBytes = 900 * MIB;
    guest.allocatingBytesPerSec = 100 * MIB;
    guest.run(10_000);
    guest.actual = { ...guest.actual, milliCpu: 3_000 };
    guest.presentCpus = 3;
    guest.onlineCpus = 3;
    guest.report();
    expect(guest.ask({ ...guest.actual, memBytes: 768 * MIB })).toMatchObject({ Ok: false });
    expect(guest.ask({ ...guest.actual, milliCpu: 1_000 })).toMatchObject({ Ok: true });
    expect(guest.onlineCpus).toBe(1);
  });

  test("CPUs that were given up come back when the size did not fall", () => {
    const guest = settled();
    guest.actual = size(3, 512);
    guest.presentCpus = 3;
    guest.onlineCpus = 3;
    guest.report();
    expect(guest.ask(size(1, 512))).toMatchObject({ Ok: true });
    guest.run(5_000);
    expect(guest.onlineCpus).toBe(1);
    guest.run(6_000);
    expect(guest.onlineCpus).toBe(3);
  });

  test("advice that was taken counts as met: no quota, three plugged, one used", () => {
    const guest = settled();
    guest.actual = size(3, 512);
    guest.presentCpus = 3;
    guest.onlineCpus = 3;
    guest.report();
    guest.ask(size(1, 512));
    guest.report({ reason: "no-cpu-quota", requestedCpu: 1 });
    guest.run(15_000);
    expect(guest.onlineCpus).toBe(1);
    expect(monitorStatus(guest.state).isMet).toBe(true);
  });
});

describe("talking", () => {
  test("what was decided on its own view gives way to the told size, with a record per resource", () => {
    const guest = new TestGuest(SLOW);
    guest.presentCpus = 4;
    guest.cpuDemand = 1.5; // one CPU is online: it decides that it needs more
    guest.run(1_500);
    expect(guest.state.reasons.cpu).not.toBe("start");
    expect(guest.state.desired?.milliCpu).toBeLessThan(4_000);
    guest.actual = size(4, 512);
    const before = guest.actions.length;
    guest.connect();
    expect(guest.state.desired?.milliCpu).toBe(4_000);
    const decided = guest.actions.slice(before).filter(({ kind }) => kind === "decide");
    expect(decided).toHaveLength(1);
  });

  test("never asks for less than it has before a full window of measurements is in", () => {
    const guest = new TestGuest(SLOW);
    guest.actual = size(2, 2048);
    guest.presentCpus = 2;
    guest.onlineCpus = 2;
    guest.run(1_000);
    guest.connect();
    guest.run(55_000);
    expect(guest.sizes.length).toBeGreaterThan(0);
    expect(guest.sizes.every(({ size: wish }) => wish.memBytes >= 2 * GIB)).toBe(true);
    expect(guest.sizes.every(({ size: wish }) => wish.milliCpu >= 2_000)).toBe(true);
  });

  test("states its level within a second, then every 30 s while it is met", () => {
    const guest = new TestGuest(SLOW);
    guest.run(1_000);
    guest.connect();
    guest.run(1_000);
    expect(guest.sizes).toHaveLength(1);
    guest.run(59_500);
    expect(guest.sizes).toHaveLength(3);
  });

  test("resends every 4 to 5 s while actual is not what it wants", () => {
    const guest = settled();
    guest.plugMs = 1e9;
    guest.sizes = [];
    guest.usedBytes = 400 * MIB;
    guest.run(30_000);
    const times = guest.sizes.map(({ at }) => at);
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(gaps.slice(1).every((gap) => gap >= 4_000 && gap <= 5_000)).toBe(true);
    expect(gaps.length).toBeGreaterThan(3);
  });

  test("says nothing before the agent's first frame, or a second", () => {
    const guest = new TestGuest(SLOW);
    guest.run(1_000);
    guest.link = { number: 1, version: 2 };
    guest.feed({ kind: "link-opened", link: 1, version: 2, features: [] });
    guest.run(900);
    expect(guest.frames).toHaveLength(0);
    guest.run(200);
    expect(guest.frames.map((frame) => frame.type)).toEqual(["ScaleRequest"]);
  });

  test("on version 1 it asks by UpscaleRequest, once a second at most, and sends nothing newer", () => {
    const guest = new TestGuest(SLOW);
    guest.run(1_000);
    guest.connect(1);
    guest.run(5_000);
    expect(guest.frames.filter((frame) => frame.type === "UpscaleRequest")).toHaveLength(0);
    guest.usedBytes = 400 * MIB;
    guest.run(5_000);
    const asked = guest.frames.filter((frame) => frame.type === "UpscaleRequest").length;
    expect(asked).toBeGreaterThanOrEqual(4);
    expect(asked).toBeLessThanOrEqual(6);
    expect(guest.frames.some((frame) => frame.type === "ScaleRequest")).toBe(false);
  });

  test("on version 1 it does not ask back what it has just agreed to give", () => {
    const guest = new TestGuest(SLOW);
    guest.run(1_000);
    guest.connect(1);
    guest.usedBytes = 400 * MIB;
    guest.run(3_000);
    guest.actual = size(1, 1280);
    const granted = { cpu: 1, mem: 1280 * MIB };
    guest.tell({ type: "UpscaleNotification", content: { granted }, id: 2 });
    guest.usedBytes = 80 * MIB;
    guest.run(12_000);
    expect(guest.ask(size(1, 1024))).toMatchObject({ Ok: true });
    guest.actual = size(1, 1024);
    const before = guest.frames.length;
    guest.run(3_000);
    const asked = () =>
      guest.frames.slice(before).filter((frame) => frame.type === "UpscaleRequest").length;
    expect(asked()).toBe(0);
    guest.usedBytes = 900 * MIB; // a new need is told as ever
    guest.run(1_000);
    expect(asked()).toBe(1);
  });

  test("probes a version-1 agent once when told to, and falls back", () => {
    const guest = new TestGuest({ ...SLOW, probeScaleRequest: true });
    guest.run(1_000);
    guest.connect(1);
    guest.run(100);
    expect(guest.frames.filter((frame) => frame.type === "ScaleRequest")).toHaveLength(1);
    guest.tell({ type: "InvalidMessage", content: { error: "unknown type" }, id: 3 });
    guest.usedBytes = 400 * MIB;
    guest.run(3_000);
    expect(guest.frames.filter((frame) => frame.type === "ScaleRequest")).toHaveLength(1);
    expect(guest.frames.some((frame) => frame.type === "UpscaleRequest")).toBe(true);
  });

  test("nonsense is answered with its id or 0, and ends the link after twenty in a minute", () => {
    const guest = settled();
    const link = guest.link?.number ?? 0;
    guest.feed({ kind: "frame-received", link, text: "{" });
    expect(guest.frames.at(-1)).toMatchObject({ type: "InvalidMessage", id: 0 });
    for (let i = 0; i < 20; i += 1) {
      guest.feed({ kind: "frame-received", link, text: '{"content":{},"type":"Riddle","id":8}' });
    }
    expect(guest.state.session).toBeNull();
    expect(guest.actions.some((action) => action.kind === "close-link")).toBe(true);
  });

  test("an agent that is silent for 20 s is gone", () => {
    const guest = settled();
    guest.link = null; // its health checks stop
    guest.run(21_000);
    expect(guest.state.session).toBeNull();
  });
});
