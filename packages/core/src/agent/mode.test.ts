// Control mode, row by row of docs/protocol.md: who decides a VM's size, from when on, and what may grow or shrink it until
// then. A function of the connection: nothing of it outlives the connection, or the QEMU process.
import { describe, expect, test } from "vitest";
import { DEPLOYED_LEGACY_CONFIG } from "../legacy/defaults.ts";
import { MIB, Rig, size, type RigVm } from "./testing/rig.ts";
import { type VmSpec } from "./types.ts";

const LEGACY = {
  ...DEPLOYED_LEGACY_CONFIG,
  computeUnit: { milliCpu: 1000, memBytes: 512 * MIB },
};

/** 2 vCPU and 1536 MiB, with room both ways. */
function start(version: number, spec: Partial<VmSpec> = {}): { rig: Rig; vm: RigVm } {
  const rig = new Rig();
  const vm = rig.add({ legacy: LEGACY, ...spec });
  vm.monitor.version = version;
  vm.facts = { ...vm.facts, vcpusPlugged: 2, quotaMilliCpu: 2000 };
  vm.setDevice({ sizeBytes: 1024 * MIB, requestedBytes: 1024 * MIB });
  rig.attach(vm);
  return { rig, vm };
}

/** Of a guest that uses so many units of both. */
function scrape(rig: Rig, vm: RigVm, count: number): void {
  const system = {
    load1: 0.9 * count,
    load5: 0,
    memTotalBytes: vm.actual.memBytes,
    memUsageBytes: 0.75 * 512 * MIB * count,
    memCachedBytes: 0,
  };
  rig.feed(vm, { kind: "metrics-scraped", metrics: { system, lfc: null } });
}

/** As real ones are: every 5 s. */
function scrapeFor(rig: Rig, vm: RigVm, ms: number, count: number): void {
  for (let passed = 0; passed < ms; passed += 5_000) {
    scrape(rig, vm, count);
    rig.run(Math.min(5_000, ms - passed));
  }
}

const HELD = size(2, 1536);

describe("held", () => {
  test("at agent start, without a link, while dialling, and when the link is lost", () => {
    const { rig, vm } = start(2);
    rig.run(60_000);
    expect([vm.state.mode, vm.actual]).toEqual(["held", HELD]);
    vm.monitor.isMute = true; // the upgrade succeeded, no reply yet
    rig.connect(vm);
    expect(vm.state.mode).toBe("held");
    vm.monitor.isMute = false;
    rig.connect(vm);
    rig.wish(vm, 1, 512);
    expect(vm.state.mode).toBe("compute-controlled");
    vm.monitor.consent = () => null;
    rig.disconnect(vm);
    rig.run(60_000);
    expect([vm.state.mode, vm.actual]).toEqual(["held", HELD]);
  });
});

describe("version 2", () => {
  test("compute-controlled at once, and no metrics are ever read", () => {
    const { rig, vm } = start(2, { hasMetrics: true });
    rig.connect(vm);
    expect(vm.state.mode).toBe("compute-controlled");
    expect(vm.state.isScraping).toBe(false);
    expect(vm.actual).toEqual(HELD); // it has named no size yet
  });

  test("no ScaleRequest within 10 s: held, whatever metrics come; the first one ends it", () => {
    const { rig, vm } = start(2, { hasMetrics: true });
    rig.connect(vm);
    rig.run(9_999);
    expect(vm.state.mode).toBe("compute-controlled");
    rig.run(1);
    expect(vm.state.mode).toBe("held");
    expect(vm.notes).toContain("monitor-silent");
    scrapeFor(rig, vm, 90_000, 4); // none is asked for; a late one of before may come
    expect([vm.state.mode, vm.actual]).toEqual(["held", HELD]);
    rig.say(vm, { type: "UpscaleRequest" });
    rig.run(2_000);
    expect(vm.actual).toEqual(HELD);
    rig.wish(vm, 1, 512);
    expect(vm.state.mode).toBe("compute-controlled");
    rig.run(30_000);
    expect(vm.actual).toEqual(size(1, 512));
  });
});

