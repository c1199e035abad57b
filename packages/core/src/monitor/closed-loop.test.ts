// Guest, monitor and an agent that grows at once and shrinks by consent, for minutes of virtual
// time.
import { describe, expect, test } from "vitest";
import { PRESETS } from "../policy/presets.ts";
import { monitorStatus } from "./status.ts";
import { MIB, TestGuest, size } from "./testing/guest.ts";

const CALIBRATED = { rMaxBytesPerSec: 200 * MIB, tReactStartMs: 400 };
const DEMO = { ...CALIBRATED, policy: PRESETS.demo };

function loop(config: ConstructorParameters<typeof TestGuest>[0] = CALIBRATED): TestGuest {
  const guest = new TestGuest(config);
  guest.shrinks = true;
  guest.run(1_000);
  guest.connect();
  guest.run(70_000);
  return guest;
}

function quotaGuest(
  quota: number,
  config: ConstructorParameters<typeof TestGuest>[0] = CALIBRATED,
): TestGuest {
  const guest = new TestGuest(config);
  guest.shrinks = true;
  guest.min = size(0.25, 512);
  guest.quota = quota;
  guest.actual = size(quota, 512);
  return guest;
}

/** How often the size changed direction: growth after a shrink. */
function flaps(guest: TestGuest): number {
  const sizes = guest.history.map((entry) => entry.milliCpu);
  let direction = 0;
  let turns = 0;
  for (const [index, milliCpu] of sizes.entries()) {
    const before = sizes[index - 1] ?? milliCpu;
    if (milliCpu > before && direction < 0) turns += 1;
    if (milliCpu !== before) direction = Math.sign(milliCpu - before);
  }
  return turns;
}

describe("a fraction of a core", () => {
  test.for(
    [0.03, 0.19, 0.24, 0.41, 0.6, 0.8].flatMap((demand) =>
      [0.25, 0.5, 1].map((quota) => ({ demand, quota })),
    ),
  )("$demand vCPU of steady work from a quota of $quota: no limit cycle", ({ demand, quota }) => {
    const guest = quotaGuest(quota);
    guest.cpuDemand = demand;
    guest.run(1_000);
    guest.connect();
    guest.run(200_000);
    expect(flaps(guest)).toBeLessThanOrEqual(1);
    // It ends where the work fits at the utilisation that is steered for.
    const needed = Math.ceil(demand / 0.85 / 0.25) * 250;
    expect(guest.actual.milliCpu).toBeGreaterThanOrEqual(needed);
    expect(guest.actual.milliCpu).toBeLessThanOrEqual(needed + 250);
  });

  test("what was throttled is not released to a fraction", () => {
    const guest = quotaGuest(1);
    guest.cpuDemand = 0.1;
    guest.throttledShare = 0.2;
    guest.run(1_000);
    guest.connect();
    guest.run(300_000);
    expect(guest.actual.milliCpu).toBe(1_000);
  });

  test("a fraction that is regretted every minute is held longer and longer", () => {
    const guest = quotaGuest(1);
    guest.run(1_000);
    guest.connect();
    guest.run(60_000);
    for (let i = 0; i < 60; i += 1) {
      guest.cpuDemand = i % 2 === 0 ? 0.1 : 0.7;
      guest.run(20_000);
    }
    expect(flaps(guest)).toBeLessThanOrEqual(6); // 30 without the longer holds
  });

  test.for([
    { preset: "demo", everyMs: 30_000 },
    { preset: "demo", everyMs: 55_000 },
    { preset: "default", everyMs: 30_000 },
    { preset: "default", everyMs: 60_000 },
  ] as const)("a burst every $everyMs ms ($preset): no limit cycle", ({ preset, everyMs }) => {
    const guest = quotaGuest(0.5, { ...CALIBRATED, policy: PRESETS[preset] });
    guest.run(1_000);
    guest.connect();
    guest.run(60_000);
    for (let i = 0; i < 40; i += 1) {
      guest.cpuDemand = 0.5;
      guest.run(2_000);
      guest.cpuDemand = 0.15;
      guest.run(everyMs - 2_000);
    }
    expect(flaps(guest)).toBeLessThanOrEqual(6);
  });
});

