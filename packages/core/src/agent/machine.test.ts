// Stories of one VM, told against a scripted QEMU, guest, monitor and node in virtual time (testing/rig.ts).
import { describe, expect, test } from "vitest";
import { vmStatus } from "./status.ts";
import { type VmAction } from "./types.ts";
import { GIB, MIB, Rig, bounds, size, type RigVm } from "./testing/rig.ts";

/** A VM whose monitor has named its size, ready for whatever the story is about. */
function started(overrides: Parameters<Rig["add"]>[0] = {}, capacity = size(4, 8192)) {
  const rig = new Rig(capacity);
  const vm = rig.add(overrides);
  rig.attach(vm);
  rig.connect(vm);
  rig.run(50);
  return { rig, vm };
}

/** Longest way below actual that QEMU was ever told to go. */
function deepestCommand(vm: RigVm): number {
  return Math.max(...vm.memoryCommands.map((told) => told.actualBytes - told.requestedBytes));
}

describe("growing", () => {
  test("one jump, quota first, and the monitor hears of it when it is there", () => {
    const { rig, vm } = started();
    rig.wish(vm, 3, 1800);
    rig.run(2_000);
    expect(vm.actual).toEqual(size(3, 1792 + 128)); // rounded up to the grid
    expect(vm.memoryCommands).toHaveLength(1);
    const granted = vm.framesOf("UpscaleNotification").map((frame) => frame["content"]);
    expect(granted.at(-1)).toEqual({ granted: { cpu: 3, mem: 1920 * MIB } });
    expect(vmStatus(vm.state)).toMatchObject({ mode: "compute-controlled", reason: "met" });
  });

  test("each ScaleRequest of version 2 is answered, rounding and clamping said per resource", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1.1, 4096);
    rig.run(300);
    const [answer] = vm.framesOf("ScaleResponse");
    expect(answer?.["content"]).toEqual({
      outcome: "clamped",
      resources: {
        cpu: { outcome: "accepted", reason: "grid" },
        mem: { outcome: "clamped", reason: "bounds" },
      },
      permit: { cpu: 1.25, mem: 2560 * MIB },
    });
  });

  test("a size nobody can have is refused, and the level stays as it was", () => {
    const { rig, vm } = started();
    rig.wish(vm, 2, 1024);
    rig.run(1_500);
    rig.say(vm, { type: "ScaleRequest", target: { cpu: 2, mem: 2 ** 60 } });
    rig.run(1_500);
    expect(vm.framesOf("ScaleResponse").at(-1)?.["content"]).toMatchObject({
      outcome: "refused",
      resources: { mem: { outcome: "refused" }, cpu: { outcome: "accepted" } },
    });
    expect(vm.actual).toEqual(size(2, 1024));
  });

  test("a first wish that no VM can have in either resource is no level: nothing moves for it", () => {
    const { rig, vm } = started();
    vm.setDevice({ sizeBytes: 100 * MIB, requestedBytes: 100 * MIB }); // inside a cell
    rig.run(1_500);
    rig.say(vm, { type: "ScaleRequest", target: { cpu: 0, mem: -1 } });
    rig.run(12_000);
    expect(vm.framesOf("ScaleResponse").at(-1)?.["content"]).toMatchObject({
      outcome: "refused",
      resources: { mem: { outcome: "refused" }, cpu: { outcome: "refused" } },
    });
    expect(vm.memoryCommands).toEqual([]);
    expect(vm.notes).toContain("monitor-silent");
  });

  test("a first wish without a memory size takes nothing that the guest is still plugging", () => {
    const { rig, vm } = started();
    vm.setDevice({ sizeBytes: 0, requestedBytes: GIB }); // after a reset
    vm.pluggableBytes = 0;
    rig.run(1_500);
    rig.wish(vm, 2, 0);
    rig.run(30_000);
    expect(vm.actual.milliCpu).toBe(2_000);
    expect(vm.facts.memoryDevice?.requestedBytes).toBe(GIB);
  });

  test("a need that rises while plugging raises the same request", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 2048);
    rig.run(120);
    expect(vm.actual.memBytes).toBeLessThan(2 * GIB);
    rig.wish(vm, 1, 2560);
    rig.run(1_000);
    expect(vm.actual).toEqual(size(1, 2560));
  });

  test("a guest that plugs only part: what is there counts, the rest is tried again later", () => {
    const { rig, vm } = started();
    vm.pluggableBytes = 256 * MIB;
    rig.wish(vm, 1, 1024);
    rig.run(12_000);
    expect(vm.notes).toContain("resize-short");
    expect(vmStatus(vm.state).reason).toBe("stuck");
    vm.pluggableBytes = Infinity;
    rig.run(20_000);
    expect(vm.actual).toEqual(size(1, 1024));
    expect(vmStatus(vm.state).reason).toBe("met");
  });
});