describe("version 1", () => {
  test("with a ScaleRequest: compute-controlled from then on, without ScaleResponse or SizeReport", () => {
    const { rig, vm } = start(1, { hasMetrics: true });
    rig.connect(vm);
    rig.run(1_000);
    expect([vm.state.mode, vm.state.isScraping]).toEqual(["held", true]);
    rig.wish(vm, 1, 512);
    expect([vm.state.mode, vm.state.isScraping]).toEqual(["compute-controlled", false]);
    rig.run(30_000);
    expect(vm.actual).toEqual(size(1, 512));
    expect([...vm.framesOf("ScaleResponse"), ...vm.framesOf("SizeReport")]).toEqual([]);
    // What it said before as a version-1 monitor, and a scrape under way, change nothing any more.
    scrapeFor(rig, vm, 90_000, 4);
    rig.say(vm, { type: "UpscaleRequest" });
    rig.run(2_000);
    expect([vm.state.mode, vm.actual]).toEqual(["compute-controlled", size(1, 512)]);
  });

  test("a ScaleRequest after the first minute takes over from the metrics", () => {
    const { rig, vm } = start(1, { hasMetrics: true });
    rig.connect(vm);
    scrapeFor(rig, vm, 60_000, 3);
    expect([vm.state.mode, vm.actual]).toEqual(["metrics-based", size(3, 1536)]);
    rig.wish(vm, 1, 512);
    rig.run(30_000);
    expect([vm.state.mode, vm.actual]).toEqual(["compute-controlled", size(1, 512)]);
  });

  test("metrics-based after 60 s, to the millisecond", () => {
    const { rig, vm } = start(1, { hasMetrics: true });
    rig.connect(vm);
    rig.run(59_999);
    expect(vm.state.mode).toBe("held");
    rig.run(1); // no event comes: the machine wakes up by itself
    expect(vm.state.mode).toBe("metrics-based");
  });

  test("in the first 60 s metrics may grow it, not shrink it", () => {
    const { rig, vm } = start(1, { hasMetrics: true });
    rig.connect(vm);
    scrapeFor(rig, vm, 10_000, 4);
    expect([vm.state.mode, vm.actual]).toEqual(["held", size(4, 2048)]);
    scrapeFor(rig, vm, 49_999, 1);
    expect([vm.state.mode, vm.actual]).toEqual(["held", size(4, 2048)]);
    expect(vm.framesOf("DownscaleRequest")).toEqual([]);
    scrapeFor(rig, vm, 30_001, 1);
    expect([vm.state.mode, vm.actual]).toEqual(["metrics-based", size(1, 512)]);
  });

  test("in the first 60 s UpscaleRequest may grow it, and its end does not shrink it", () => {
    const { rig, vm } = start(1, { hasMetrics: true });
    rig.connect(vm);
    rig.run(1_000);
    rig.say(vm, { type: "UpscaleRequest" }); // about memory: a unit above 1536 MiB is four units
    rig.run(2_000);
    expect([vm.state.mode, vm.actual]).toEqual(["held", size(4, 2048)]);
    scrapeFor(rig, vm, 50_000, 1);
    expect([vm.state.mode, vm.actual]).toEqual(["held", size(4, 2048)]);
  });

  test("without a metrics address: held for ever, UpscaleRequest honoured", () => {
    const { rig, vm } = start(1);
    rig.connect(vm);
    rig.run(120_000);
    expect([vm.state.mode, vm.state.isScraping, vm.actual]).toEqual(["held", false, HELD]);
    rig.say(vm, { type: "UpscaleRequest" });
    rig.run(120_000);
    expect([vm.state.mode, vm.actual]).toEqual(["held", size(4, 2048)]);
    expect(vm.framesOf("DownscaleRequest")).toEqual([]);
  });

  test("metrics-based without metrics yet: held all the same", () => {
    const { rig, vm } = start(1, { hasMetrics: true });
    rig.connect(vm);
    rig.run(120_000);
    expect([vm.state.mode, vm.actual]).toEqual(["metrics-based", HELD]);
    expect(vm.framesOf("DownscaleRequest")).toEqual([]);
  });
});

describe("a connection is forgotten with its mode", () => {
  test.for([
    { name: "version 1 upgraded to 2", before: 1, after: 2 },
    { name: "version 2 rolled back to 1", before: 2, after: 1 },
    { name: "version 1 again", before: 1, after: 1 },
  ])("$name", ({ before, after }) => {
    const { rig, vm } = start(before, { hasMetrics: true });
    rig.connect(vm);
    if (before === 2) rig.wish(vm, 2, 1536);
    scrapeFor(rig, vm, 70_000, 2);
    rig.say(vm, { type: "UpscaleRequest" });
    rig.disconnect(vm);
    const had = vm.actual;
    expect(vm.state).toMatchObject({ mode: "held", isScraping: false, metrics: null, level: null });
    rig.run(5_000);
    vm.monitor.version = after;
    vm.frames = [];
    rig.connect(vm);
    const isOld = after === 1;
    expect(vm.state.mode).toBe(isOld ? "held" : "compute-controlled");
    expect(vm.state.isScraping).toBe(isOld);
    // Neither the level nor the metrics of the old connection speak on this one, for or against.
    scrapeFor(rig, vm, 59_000, 1);
    expect(vm.framesOf("DownscaleRequest")).toEqual([]);
    expect(vm.actual).toEqual(had);
    if (isOld) {
      scrapeFor(rig, vm, 40_000, 1);
      expect([vm.state.mode, vm.actual]).toEqual(["metrics-based", size(1, 512)]);
    } else {
      rig.wish(vm, 1, 512);
      rig.run(40_000);
      expect([vm.state.mode, vm.actual]).toEqual(["compute-controlled", size(1, 512)]);
    }
  });

  test("a new QEMU process forgets all, and closes the old one's link", () => {
    const { rig, vm } = start(1, { hasMetrics: true });
    rig.connect(vm);
    scrapeFor(rig, vm, 70_000, 3);
    rig.say(vm, { type: "UpscaleRequest" });
    expect(vm.state.mode).toBe("metrics-based");
    rig.lose(vm);
    vm.facts = { ...vm.facts, process: "qemu-2", quotaMilliCpu: 1000 };
    vm.setDevice({ sizeBytes: 0, requestedBytes: 0 });
    rig.attach(vm);
    expect(vm.isLinked).toBe(false);
    expect(vm.state).toMatchObject({
      mode: "held",
      isScraping: false,
      metrics: null,
      overrides: { requested: null, denied: null },
      want: size(1, 512),
    });
    rig.run(120_000);
    expect([vm.state.mode, vm.actual]).toEqual(["held", size(1, 512)]);
    vm.monitor.version = 2;
    rig.connect(vm);
    rig.wish(vm, 2, 1024);
    rig.run(5_000);
    expect([vm.state.mode, vm.actual]).toEqual(["compute-controlled", size(2, 1024)]);
  });
});