describe("square waves", () => {
  test.for([5, 13, 30, 60, 300])("half a period of %i s: at most one turn per period", (half) => {
    const guest = loop();
    guest.history.length = 0;
    const periods = 6;
    for (let i = 0; i < periods * 2; i += 1) {
      guest.cpuDemand = i % 2 === 0 ? 3 : 0.3;
      guest.run(half * 1_000);
    }
    expect(flaps(guest)).toBeLessThanOrEqual(half < 13 ? 0 : periods);
    expect(guest.delayedMs / (periods * half * 1_000)).toBeLessThan(half < 13 ? 0.15 : 0.1);
  });

  test("noise around two CPUs changes nothing but the first size", () => {
    const guest = loop();
    guest.cpuDemand = 2;
    guest.run(5_000);
    guest.history.length = 0;
    for (let i = 0; i < 600; i += 1) {
      guest.cpuDemand = 1.6 + ((i * 7919) % 101) / 125; // 1.6 … 2.4, in no order
      guest.run(1_000);
    }
    expect(flaps(guest)).toBe(0);
    expect(guest.history.length).toBeLessThanOrEqual(3); // the first, and two in ten minutes
  });
});

describe("memory comes and goes", () => {
  test("the demo: from 512 MiB up for 1.2 GiB and back within 90 s of the load's end", () => {
    const guest = loop(DEMO);
    guest.allocatingUntilBytes = 1280 * MIB;
    guest.allocatingBytesPerSec = 200 * MIB;
    guest.cpuDemand = 3;
    guest.run(20_000);
    expect(guest.actual.memBytes).toBeGreaterThanOrEqual(1536 * MIB);
    expect(guest.actual.milliCpu).toBeGreaterThanOrEqual(3_000);
    guest.allocatingBytesPerSec = 0;
    guest.usedBytes = 85 * MIB;
    guest.cpuDemand = 0.1;
    guest.run(90_000);
    expect(guest.oomKills).toBe(0);
    expect(guest.actual).toEqual(size(1, 512));
    expect(guest.answers).not.toContain(false);
  });

  test("unused cache is given back, a step at a time", () => {
    const guest = loop(DEMO);
    guest.actual = size(1, 2048);
    guest.usedBytes = 200 * MIB;
    guest.cachedFileBytes = 1500 * MIB;
    guest.report();
    guest.run(15_000);
    const first = guest.actual.memBytes;
    expect(first).toBeGreaterThan(1024 * MIB);
    for (let i = 0; i < 240; i += 1) {
      // What does not fit is dropped by the kernel, and nobody misses it.
      guest.cachedFileBytes = Math.min(guest.cachedFileBytes, guest.total - guest.usedBytes);
      guest.run(1_000);
    }
    expect(guest.actual.memBytes).toBeLessThanOrEqual(640 * MIB);
  });

  test("cache that is read back stops the shrink and is kept", () => {
    const guest = loop({ ...CALIBRATED, policy: PRESETS.default });
    guest.actual = size(1, 2048);
    guest.usedBytes = 200 * MIB;
    guest.cachedFileBytes = 1500 * MIB;
    guest.report();
    for (let i = 0; i < 900; i += 1) {
      const fits = guest.total - guest.usedBytes;
      if (guest.cachedFileBytes > fits) {
        guest.cachedFileBytes = fits;
        guest.refaultedFilePages += 4096; // 16 MiB a second are missed
      }
      guest.run(1_000);
    }
    expect(guest.actual.memBytes).toBeGreaterThan(1400 * MIB);
  });

  test("an allocator that starts from rest is outlived up to reserve ÷ tReact", () => {
    const guest = loop({ rMaxBytesPerSec: 600 * MIB, tReactStartMs: 400 });
    const { outlivesBytesPerSec } = monitorStatus(guest.state).memory;
    expect(outlivesBytesPerSec).toBe(600 * MIB);
    guest.allocatingUntilBytes = 2000 * MIB;
    guest.allocatingBytesPerSec = outlivesBytesPerSec;
    guest.run(10_000);
    expect(guest.oomKills).toBe(0);
    expect(guest.usedBytes).toBeGreaterThan(1990 * MIB);
  });

  test("an idle guest on a fast machine rests at its minimum, and comes back to it", () => {
    const guest = loop({ ...DEMO, rMaxBytesPerSec: 2560 * MIB, tReactStartMs: 650 });
    expect(guest.sizes.every(({ size: wish }) => wish.memBytes === 512 * MIB)).toBe(true);
    guest.actual = size(1, 2048);
    guest.report();
    guest.run(60_000);
    expect(guest.actual.memBytes).toBe(512 * MIB);
  });

  test("one burst of a few MiB, such as a new connection, is not a growth", () => {
    const guest = loop();
    guest.sizes.length = 0;
    for (let i = 0; i < 50; i += 1) {
      guest.usedBytes += 10 * MIB;
      guest.run(2_000);
      guest.usedBytes -= 10 * MIB;
      guest.run(2_000);
    }
    expect(guest.sizes.every(({ size: wish }) => wish.memBytes === 512 * MIB)).toBe(true);
  });
});