describe("shrinking", () => {
  test("a consent is void when the level was raised above it while it was asked for", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 1024);
    rig.run(1_500);
    vm.monitor.consent = () => null; // answers by hand, below
    rig.wish(vm, 1, 512);
    rig.run(1_100);
    const asked = vm.framesOf("DownscaleRequest").at(-1);
    expect(asked?.["content"]).toEqual({ target: { cpu: 1, mem: 768 * MIB } });
    rig.wish(vm, 1, 896);
    rig.run(200);
    rig.say(vm, { type: "DownscaleResult", Ok: true, Status: "", id: asked?.id });
    rig.run(2_000);
    expect(vm.notes).toContain("consent-void");
    expect(vm.memoryCommands).toHaveLength(1); // the growth
    expect(vm.framesOf("DownscaleRequest").at(-1)?.["content"]).toEqual({
      target: { cpu: 1, mem: 896 * MIB },
    });
  });

  test("slice by slice, one consent each, never more than a slice below actual", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 2560);
    rig.run(2_000);
    rig.wish(vm, 1, 512);
    rig.run(60_000);
    expect(vm.actual).toEqual(size(1, 512));
    expect(vm.consents).toHaveLength(8);
    expect(deepestCommand(vm)).toBe(256 * MIB);
  });

  test("nothing is unplugged without a consent", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 1024);
    rig.run(2_000);
    vm.monitor.consent = () => ({ Ok: false, Status: "in use", reason: "memory" });
    rig.wish(vm, 1, 512);
    rig.run(60_000);
    expect(vm.actual).toEqual(size(1, 1024));
    // 5 s, 10 s, 20 s, 40 s: a refusal is normal, and not worth asking about all the time.
    expect(vm.framesOf("DownscaleRequest")).toHaveLength(4);
  });

  test("a monitor that does not answer is not a consent", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 1024);
    rig.run(2_000);
    vm.monitor.consent = () => null;
    rig.wish(vm, 1, 512);
    rig.run(30_000);
    expect(vm.actual).toEqual(size(1, 1024));
    expect(vm.notes).toContain("consent-failed");
  });

  test("after a refusal the lowest it would agree to is asked next", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 1024);
    rig.run(2_000);
    vm.monitor.consent = (target) =>
      target.mem >= 896 * MIB
        ? { Ok: true, Status: "ok" }
        : { Ok: false, Status: "in use", lowest: { cpu: 1, mem: 880 * MIB } };
    rig.wish(vm, 1, 512);
    rig.run(4_000);
    expect(vm.actual).toEqual(size(1, 896));
  });

  test("a guest that stops short is settled on what it gave, and held as it is", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 1536);
    rig.run(2_000);
    vm.unpluggableBytes = 640 * MIB;
    rig.wish(vm, 1, 512);
    rig.run(8_000);
    expect(vm.actual.memBytes).toBe((512 + 640) * MIB);
    expect(vm.facts.memoryDevice?.requestedBytes).toBe(640 * MIB);
    expect(vm.notes).toContain("settled");
  });

  test("a slice that creeps is settled after a quarter of a minute, though it moves", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 1024);
    rig.run(2_000);
    vm.unpluggableBytes = 512 * MIB;
    rig.wish(vm, 1, 512);
    let seconds = 0;
    for (; seconds < 60 && !vm.notes.includes("settled"); seconds += 1) {
      vm.unpluggableBytes -= 2 * MIB;
      rig.run(1_000);
    }
    expect(seconds).toBe(15);
  });

  test("memory that is still being plugged is not waited for when nobody wants it any more", () => {
    const { rig, vm } = started();
    vm.setDevice({ sizeBytes: 0, requestedBytes: GIB }); // after a reset
    vm.pluggableBytes = 0;
    rig.run(1_500);
    rig.wish(vm, 1, 512);
    rig.run(30_000);
    expect(vm.facts.memoryDevice?.requestedBytes).toBe(0);
  });

  test("a level that rises in mid-shrink undoes it at once", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 2560);
    rig.run(2_000);
    rig.wish(vm, 1, 512);
    rig.run(2_500);
    expect(vm.actual.memBytes).toBeLessThan(2560 * MIB);
    rig.wish(vm, 1, 2560, { reason: "memory-emergency" });
    rig.run(1_000);
    expect(vm.actual).toEqual(size(1, 2560));
  });

  test("a link that drops in mid-shrink settles and holds", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 2560);
    rig.run(2_000);
    rig.wish(vm, 1, 512);
    rig.run(1_500);
    rig.disconnect(vm);
    rig.run(30_000);
    const left = vm.actual.memBytes;
    expect(left).toBeGreaterThanOrEqual((2560 - 3 * 256) * MIB);
    expect(vm.facts.memoryDevice?.requestedBytes).toBe(left - 512 * MIB);
    expect(vmStatus(vm.state).mode).toBe("held");
  });

  test("a monitor is told the size before it is asked for any of it", () => {
    const rig = new Rig();
    const vm = rig.add({ bounds: bounds(size(1, 512), size(4, 1024)) });
    vm.setDevice({ sizeBytes: 1024 * MIB, requestedBytes: 1024 * MIB });
    rig.attach(vm);
    rig.run(2_000);
    rig.connect(vm);
    rig.run(2_000);
    const types = vm.frames.map(({ type }) => type ?? "range");
    expect(types.slice(0, 2)).toEqual(["range", "SizeReport"]);
    expect(types).toContain("DownscaleRequest");
  });

  test("an agent that finds a guest unplugging stops it first", () => {
    const rig = new Rig();
    const vm = rig.add();
    vm.setDevice({ sizeBytes: 1024 * MIB, requestedBytes: 768 * MIB });
    rig.attach(vm);
    rig.run(20_000);
    expect(vm.actual.memBytes).toBeGreaterThan((512 + 768) * MIB);
    expect(vm.facts.memoryDevice?.requestedBytes).toBe(vm.facts.memoryDevice?.sizeBytes);
  });
});

