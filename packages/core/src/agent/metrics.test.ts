// The two kinds of metrics of one VM: which of them may shrink it, and when they no longer may.
import { describe, expect, test } from "vitest";
import { DEPLOYED_LEGACY_CONFIG } from "../legacy/defaults.ts";
import { type LfcMetrics, type SystemMetrics } from "../legacy/types.ts";
import { bounds, GIB, MIB, Rig, size, type RigVm } from "./testing/rig.ts";

const UNIT = { milliCpu: 1000, memBytes: 512 * MIB };
const LEGACY = { ...DEPLOYED_LEGACY_CONFIG, computeUnit: UNIT };
const IDLE: SystemMetrics = {
  load1: 0,
  load5: 0,
  memTotalBytes: 2560 * MIB,
  memUsageBytes: 300 * MIB,
  memCachedBytes: 0,
};
/** A working set of 8 MiB, and one of 1 GiB: one unit, and 2.7. */
const SMALL: LfcMetrics = { workingSetPagesPerMinute: Array<number>(60).fill(1024) };
const LARGE: LfcMetrics = { workingSetPagesPerMinute: Array<number>(60).fill(131_072) };

/** A VM of 2560 MiB whose metrics decide; it answers for a minute and never says a word by itself. */
function start(isLfcOn: boolean): { rig: Rig; vm: RigVm } {
  const rig = new Rig();
  const legacy = { ...LEGACY, enableLFCMetrics: isLfcOn };
  const vm = rig.add({ hasMetrics: true, legacy });
  vm.monitor.version = 1;
  vm.setDevice({ sizeBytes: 2 * GIB, requestedBytes: 2 * GIB });
  rig.attach(vm);
  rig.connect(vm);
  rig.run(60_000);
  return { rig, vm };
}

function scrape(rig: Rig, vm: RigVm, system: SystemMetrics | null, lfc: LfcMetrics | null): void {
  rig.feed(vm, { kind: "metrics-scraped", metrics: { system, lfc } });
  rig.run(50);
}

const asks = (vm: RigVm) => vm.framesOf("DownscaleRequest").length;

describe("nothing shrinks until every kind that the VM needs is there and fresh", () => {
  test.for([
    { name: "host metrics alone, no cache", isLfcOn: false, kinds: ["system"], mayShrink: true },
    { name: "host metrics alone", isLfcOn: true, kinds: ["system"], mayShrink: false },
    { name: "a working set alone", isLfcOn: true, kinds: ["lfc"], mayShrink: false },
    { name: "one, then the other", isLfcOn: true, kinds: ["system", "lfc"], mayShrink: true },
    { name: "the other way round", isLfcOn: true, kinds: ["lfc", "system"], mayShrink: true },
    { name: "both on one page", isLfcOn: true, kinds: ["both"], mayShrink: true },
    { name: "an empty page", isLfcOn: false, kinds: ["none"], mayShrink: false },
  ])("$name: $mayShrink", ({ isLfcOn, kinds, mayShrink }) => {
    const { rig, vm } = start(isLfcOn);
    expect(vm.state.mode).toBe("metrics-based");
    for (const kind of kinds) {
      const has = (one: string) => kind === one || kind === "both";
      scrape(rig, vm, has("system") ? IDLE : null, has("lfc") ? SMALL : null);
    }
    expect(asks(vm) > 0).toBe(mayShrink);
  });

  test.for([
    { name: "host metrics", stale: "system" },
    { name: "the working set", stale: "lfc" },
  ])("$name of 60 s ago stop a shrink that was under way", ({ stale }) => {
    const { rig, vm } = start(true);
    // Refused at first: what is asked again later is asked by what is known then.
    vm.monitor.consent = () => ({ Ok: false, Status: "no" });
    scrape(rig, vm, IDLE, SMALL);
    expect(asks(vm)).toBe(1);
    const other = () =>
      stale === "system" ? scrape(rig, vm, null, SMALL) : scrape(rig, vm, IDLE, null);
    for (let at = 50; at < 60_000; at += 5_050) {
      rig.run(5_000);
      other();
    }
    const before = asks(vm);
    vm.monitor.consent = () => ({ Ok: true, Status: "yes" });
    for (let tries = 0; tries < 12; tries += 1) {
      rig.run(5_000);
      other();
    }
    expect(asks(vm)).toBe(before);
    expect(vm.actual).toEqual(size(1, 2560));
    scrape(rig, vm, IDLE, SMALL);
    rig.run(30_000);
    expect(vm.actual).toEqual(size(1, 512));
  });
});

test("a stale working set may still grow a VM", () => {
  const rig = new Rig();
  const vm = rig.add({ hasMetrics: true, legacy: { ...LEGACY, enableLFCMetrics: true } });
  vm.monitor.version = 1;
  rig.attach(vm);
  rig.connect(vm);
  vm.pluggableBytes = 0; // the guest takes nothing for now
  scrape(rig, vm, null, LARGE);
  rig.run(90_000);
  vm.pluggableBytes = Infinity;
  rig.run(60_000);
  expect(vm.actual).toEqual(size(3, 1536));
});

test("switched off, a working set of before counts no more, and holds nothing", () => {
  const { rig, vm } = start(true);
  scrape(rig, vm, IDLE, LARGE);
  rig.run(20_000);
  expect(vm.actual).toEqual(size(3, 1536));
  const legacy = { ...LEGACY, enableLFCMetrics: false };
  vm.state = { ...vm.state, spec: { ...vm.state.spec, legacy } };
  scrape(rig, vm, IDLE, null);
  rig.run(20_000);
  expect(vm.actual).toEqual(size(1, 512));
});

test("without any metrics, a VM above its maximum comes down to it and no further", () => {
  const { rig, vm } = start(true);
  rig.feed(vm, {
    kind: "bounds-changed",
    bounds: bounds(size(1, 512), size(4, 1536)),
  });
  rig.run(30_000);
  expect(vm.actual).toEqual(size(1, 1536));
});

describe("what was said counts as long as the VM's own settings say", () => {
  const legacy = { ...LEGACY, requestedUpscaleValidSeconds: 6, retryDeniedDownscaleSeconds: 4 };

  test("an UpscaleRequest: 6 s", () => {
    const rig = new Rig();
    const vm = rig.add({ hasMetrics: true, legacy });
    vm.monitor.version = 1;
    rig.attach(vm);
    rig.connect(vm);
    rig.run(60_000);
    scrape(rig, vm, IDLE, null);
    rig.say(vm, { type: "UpscaleRequest" });
    rig.run(5_999);
    expect([vm.state.want, asks(vm)]).toEqual([size(2, 1024), 0]);
    rig.run(1); // no event comes: the machine wakes up by itself
    expect([vm.state.want, asks(vm)]).toEqual([size(1, 512), 2]);
  });

  test("a refused shrink: 4 s", () => {
    const { rig, vm } = start(false);
    vm.state = { ...vm.state, spec: { ...vm.state.spec, legacy } };
    vm.monitor.consent = () => ({ Ok: false, Status: "no" });
    scrape(rig, vm, IDLE, null);
    rig.run(3_949);
    expect(vm.state.want?.memBytes).toBe(2560 * MIB);
    rig.run(1);
    expect(vm.state.want?.memBytes).toBe(512 * MIB);
  });
});