describe("holds", () => {
  test("one that was set to twenty minutes is kept for twenty", () => {
    const holds = { holdMs: 1_200_000, holdMinMs: 1_200_000, holdMaxMs: 1_200_000 };
    const cpu = { ...PRESETS.default.cpu, ...holds };
    const guest = loop({ ...CALIBRATED, policy: { ...PRESETS.default, cpu } });
    guest.cpuDemand = 3;
    guest.run(5_000);
    guest.cpuDemand = 0.1;
    guest.run(1_140_000);
    expect(guest.actual.milliCpu).toBeGreaterThanOrEqual(3_000);
    guest.run(120_000);
    expect(guest.actual.milliCpu).toBe(1_000);
  });
});

describe("trouble", () => {
  test("what was jumped to is not taken back for time in which nothing was measured", () => {
    const guest = loop();
    guest.cpuDemand = 3;
    guest.run(600);
    const jumped = monitorStatus(guest.state).ladder.desired?.milliCpu;
    expect(jumped).toBe(3_750);
    guest.now += 60_000;
    guest.run(400);
    expect(monitorStatus(guest.state).ladder.desired?.milliCpu).toBe(jumped);
  });

  test("nothing is released while the monitor itself gets no CPU, nor right after", () => {
    const guest = loop();
    guest.cpuDemand = 3;
    guest.run(5_000);
    guest.cpuDemand = 0.1;
    guest.now += 60_000; // no sample for a minute
    guest.connect(); // the agent has given up meanwhile
    guest.run(1_000);
    expect(monitorStatus(guest.state).ladder.desired?.milliCpu).toBeGreaterThanOrEqual(3_000);
    expect(guest.state.counters.sampleGaps).toBe(2);
    guest.run(20_000);
    expect(guest.actual.milliCpu).toBe(1_000);
  });

  test("a new connection hears the level at once, and the old link's frames are not heard", () => {
    const guest = loop();
    const old = guest.link?.number ?? 0;
    guest.connect();
    expect(guest.frames.at(-1)).toMatchObject({ type: "ScaleRequest", id: 3 });
    const frames = guest.frames.length;
    guest.feed({ kind: "frame-received", link: old, text: "{" });
    guest.feed({ kind: "link-closed", link: old, problem: "late" });
    expect(guest.frames).toHaveLength(frames);
    expect(guest.state.session?.link).toBe(guest.link?.number);
  });

  test("after a grant that fell short nothing is released for ten seconds", () => {
    const holds = { holdMs: 13_000, holdMinMs: 13_000, holdMaxMs: 13_000 };
    const cpu = { ...PRESETS.default.cpu, ...holds };
    const guest = loop({ ...CALIBRATED, policy: { ...PRESETS.default, cpu } });
    guest.cpuDemand = 3;
    guest.run(5_000);
    guest.cpuDemand = 0.1;
    guest.run(10_000);
    const resource = { outcome: "deferred", reason: "node-full" } as const;
    const permit = { cpu: 1, mem: 512 * MIB };
    const content = {
      outcome: "deferred" as const,
      resources: { cpu: resource, mem: resource },
      permit,
    };
    guest.tell({ type: "ScaleResponse", content, id: 3 });
    guest.run(9_500);
    expect(guest.actual.milliCpu).toBeGreaterThanOrEqual(3_000);
    guest.run(2_000);
    expect(guest.actual.milliCpu).toBe(1_000);
  });

  test("after an OOM kill nothing is released for half a minute", () => {
    const guest = loop({ ...DEMO, policy: { ...PRESETS.demo, cpu: PRESETS.default.cpu } });
    guest.allocatingUntilBytes = 900 * MIB;
    guest.allocatingBytesPerSec = 400 * MIB;
    guest.run(5_000);
    const grown = guest.actual.memBytes;
    guest.allocatingBytesPerSec = 0;
    guest.usedBytes = 80 * MIB;
    for (let i = 0; i < 6; i += 1) {
      guest.oomKills += 1;
      guest.run(5_000);
    }
    expect(guest.actual.memBytes).toBe(grown);
    expect(guest.state.counters.oomKills).toBe(6);
    guest.run(30_000);
    expect(guest.actual.memBytes).toBe(512 * MIB);
  });

  test("a reaction that was refused is not measured", () => {
    const guest = loop();
    guest.max = size(1, 512);
    guest.report({ reason: "node-full" });
    guest.usedBytes = 400 * MIB;
    guest.run(1_000);
    const resource = { outcome: "deferred" } as const;
    const permit = { cpu: 1, mem: 512 * MIB };
    const content = {
      outcome: "deferred" as const,
      resources: { cpu: resource, mem: resource },
      permit,
    };
    guest.tell({ type: "ScaleResponse", content, id: 3 });
    guest.max = size(4, 2560);
    guest.run(3_000);
    expect(guest.state.reaction.measuredMs).toEqual([]);
  });
});