describe("CPU", () => {
  test("a quota in quarters, down by consent and without a limit cycle", () => {
    const { rig, vm } = started({ bounds: bounds(size(0.25, 512), size(4, 2560)) });
    rig.wish(vm, 0.25, 512);
    rig.run(10_000);
    expect(vm.actual).toEqual(size(0.25, 512));
    const asks = vm.framesOf("DownscaleRequest").length;
    rig.run(120_000);
    expect(vm.framesOf("DownscaleRequest")).toHaveLength(asks);
    expect(vm.actual).toEqual(size(0.25, 512));
  });

  test("a loan is repaid down to what it was lent from, not further without being asked", () => {
    const { rig, vm } = started({ bounds: bounds(size(0.25, 512), size(4, 2560)) });
    rig.wish(vm, 0.75, 1024);
    rig.run(4_000);
    expect(vm.actual).toEqual(size(0.75, 1024));
    // It gives memory back, and no CPU.
    const refused = { Ok: false, Status: "CPU is in use" };
    vm.monitor.consent = ({ mem }) =>
      mem < vm.actual.memBytes ? { Ok: true, Status: "" } : refused;
    rig.wish(vm, 0.25, 512);
    rig.run(30_000);
    expect(vm.actual).toEqual(size(0.75, 512));
  });

  test("a core that is wished for while memory goes is no loan: it is not taken without asking", () => {
    const few = { bounds: bounds(size(0.25, 512), size(4, 2560)) };
    const { rig, vm } = started(few, size(0.75, 8192));
    vm.facts = { ...vm.facts, quotaMilliCpu: 250 };
    rig.wish(vm, 0.25, 1536);
    rig.run(2_000);
    rig.wish(vm, 0.25, 512);
    rig.run(1_500);
    expect(vm.actual.milliCpu).toBe(750); // lent, as far as the node has it
    rig.wish(vm, 1, 512);
    rig.feed(vm, {
      kind: "permit-changed",
      permit: size(4, 2560),
      isNodeFull: false,
      recall: null,
      verdict: null,
      answers: vm.state.claims,
    });
    rig.run(60);
    expect(vm.state.memory.kind).not.toBe("idle");
    expect(vm.actual.milliCpu).toBe(1_000);
    vm.monitor.consent = ({ cpu }) =>
      cpu >= 1 ? { Ok: true, Status: "ok" } : { Ok: false, Status: "busy" };
    rig.run(20_000);
    expect(vm.actual.memBytes).toBe(512 * MIB);
    rig.wish(vm, 0.5, 512);
    rig.run(3_000);
    expect(vm.actual.milliCpu).toBe(1_000);
  });

  test("a fractional VM is lent a whole core while it unplugs, and gives it back", () => {
    const { rig, vm } = started({ bounds: bounds(size(0.25, 512), size(4, 2560)) });
    rig.wish(vm, 0.5, 1024);
    rig.run(3_000);
    expect(vm.actual).toEqual(size(0.5, 1024));
    rig.wish(vm, 0.5, 512);
    rig.run(1_500);
    expect(vm.actual.milliCpu).toBe(1000);
    rig.run(8_000);
    expect(vm.actual).toEqual(size(0.5, 512));
  });

  test("after the lowest was granted, the rest is asked for again", () => {
    const { rig, vm } = started({ bounds: bounds(size(0.25, 512), size(4, 2560)) });
    rig.wish(vm, 2, 512);
    rig.run(1_500);
    vm.monitor.consent = ({ cpu }) =>
      cpu >= 1
        ? { Ok: true, Status: "ok" }
        : { Ok: false, Status: "busy", lowest: { cpu: 1, mem: 512 * MIB } };
    rig.wish(vm, 0.5, 512);
    rig.run(3_000);
    expect(vm.actual.milliCpu).toBe(1_000);
    rig.run(20_000);
    vm.monitor.consent = () => ({ Ok: true, Status: "ok" });
    rig.run(60_000);
    expect(vm.actual.milliCpu).toBe(500);
  });

  test("a release to a fraction waits until nothing is throttled", () => {
    const { rig, vm } = started({ bounds: bounds(size(0.25, 512), size(4, 2560)) });
    vm.facts = { ...vm.facts, throttledShare: 0.2 };
    rig.run(1_100);
    rig.wish(vm, 0.5, 512);
    rig.run(10_000);
    expect(vm.actual.milliCpu).toBe(1000);
    vm.facts = { ...vm.facts, throttledShare: 0.01 };
    rig.run(3_000);
    expect(vm.actual.milliCpu).toBe(500);
  });

  test("without a cgroup a shrink is advice: the ladder shows it, capacity counts the vCPUs", () => {
    const { rig, vm } = started({ hasQuota: false });
    rig.wish(vm, 3, 512);
    rig.run(2_000);
    rig.wish(vm, 1, 512);
    rig.run(5_000);
    expect(vmStatus(vm.state)).toMatchObject({
      actual: size(3, 512),
      requested: size(1, 512),
      reason: "no-cpu-quota",
    });
    rig.wish(vm, 2, 512);
    rig.run(2_000);
    expect(vmStatus(vm.state).requested).toEqual(size(2, 512));
    const asks = vm.framesOf("DownscaleRequest").length;
    rig.run(60_000);
    expect(vm.framesOf("DownscaleRequest")).toHaveLength(asks);
  });

  test("a refused CPU shrink does not hold up growth", () => {
    const { rig, vm } = started();
    rig.wish(vm, 3, 512);
    rig.run(2_000);
    vm.monitor.consent = () => ({ Ok: false, Status: "in use" });
    rig.wish(vm, 1, 512);
    rig.run(4_000);
    expect(vm.notes).toContain("consent-refused");
    rig.wish(vm, 4, 512);
    rig.run(1_500);
    expect(vm.actual.milliCpu).toBe(4_000);
  });

  test("a QEMU without a limit is given the one it has", () => {
    const rig = new Rig();
    const vm = rig.add();
    vm.facts = { ...vm.facts, quotaMilliCpu: null, vcpusPlugged: 2 };
    rig.attach(vm);
    rig.run(1_000);
    expect(vm.facts.quotaMilliCpu).toBe(2000);
  });
});

describe("whose word counts", () => {
  test("a monitor of another VM changes nothing", () => {
    const rig = new Rig();
    const vm = rig.add();
    vm.monitor.uuid = "99999999-2222-3333-4444-555555555555";
    rig.attach(vm);
    rig.connect(vm);
    rig.wish(vm, 4, 2560);
    rig.run(10_000);
    expect(vm.actual).toEqual(size(1, 512));
    expect(vmStatus(vm.state)).toMatchObject({ reason: "stuck", link: { identity: "mismatched" } });
    expect(vm.framesOf("ScaleResponse").at(-1)?.["content"]).toMatchObject({ outcome: "deferred" });
  });

  test("without a UUID the monitor's view of memory must fit before it may shrink", () => {
    const { rig, vm } = started();
    rig.disconnect(vm);
    vm.monitor.uuid = null;
    vm.monitor.memBytes = 4 * GIB;
    rig.connect(vm);
    rig.wish(vm, 1, 1024);
    rig.run(2_000);
    expect(vm.actual).toEqual(size(1, 1024));
    rig.wish(vm, 1, 512);
    rig.run(10_000);
    expect(vm.actual).toEqual(size(1, 1024));
    expect(vm.notes).toContain("identity-unproven");
  });

  test("a view of memory that fits proves whose monitor it is", () => {
    const rig = new Rig();
    const vm = rig.add();
    vm.monitor = { ...vm.monitor, uuid: null, memBytes: 480 * MIB }; // the kernel keeps the rest
    rig.attach(vm);
    rig.connect(vm);
    expect(vmStatus(vm.state).link.identity).toBe("proven");
  });

  test("version 2 that never names a size is held, and says so", () => {
    const { rig, vm } = started();
    rig.run(15_000);
    expect(vmStatus(vm.state).mode).toBe("held");
    expect(vm.notes).toContain("monitor-silent");
  });

  test("version 1 with an unannounced ScaleRequest is compute-controlled, without answers", () => {
    const rig = new Rig();
    const vm = rig.add();
    vm.monitor.version = 1;
    rig.attach(vm);
    rig.connect(vm);
    rig.wish(vm, 2, 1024);
    rig.run(3_000);
    expect(vm.actual).toEqual(size(2, 1024));
    expect(vm.framesOf("ScaleResponse")).toHaveLength(0);
    expect(vm.framesOf("SizeReport")).toHaveLength(0);
  });

  test("version 1 with metrics: held at first, grown at once, shrunk only after a minute", () => {
    const rig = new Rig();
    const vm = rig.add({ hasMetrics: true });
    vm.monitor.version = 1;
    vm.setDevice({ sizeBytes: 1024 * MIB, requestedBytes: 1024 * MIB });
    rig.attach(vm);
    rig.connect(vm);
    const scrape = (load1: number) => {
      rig.feed(vm, {
        kind: "metrics-scraped",
        metrics: {
          system: {
            load1,
            load5: load1,
            memTotalBytes: 1480 * MIB,
            memUsageBytes: 200 * MIB,
            memCachedBytes: 0,
          },
          lfc: null,
        },
      });
      rig.run(5_000);
    };
    scrape(1.8);
    expect(vm.actual).toEqual(size(2, 2560)); // 8 units want 8 GiB: cut to the bounds
    for (let i = 0; i < 9; i += 1) scrape(0.1);
    expect(vm.actual).toEqual(size(2, 2560));
    for (let i = 0; i < 12; i += 1) scrape(0.1);
    expect(vm.actual).toEqual(size(1, 1024)); // one unit of memory, bounds.min of CPU
    expect(vmStatus(vm.state)).toMatchObject({ mode: "metrics-based" });
  });

  test("told to speak version 1 at most, it offers what a deployed agent does", () => {
    const rig = new Rig();
    const vm = rig.add({ protocolMax: 1 });
    vm.monitor.version = 1;
    rig.attach(vm);
    rig.connect(vm);
    rig.run(1_000);
    expect(vm.frames[0]).toEqual({ min: 1, max: 1 });
    expect(vmStatus(vm.state)).toMatchObject({ mode: "held", link: { state: "up", version: 1 } });
  });

  test("told to speak version 1 at most, it refuses a monitor that answers 2", () => {
    const rig = new Rig();
    const vm = rig.add({ protocolMax: 1 });
    vm.monitor.version = 2;
    rig.attach(vm);
    rig.connect(vm);
    const problem = "handshake reply: version 2 was not offered, only 1 to 1";
    expect(vmStatus(vm.state)).toMatchObject({
      mode: "held",
      link: { state: "down" },
      problems: [expect.stringContaining(problem)],
    });
  });

  test("version 1 without metrics is held, and its UpscaleRequest is honoured for ten seconds", () => {
    const rig = new Rig();
    const vm = rig.add();
    vm.monitor.version = 1;
    rig.attach(vm);
    rig.connect(vm);
    rig.run(1_000);
    rig.say(vm, { type: "UpscaleRequest" });
    rig.run(3_000);
    expect(vm.actual.memBytes).toBe(1024 * MIB);
    rig.run(120_000);
    expect(vm.actual.memBytes).toBe(1024 * MIB); // held: nothing says that it may shrink
  });
});