describe("reservations", () => {
  test("granted when the memory is there, not a shrink while it is held, and back by the ordinary policy", () => {
    const guest = loop(DEMO);
    guest.usedBytes = 80 * MIB;
    guest.run(30_000);
    const before = guest.actual.memBytes;
    expect(before).toBe(512 * MIB);
    guest.reserve("index", 1024, 2);
    expect(guest.answerTo("index")?.state).toBe("waiting");
    guest.run(guest.plugMs - 50);
    expect(guest.answerTo("index")?.state).toBe("waiting");
    guest.run(250);
    const granted = guest.answerTo("index");
    expect(granted?.state).toBe("granted");
    expect(granted?.answer.granted).toEqual({ milliCpu: 2_000, memBytes: 1024 * MIB });
    // What was promised is there, beside what was in use: no more is asked for when it is used.
    expect(guest.total - guest.usedBytes).toBeGreaterThanOrEqual(1024 * MIB);
    expect(guest.onlineCpus).toBeGreaterThanOrEqual(2);
    expect(guest.frames.findLast((frame) => frame.type === "ScaleRequest")).toMatchObject({
      reason: "reservation",
      floor: { cpu: 2, mem: granted?.answer.floor.memBytes },
    });
    guest.usedBytes += 1024 * MIB;
    guest.run(1_000);
    guest.usedBytes -= 1024 * MIB;
    guest.run(120_000);
    expect(guest.actual.memBytes).toBeGreaterThanOrEqual(granted?.answer.floor.memBytes ?? 0);
    expect(guest.actual.milliCpu).toBeGreaterThanOrEqual(2_000);
    expect(guest.oomKills).toBe(0);
    guest.feed({ kind: "reservation-released", id: "index" });
    expect(guest.actual.memBytes).toBeGreaterThan(before);
    guest.run(60_000);
    expect(guest.actual).toEqual(size(1, 512));
    expect(guest.frames.at(-1)).not.toHaveProperty("floor");
  });

  test("an allocation that would have been killed is not, when it was reserved", () => {
    const fate = (isReserved: boolean) => {
      const guest = loop(DEMO);
      if (isReserved) guest.reserve("sort", 1024, 0);
      guest.run(2_000);
      guest.allocatingUntilBytes = guest.usedBytes + 1024 * MIB;
      guest.allocatingBytesPerSec = 8192 * MIB; // far beyond rMax: no policy is so fast
      guest.run(5_000);
      return guest.oomKills;
    };
    expect([fate(false), fate(true)]).toEqual([1, 0]);
  });

  test("a reservation that is given up before it came leaves nothing wanted", () => {
    const guest = loop(DEMO);
    guest.plugMs = 60_000;
    guest.reserve("index", 1024, 4);
    guest.run(1_000);
    guest.feed({ kind: "reservation-released", id: "index" });
    guest.run(2_000);
    expect(guest.sizes.at(-1)?.size).toEqual(size(1, 512));
  });

  test.for([1, 7, 40])(
    "reserved and released every %i s: no flapping faster than the hold",
    (every) => {
      const guest = loop(DEMO);
      guest.history.length = 0;
      for (let i = 0; i < 20; i += 1) {
        guest.reserve(`index-${i}`, 1024, 0);
        guest.run(every * 500);
        guest.feed({ kind: "reservation-released", id: `index-${i}` });
        guest.run(every * 500);
      }
      const isShrink = (entry: { memBytes: number }, index: number) =>
        entry.memBytes < (guest.history[index - 1]?.memBytes ?? 0);
      const shrinks = guest.history.filter(isShrink).length;
      if (every < 10) expect(shrinks).toBe(0);
      expect(monitorStatus(guest.state).counters.reservationsGranted).toBe(20);
    },
  );
});