describe("when things go wrong", () => {
  test("a paused guest is not resized, and says why", () => {
    const { rig, vm } = started();
    vm.facts = { ...vm.facts, runState: "paused" };
    rig.run(1_100);
    rig.wish(vm, 1, 1024);
    rig.run(5_000);
    expect(vm.actual).toEqual(size(1, 512));
    expect(vmStatus(vm.state).reason).toBe("paused");
    vm.facts = { ...vm.facts, runState: "running" };
    rig.run(3_000);
    expect(vm.actual).toEqual(size(1, 1024));
  });

  test("a reset keeps what was requested, and counts it as held meanwhile", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 1536);
    rig.run(2_000);
    rig.disconnect(vm);
    vm.pluggableBytes = 0;
    vm.setDevice({ sizeBytes: 0 });
    rig.run(15_000);
    expect(vmStatus(vm.state).held).toEqual(size(1, 1536));
    expect(vm.facts.memoryDevice?.requestedBytes).toBe(1024 * MIB);
    vm.pluggableBytes = Infinity;
    rig.run(5_000);
    expect(vm.actual).toEqual(size(1, 1536));
  });

  test("another QEMU process: everything known of the old one is forgotten", () => {
    const { rig, vm } = started();
    rig.wish(vm, 2, 1536);
    rig.run(2_000);
    rig.lose(vm);
    vm.facts = { ...vm.facts, process: "qemu-2", quotaMilliCpu: 1000, vcpusPlugged: 1 };
    vm.setDevice({ sizeBytes: 0, requestedBytes: 0 });
    rig.run(5_000);
    rig.attach(vm);
    rig.run(5_000);
    expect(vm.notes).toContain("new-process");
    expect(vm.actual).toEqual(size(1, 512));
  });

  test("bounds cut below what it holds: down with consent only, above-max until then", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 2048);
    rig.run(2_000);
    vm.monitor.consent = () => ({ Ok: false, Status: "in use" });
    rig.feed(vm, { kind: "bounds-changed", bounds: bounds(size(1, 512), size(2, 1024)) });
    rig.run(10_000);
    expect(vm.actual).toEqual(size(1, 2048));
    expect(vmStatus(vm.state).reason).toBe("above-max");
    vm.monitor.consent = () => ({ Ok: true, Status: "ok" });
    rig.run(60_000);
    expect(vm.actual).toEqual(size(1, 1024));
  });

  test("bounds.max below base memory: the VM is left alone, with the reason", () => {
    const rig = new Rig();
    const vm = rig.add({ bounds: bounds(size(1, 128), size(2, 256)) });
    rig.attach(vm);
    rig.connect(vm);
    rig.wish(vm, 2, 256);
    rig.run(5_000);
    expect(vmStatus(vm.state).problems.join()).toContain("below the 512 MiB QEMU booted with");
    expect(vm.actual).toEqual(size(1, 512));
  });

  test("bounds.max raised above base memory: the VM is managed at once; cut below, it is left alone again", () => {
    const rig = new Rig();
    const vm = rig.add({ bounds: bounds(size(1, 128), size(2, 256)) });
    rig.attach(vm);
    rig.connect(vm);
    rig.wish(vm, 2, 1024);
    rig.run(2_000);
    expect(vm.actual).toEqual(size(1, 512));
    rig.feed(vm, { kind: "bounds-changed", bounds: bounds(size(1, 512), size(2, 1024)) });
    rig.run(2_000);
    expect(vm.actual).toEqual(size(2, 1024));
    rig.feed(vm, { kind: "bounds-changed", bounds: bounds(size(1, 128), size(2, 256)) });
    rig.run(60_000);
    expect(vmStatus(vm.state)).toMatchObject({ reason: "stuck", actual: size(2, 1024) });
  });

  test("a configuration read anew counts at once, keeps the link and asks the node anew", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 1024);
    rig.run(2_000);
    const sought: VmAction[] = [];
    vm.watch = (action) => {
      if (action.kind === "seek-permit") sought.push(action);
    };
    const { spec, timers } = vm.state;
    const changed = {
      spec: { ...spec, name: "other" },
      timers: { ...timers, healthCheckMs: 60_000 },
      sliceBytes: 128 * MIB,
    };
    rig.feed(vm, { kind: "spec-changed", ...changed });
    const claim = { want: size(1, 1024), held: size(1, 1024) };
    expect(sought).toMatchObject([{ kind: "seek-permit", claim }]);
    expect(vmStatus(vm.state)).toMatchObject({ name: "other", link: { state: "up" } });
    rig.wish(vm, 1, 512);
    rig.run(10_000);
    expect(vm.actual).toEqual(size(1, 512));
    expect(deepestCommand(vm)).toBe(128 * MIB);
  });

  test("a mute monitor under the operator's hold gets no blind step", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 512);
    rig.run(1_000);
    rig.feed(vm, { kind: "operator-paused", isPaused: true, until: null });
    vm.monitor.isMute = true;
    vm.facts = { ...vm.facts, cpuUsedMilli: 990 };
    rig.run(12_000);
    expect(vm.notes).not.toContain("blind-growth");
    expect(vm.memoryCommands).toEqual([]);
  });

  test("a mute monitor and a busy guest: one blind step, given back by consent only", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 512);
    rig.run(1_000);
    vm.monitor.isMute = true;
    vm.facts = { ...vm.facts, cpuUsedMilli: 990 };
    rig.run(12_000);
    expect(vm.notes.filter((reason) => reason === "blind-growth")).toHaveLength(1);
    expect(vm.actual).toEqual(size(1, 640));
    expect(vm.consents).toHaveLength(0);
  });

  test("a mute monitor that speaks again on the same link: the blind step is given back", () => {
    const { rig, vm } = started();
    rig.wish(vm, 1, 1024);
    rig.run(2_000);
    vm.monitor.isMute = true;
    vm.facts = { ...vm.facts, cpuUsedMilli: 1_000 };
    for (let i = 0; i < 30 && !vm.notes.includes("blind-growth"); i += 1) rig.run(500);
    vm.monitor.isMute = false;
    rig.run(1_000);
    expect(vm.actual.memBytes).toBe(1280 * MIB);
    rig.run(20_000);
    expect(vm.notes).not.toContain("link-down");
    expect(vm.actual.memBytes).toBe(1024 * MIB);
  });

  test("three health checks unanswered end the link", () => {
    const { rig, vm } = started();
    vm.monitor.isMute = true;
    rig.run(25_000);
    expect(vmStatus(vm.state).link.state).toBe("down");
    expect(vmStatus(vm.state).mode).toBe("held");
  });

  test("nonsense is answered, counted, and ends the link after twenty in a minute", () => {
    const { rig, vm } = started();
    for (let i = 0; i < 20; i += 1) rig.sayText(vm, "{ nonsense");
    expect(vm.framesOf("InvalidMessage")).toHaveLength(20);
    expect(vmStatus(vm.state).link.state).toBe("up");
    rig.sayText(vm, '{"type":"Riddle","id":3}');
    expect(vmStatus(vm.state).link.state).toBe("down");
    expect(vm.actual).toEqual(size(1, 512));
  });

  test("wishes faster than legal are coalesced to the last one", () => {
    const { rig, vm } = started();
    for (let mib = 512; mib <= 2048; mib += 128) rig.wish(vm, 1, mib);
    rig.run(1_500);
    expect(vm.actual).toEqual(size(1, 2048));
    expect(vm.framesOf("ScaleResponse").length).toBeLessThanOrEqual(3);
  });

  test("a full node gives part, and the rest when another VM shrinks", () => {
    const rig = new Rig(size(4, 3072));
    const [a, b] = [rig.add(), rig.add()];
    for (const vm of [a, b]) {
      rig.attach(vm);
      rig.connect(vm);
      rig.run(50);
    }
    a.monitor.consent = () => ({ Ok: false, Status: "in use" });
    rig.wish(a, 1, 2048);
    rig.run(2_000);
    rig.wish(b, 1, 2048);
    rig.run(2_000);
    expect(b.actual).toEqual(size(1, 1024));
    expect(vmStatus(b.state).reason).toBe("node-full");
    expect(b.framesOf("ScaleResponse").at(-1)?.["content"]).toMatchObject({
      outcome: "deferred",
      resources: { mem: { outcome: "deferred", reason: "node-full" } },
      permit: { mem: 1024 * MIB },
    });
    a.monitor.consent = () => ({ Ok: true, Status: "ok" });
    rig.wish(a, 1, 512);
    rig.run(20_000);
    expect(b.actual).toEqual(size(1, 2048));
  });

  test("two VMs on one node: who came first is asked for what is above its share, and nothing swings", () => {
    const rig = new Rig(size(4, 3072));
    const [a, b] = [rig.add(), rig.add()];
    for (const vm of [a, b]) {
      rig.attach(vm);
      rig.connect(vm);
      rig.run(50);
    }
    rig.wish(a, 1, 2560);
    rig.run(2_000);
    expect(a.actual).toEqual(size(1, 2560));
    rig.wish(b, 1, 2560);
    rig.run(1_000);
    expect(b.framesOf("ScaleResponse").at(-1)?.["content"]).not.toHaveProperty("etaMs");
    expect(vmStatus(b.state).verdict).toMatchObject({
      rule: "held-by-others",
      resource: "memory",
      holders: [{ vm: "vm-1", held: size(1, 2560), share: size(1, 1536) }],
    });
    expect(vmStatus(a.state).recall).toEqual(size(1, 1536));
    rig.run(20_000);
    expect([a.actual, b.actual]).toEqual([size(1, 1536), size(1, 1536)]);
    expect(a.consents.length).toBeGreaterThan(0);
    expect(vmStatus(a.state)).toMatchObject({ desired: size(1, 2560), recall: null });
    expect(vmStatus(b.state).verdict?.rule).toBe("fair-share");
    const told = [a.memoryCommands.length, b.memoryCommands.length];
    rig.run(60_000);
    expect([a.memoryCommands.length, b.memoryCommands.length]).toEqual(told);
  });

  test("a recall that is refused: the VM keeps it, and who waits is told by whom", () => {
    const rig = new Rig(size(4, 3072));
    const [a, b] = [rig.add(), rig.add()];
    for (const vm of [a, b]) {
      rig.attach(vm);
      rig.connect(vm);
      rig.run(50);
    }
    a.monitor.consent = () => ({ Ok: false, Status: "in use" });
    rig.wish(a, 1, 2560);
    rig.run(2_000);
    rig.wish(b, 1, 2560);
    rig.run(30_000);
    expect([a.actual, b.actual]).toEqual([size(1, 2560), size(1, 512)]);
    const asked = a.framesOf("DownscaleRequest").length;
    expect(asked).toBeGreaterThan(1);
    expect(asked).toBeLessThan(6); // with growing pauses
    const text = vmStatus(b.state).verdict?.text;
    expect(text).toContain("vm-1 holds 2560 MiB (share 1536 MiB)");
  });
});
