// What the machine does when somebody never answers, stands still, is reset, moved or reconfigured. In virtual time, against
// the scripted world of testing/rig.ts.
import { describe, expect, test } from "vitest";
import { vmStatus } from "./status.ts";
import { MIB, Rig, bounds, size, type RigVm } from "./testing/rig.ts";
import { AGENT_TIMERS, retryPauseMs } from "./timers.ts";

const WIDE = bounds(size(1, 512), size(4, 2560));

/** A VM whose monitor has named a size, and has it. */
function settledAt(cpu: number, mib: number, overrides: Parameters<Rig["add"]>[0] = {}) {
  const rig = new Rig(size(8, 16_384));
  const vm = rig.add(overrides);
  rig.attach(vm);
  rig.connect(vm);
  rig.run(50);
  rig.wish(vm, cpu, mib);
  rig.run(3_000);
  expect(vm.actual).toEqual(size(cpu, mib));
  return { rig, vm };
}

const requestedOf = (vm: RigVm): number => vm.facts.memoryDevice?.requestedBytes ?? 0;
const countOf = (vm: RigVm, reason: string): number =>
  vm.notes.filter((other) => other === reason).length;

describe("pauses between tries", () => {
  test("are spread by a fifth either way, each VM and each failure in its own way, always alike", () => {
    const shares = Array.from({ length: 200 }, (_, vm) => {
      const pause = retryPauseMs(1, AGENT_TIMERS, `vm-${vm} memory shrink`);
      expect(pause).toBe(retryPauseMs(1, AGENT_TIMERS, `vm-${vm} memory shrink`));
      return pause / AGENT_TIMERS.retryMinMs;
    });
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(0.8);
    expect(Math.max(...shares)).toBeLessThanOrEqual(1.2);
    expect(Math.min(...shares)).toBeLessThan(0.85);
    expect(Math.max(...shares)).toBeGreaterThan(1.15);
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(Math.abs(mean - 1)).toBeLessThan(0.03);
    const [first, second] = [1, 2].map((failures) => retryPauseMs(failures, AGENT_TIMERS, "vm-1"));
    expect((second ?? 0) / (first ?? 1)).not.toBe(2);
  });

  test("of growth and of shrinking do not mix: a refused shrink leaves growth its own count", () => {
    const { rig, vm } = settledAt(1, 1024);
    vm.monitor.consent = () => ({ Ok: false, Status: "in use" });
    vm.pluggableBytes = 512 * MIB;
    rig.wish(vm, 1, 2048);
    rig.run(11_000); // fell short, waits
    expect(countOf(vm, "resize-short")).toBe(1);
    rig.wish(vm, 1, 512);
    rig.run(1_200); // refused
    expect(countOf(vm, "consent-refused")).toBe(1);
    const told = vm.memoryCommands.length;
    rig.wish(vm, 1, 2048);
    rig.run(200);
    expect(vm.memoryCommands.length - told).toBe(0); // the same need waits for its pause still
    expect(vm.state.memoryPace.growth.failures).toBe(1);
    expect(vm.state.memoryPace.shrink.failures).toBe(1);
  });

  test("begin anew after success, and after a long time without a try", () => {
    const { rig, vm } = settledAt(1, 1024);
    vm.monitor.consent = () => ({ Ok: false, Status: "in use" });
    rig.wish(vm, 1, 512);
    rig.run(40_000);
    expect(vm.state.memoryPace.shrink.failures).toBe(4);
    rig.wish(vm, 1, 1024);
    rig.run(2 * AGENT_TIMERS.retryMaxMs);
    rig.wish(vm, 1, 512);
    rig.run(1_200);
    expect(vm.state.memoryPace.shrink.failures).toBe(1);
    vm.monitor.consent = () => ({ Ok: true, Status: "ok" });
    rig.run(20_000);
    expect(vm.actual).toEqual(size(1, 512));
    expect(vm.state.memoryPace.shrink.failures).toBe(0);
  });
});

describe("somebody never answers", () => {
  test("a command that never settles is given up, and holds up no later shrink", () => {
    const { rig, vm } = settledAt(1, 1024);
    vm.answers.commands = false;
    rig.wish(vm, 1, 1536);
    rig.run(2_000);
    expect(vm.actual).toEqual(size(1, 1536));
    vm.answers.commands = true;
    rig.wish(vm, 1, 512);
    rig.run(AGENT_TIMERS.commandMs + 20_000);
    expect(vm.notes).toContain("command-lost");
    expect(vm.actual).toEqual(size(1, 512));
  });

  test("a look at QEMU that never returns is taken again, and meanwhile nothing is taken from the VM", () => {
    const { rig, vm } = settledAt(1, 2048);
    vm.answers.looks = false;
    rig.run(AGENT_TIMERS.observeIdleMs + AGENT_TIMERS.observeMs + 2_000);
    expect(vm.notes).toContain("look-lost");
    rig.wish(vm, 1, 512);
    rig.run(10_000);
    expect(vm.consents).toEqual([]);
    expect(vmStatus(vm.state).waitsFor.join()).toContain("QEMU has not been read for a while");
    vm.answers.looks = true;
    rig.run(40_000);
    expect(vm.actual).toEqual(size(1, 512));
  });

  test("a permit that never comes is asked for again, and the monitor hears that nothing is promised", () => {
    const { rig, vm } = settledAt(1, 1024);
    vm.answers.permits = false;
    rig.wish(vm, 1, 2048);
    rig.run(1_500);
    expect(vm.framesOf("ScaleResponse").at(-1)?.["content"]).toMatchObject({
      outcome: "deferred",
      resources: { mem: { reason: "stuck" } },
    });
    expect(countOf(vm, "permit-late")).toBe(1);
    rig.run(10_000);
    expect(countOf(vm, "permit-late")).toBe(1); // said once
    expect(vm.actual).toEqual(size(1, 1024));
    vm.answers.permits = true;
    rig.run(3_000);
    expect(vm.actual).toEqual(size(1, 2048));
  });

  test("a question that nobody answers ends, and is asked again after a pause", () => {
    const { rig, vm } = settledAt(1, 1024);
    vm.monitor.consent = () => null;
    rig.wish(vm, 1, 512);
    rig.run(7_000);
    expect(countOf(vm, "consent-failed")).toBe(1);
    vm.monitor.consent = () => ({ Ok: true, Status: "ok" });
    rig.run(15_000);
    expect(vm.actual).toEqual(size(1, 512));
  });
});

describe("a shrink is undone when the guest comes under pressure", () => {
  test("a wish that rises while the slice is only agreed: nothing is unplugged", () => {
    const { rig, vm } = settledAt(1, 1024);
    // The consent and the new need arrive together.
    const before = vm.memoryCommands.length;
    vm.monitor.consent = () => null;
    rig.wish(vm, 1, 512);
    rig.run(1_100);
    const ask = vm.framesOf("DownscaleRequest").at(-1);
    rig.wish(vm, 1, 1536);
    rig.say(vm, { type: "DownscaleResult", Ok: true, Status: "", id: ask?.id });
    rig.run(1_500);
    expect(vm.memoryCommands.slice(before).map((told) => told.requestedBytes)).toEqual([
      1536 * MIB,
    ]);
  });

  test("a wish that rises while it settles grows at once, whatever QEMU says about settling", () => {
    const { rig, vm } = settledAt(1, 2048);
    rig.wish(vm, 1, 512);
    rig.run(1_500);
    expect(vm.state.memory.kind).toBe("shrinking");
    vm.answers = { ...vm.answers, commands: false, looks: false };
    rig.disconnect(vm); // so it settles, and nobody says that it has
    expect(vm.state.memory.kind).toBe("settling");
    rig.connect(vm);
    rig.wish(vm, 1, 2560);
    const wishedAt = rig.now;
    rig.run(300);
    const growth = vm.memoryCommands.find((told) => told.requestedBytes === 2560 * MIB);
    expect((growth?.at ?? Infinity) - wishedAt).toBeLessThanOrEqual(200);
  });

  test("UpscaleRequest of a version-1 monitor that also names sizes stops it, and holds for ten seconds", () => {
    const rig = new Rig(size(8, 16_384));
    const vm = rig.add();
    vm.monitor = { ...vm.monitor, version: 1, memBytes: 512 * MIB };
    vm.facts = { ...vm.facts, uuid: null };
    rig.attach(vm);
    rig.connect(vm);
    rig.run(50);
    vm.state = { ...vm.state, monitorMemBytes: 512 * MIB }; // as its metrics would show
    rig.wish(vm, 1, 2048);
    rig.run(2_000);
    rig.wish(vm, 1, 512);
    rig.run(1_500);
    expect(vm.state.memory.kind).toBe("shrinking");
    const held = vm.actual.memBytes;
    rig.say(vm, { type: "UpscaleRequest" });
    rig.run(200);
    expect(requestedOf(vm)).toBe(vm.actual.memBytes - 512 * MIB);
    rig.run(8_000);
    expect(vm.actual.memBytes).toBe(held);
    rig.run(30_000);
    expect(vm.actual).toEqual(size(1, 512));
  });

  test("UpscaleRequest of a version-1 VM without sizes plugs it back, and more", () => {
    const rig = new Rig(size(8, 16_384));
    const vm = rig.add({ hasMetrics: true });
    vm.monitor.version = 1;
    vm.setDevice({ sizeBytes: 1536 * MIB, requestedBytes: 1536 * MIB });
    rig.attach(vm);
    rig.connect(vm);
    const system = {
      load1: 0.1,
      load5: 0.1,
      memTotalBytes: 2000 * MIB,
      memUsageBytes: 200 * MIB,
      memCachedBytes: 0,
    };
    const scrape = (): void => {
      rig.feed(vm, { kind: "metrics-scraped", metrics: { system, lfc: null } });
      rig.run(500);
    };
    for (let i = 0; i < 300 && vm.state.memory.kind !== "shrinking"; i += 1) scrape();
    expect(vm.state.memory.kind).toBe("shrinking");
    rig.run(500);
    const before = vm.actual.memBytes;
    rig.say(vm, { type: "UpscaleRequest" });
    rig.run(1_000);
    expect(vm.actual.memBytes).toBeGreaterThan(before);
  });

  test("a monitor that falls mute in mid-shrink, and a busy guest: what it had comes back", () => {
    const { rig, vm } = settledAt(1, 2048);
    vm.unpluggableBytes = 1400 * MIB; // it creeps, and so goes on
    rig.wish(vm, 1, 512);
    rig.run(1_600);
    vm.monitor.isMute = true;
    vm.facts = { ...vm.facts, cpuUsedMilli: 1_000 };
    let least = vm.actual.memBytes;
    for (let i = 0; i < 40 && !vm.notes.includes("blind-growth"); i += 1) {
      vm.unpluggableBytes -= 2 * MIB;
      least = vm.actual.memBytes;
      rig.run(250);
    }
    rig.run(1_000);
    expect(least).toBeLessThan(2048 * MIB);
    expect(vm.actual.memBytes).toBeGreaterThanOrEqual(Math.min(1.25 * least, 2560 * MIB));
  });
});

describe("a stuck shrink", () => {
  test("is begun anew once, with another consent, then left with its reason and the time of the next try", () => {
    const { rig, vm } = settledAt(1, 1024);
    vm.unpluggableBytes = 512 * MIB;
    rig.wish(vm, 1, 512);
    rig.run(9_000);
    expect(countOf(vm, "shrink-kicked")).toBe(1);
    expect(countOf(vm, "resize-short")).toBe(1);
    expect(vm.consents).toHaveLength(2);
    expect(requestedOf(vm)).toBe(512 * MIB);
    const status = vmStatus(vm.state);
    expect(status.stuck).toMatchObject([
      {
        resource: "memory",
        direction: "shrink",
        failures: 1,
        problem: expect.any(String) as string,
      },
    ]);
    const [stuck] = status.stuck;
    expect(stuck?.retryInMs).toBeGreaterThan(0);
    expect(status.waitsFor.join()).toMatch(
      /memory to shrink to 512 MiB: the guest gave back 0 MiB of 256 MiB; stuck for \d+ s, tried once, again in \d+ s/,
    );
    rig.run(30_000);
    expect(countOf(vm, "shrink-kicked")).toBe(1); // not each time
    vm.unpluggableBytes = 0;
    rig.run(60_000);
    expect(vm.actual).toEqual(size(1, 512));
    expect(vmStatus(vm.state).stuck).toEqual([]);
  });

  test("that is no longer wanted is no longer shown", () => {
    const { rig, vm } = settledAt(1, 1024);
    vm.unpluggableBytes = 512 * MIB;
    rig.wish(vm, 1, 512);
    rig.run(9_000);
    rig.wish(vm, 1, 1024);
    rig.run(500);
    expect(vmStatus(vm.state)).toMatchObject({ stuck: [], waitsFor: [], problems: [] });
  });
});

describe("a reset of the guest", () => {
  test("in mid-shrink keeps what was requested, forgets who spoke for it, and tells of no lost memory", () => {
    const { rig, vm } = settledAt(1, 2048);
    rig.wish(vm, 1, 512);
    rig.run(1_500);
    expect(vm.state.memory.kind).toBe("shrinking");
    const requested = requestedOf(vm);
    const notified = vm.framesOf("UpscaleNotification").length;
    vm.pluggableBytes = 0;
    vm.setDevice({ sizeBytes: 0 });
    rig.run(100);
    expect(vm.notes).toContain("guest-reset");
    expect(vmStatus(vm.state).link.state).toBe("down");
    rig.run(7_000);
    expect(requestedOf(vm)).toBe(requested);
    expect(vmStatus(vm.state).held?.memBytes).toBe(512 * MIB + requested);
    vm.pluggableBytes = Infinity;
    rig.run(3_000);
    expect(vm.actual.memBytes).toBe(512 * MIB + requested);
    expect(vm.framesOf("UpscaleNotification")).toHaveLength(notified);
    rig.connect(vm);
    rig.wish(vm, 1, 512);
    rig.run(20_000);
    expect(vm.actual).toEqual(size(1, 512));
  });
});

describe("QEMU does not run the guest", () => {
  test.for<[string, string]>([
    ["paused", "it is paused"],
    ["finish-migrate", "it is being migrated away"],
    ["postmigrate", "it was migrated away"],
    ["inmigrate", "it is being migrated here"],
    ["guest-panicked", "its kernel panicked"],
    ["next-years-word", "it does not run"],
  ])("%s: nothing is told, in mid-shrink and after; why is shown", ([runState, why]) => {
    const { rig, vm } = settledAt(2, 2048);
    rig.wish(vm, 1, 512);
    rig.run(1_500);
    expect(vm.state.memory.kind).toBe("shrinking");
    vm.facts = { ...vm.facts, runState };
    rig.run(100);
    const told = vm.memoryCommands.length;
    rig.wish(vm, 3, 2560);
    rig.run(20_000);
    rig.wish(vm, 1, 512);
    rig.run(20_000);
    expect(vm.memoryCommands).toHaveLength(told);
    expect(countOf(vm, "vm-stopped")).toBe(1);
    const status = vmStatus(vm.state);
    expect(status.reason).toBe("paused");
    expect(status.problems.join()).toContain(why);
    vm.facts = { ...vm.facts, runState: "running" };
    rig.run(60_000);
    expect(vm.notes).toContain("vm-running");
    expect(vm.actual).toEqual(size(1, 512));
  });

  test("paused in the middle of unplugging: it is settled while it stands still", () => {
    const { rig, vm } = settledAt(1, 2048);
    rig.wish(vm, 1, 512);
    rig.run(1_500);
    expect(vm.state.memory.kind).toBe("shrinking");
    vm.facts = { ...vm.facts, runState: "paused" };
    rig.run(1_100);
    expect(vm.notes.at(-1)).toBe("settled");
  });

  test("migrated away and back into another QEMU: sizes are read anew, and nothing old counts", () => {
    const { rig, vm } = settledAt(1, 2048);
    vm.facts = { ...vm.facts, runState: "postmigrate" };
    rig.run(2_000);
    rig.lose(vm);
    rig.disconnect(vm);
    rig.run(30_000);
    vm.facts = { ...vm.facts, process: "qemu-2", runState: "inmigrate" };
    vm.setDevice({ sizeBytes: 1024 * MIB, requestedBytes: 1024 * MIB });
    rig.attach(vm);
    const told = vm.memoryCommands.length;
    rig.run(10_000);
    vm.facts = { ...vm.facts, runState: "running" };
    rig.run(10_000);
    expect(vm.memoryCommands).toHaveLength(told);
    expect(vmStatus(vm.state)).toMatchObject({ mode: "held", actual: size(1, 1536) });
  });
});

test("the same VM behind another name after a reload: it is held as it is until its monitor speaks", () => {
  const { rig, vm } = settledAt(2, 1536);
  const renamed = new Rig(size(8, 16_384));
  renamed.now = rig.now;
  const other = renamed.add({ name: "renamed" });
  other.facts = vm.facts;
  renamed.attach(other);
  renamed.run(30_000);
  expect(other.memoryCommands).toEqual([]);
  expect(other.actual).toEqual(size(2, 1536));
  renamed.connect(other);
  renamed.wish(other, 1, 512);
  renamed.run(30_000);
  expect(other.actual).toEqual(size(1, 512));
});

test("a version-1 VM that names sizes is proven by its metrics, and then shrinks", () => {
  const rig = new Rig(size(8, 16_384));
  const vm = rig.add({ hasMetrics: true });
  vm.monitor.version = 1;
  vm.monitor.uuid = null;
  const scrapes: boolean[] = [];
  vm.watch = (action) => {
    if (action.kind === "scrape") scrapes.push(action.isWanted);
  };
  rig.attach(vm);
  rig.connect(vm);
  rig.wish(vm, 1, 1024);
  rig.run(2_000);
  rig.wish(vm, 1, 512);
  rig.run(3_000);
  expect(vm.actual).toEqual(size(1, 1024));
  expect(scrapes).toEqual([true]);
  const sizes = { memTotalBytes: 1000 * MIB, memUsageBytes: 200 * MIB, memCachedBytes: 0 };
  const system = { load1: 0.1, load5: 0.1, ...sizes };
  rig.feed(vm, { kind: "metrics-scraped", metrics: { system, lfc: null } });
  rig.run(10_000);
  expect(vm.actual).toEqual(size(1, 512));
  expect(scrapes).toEqual([true, false]); // no further use
});

test("a question about memory names the CPUs that the guest agreed to use, not those that are plugged", () => {
  const { rig, vm } = settledAt(3, 1024, { hasQuota: false });
  rig.wish(vm, 1, 1024);
  rig.run(2_000);
  expect(vm.state.advisedMilli).toBe(1_000);
  rig.wish(vm, 1, 512);
  rig.run(1_500);
  expect(vm.framesOf("DownscaleRequest").at(-1)?.["content"]).toMatchObject({ target: { cpu: 1 } });
});

test("a question that was given up is still a question: no other is asked before it is answered or failed", () => {
  const { rig, vm } = settledAt(3, 512);
  vm.monitor.consent = () => null;
  const from = rig.now;
  for (let i = 0; i < 8; i += 1) {
    rig.wish(vm, i % 2 === 0 ? 1 : 3, 512);
    rig.run(1_000);
  }
  const asked = vm.framesOf("DownscaleRequest").length;
  expect(asked).toBeLessThanOrEqual(1 + (rig.now - from) / AGENT_TIMERS.requestMs);
});

describe("bounds changed live", () => {
  test("below what it holds, and nobody to ask: it says what it waits for", () => {
    const { rig, vm } = settledAt(3, 2048);
    rig.disconnect(vm);
    rig.feed(vm, { kind: "bounds-changed", bounds: bounds(size(1, 512), size(2, 1024)) });
    rig.run(10_000);
    expect(vm.actual).toEqual(size(3, 2048));
    expect(vmStatus(vm.state)).toMatchObject({
      reason: "above-max",
      waitsFor: [
        "memory to shrink to 1024 MiB: no monitor to ask",
        "cpu to shrink to 2 vCPU: no monitor to ask",
      ],
    });
  });

  test("CPU above its new bound is above-max too", () => {
    const { rig, vm } = settledAt(3, 512);
    vm.monitor.consent = () => ({ Ok: false, Status: "busy" });
    rig.feed(vm, { kind: "bounds-changed", bounds: bounds(size(1, 512), size(2, 2560)) });
    rig.run(3_000);
    expect(vm.actual).toEqual(size(3, 512));
    const status = vmStatus(vm.state);
    expect(status.reason).toBe("above-max");
    expect(status.waitsFor.join()).toContain("cpu to shrink to 2 vCPU: the monitor refused");
  });

  test("min raised above what it has: it grows at once, also without a monitor", () => {
    const { rig, vm } = settledAt(1, 512);
    rig.disconnect(vm);
    rig.feed(vm, { kind: "bounds-changed", bounds: bounds(size(2, 1024), size(4, 2560)) });
    rig.run(500);
    expect(vm.actual).toEqual(size(2, 1024));
  });

  test("bounds that can't work are refused as at a start, and may work again later", () => {
    const { rig, vm } = settledAt(1, 1024);
    rig.feed(vm, { kind: "bounds-changed", bounds: bounds(size(1, 128), size(4, 256)) });
    expect(vm.notes).toContain("vm-refused");
    expect(vmStatus(vm.state).problems.join()).toContain("below the 512 MiB QEMU booted with");
    rig.wish(vm, 1, 2048);
    rig.run(3_000);
    expect(vm.actual).toEqual(size(1, 1024));
    rig.feed(vm, { kind: "bounds-changed", bounds: WIDE });
    rig.run(3_000);
    expect(vm.actual).toEqual(size(1, 2048));
    expect(vmStatus(vm.state).problems).toEqual([]);
  });

  test("raised bounds give what was wished for all the time", () => {
    const { rig, vm } = settledAt(1, 1024, { bounds: bounds(size(1, 512), size(4, 1024)) });
    rig.wish(vm, 1, 2048);
    rig.run(1_500);
    expect(vmStatus(vm.state).reason).toBe("bounds");
    rig.feed(vm, { kind: "bounds-changed", bounds: WIDE });
    rig.run(1_500);
    expect(vm.actual).toEqual(size(1, 2048));
  });
});

describe("the agent stood still", () => {
  /** A slice was asked for; then nothing of the agent ran. */
  function askedThenStill(ms: number) {
    const { rig, vm } = settledAt(1, 2048);
    vm.monitor.consent = () => null;
    rig.wish(vm, 1, 512);
    rig.run(1_100);
    const ask = vm.framesOf("DownscaleRequest").at(-1);
    rig.standStill(ms);
    return { rig, vm, ask };
  }

  test("an agreement that lay in the socket all the time is none", () => {
    for (const ms of [6_000, 600_000]) {
      const { rig, vm, ask } = askedThenStill(ms);
      const told = vm.memoryCommands.length;
      rig.say(vm, { type: "DownscaleResult", Ok: true, Status: "", id: ask?.id });
      rig.run(0);
      expect(vm.memoryCommands).toHaveLength(told);
    }
  });

  test("all deadlines over at once: one health check, one look, no shrink, and the link lives", () => {
    const { rig, vm } = askedThenStill(600_000);
    const [frames, told] = [vm.frames.length, vm.memoryCommands.length];
    vm.monitor.isMute = true; // what it says next is on its way
    rig.feed(vm, { kind: "tick" });
    expect(vm.notes.filter((reason) => reason === "stood-still")).toHaveLength(1);
    expect(vm.frames.slice(frames).map(({ type }) => type)).toEqual(["HealthCheck", "SizeReport"]);
    expect(vm.memoryCommands).toHaveLength(told);
    expect(vmStatus(vm.state).link.state).toBe("up");
    expect(vm.notes).not.toContain("blind-growth");
    // Old words come out of the socket: they change the level, and take nothing.
    rig.wish(vm, 1, 512);
    rig.run(2_000);
    expect(vm.consents).toEqual([]);
    expect(vmStatus(vm.state).waitsFor.join()).toContain("the agent stood still");
    vm.monitor.isMute = false;
    vm.monitor.consent = () => ({ Ok: true, Status: "ok" });
    rig.run(60_000);
    expect(vm.actual).toEqual(size(1, 512));
  });

  test("in mid-shrink it settles, whatever the guest did meanwhile", () => {
    const { rig, vm } = settledAt(1, 2048);
    rig.wish(vm, 1, 512);
    rig.run(1_500);
    expect(vm.state.memory.kind).toBe("shrinking");
    rig.standStill(600_000);
    vm.monitor.isMute = true;
    rig.feed(vm, { kind: "tick" });
    rig.run(500);
    expect(requestedOf(vm)).toBeGreaterThanOrEqual(vm.actual.memBytes - 512 * MIB);
    const taken = vm.consents.length;
    rig.run(5_000);
    expect(vm.consents).toHaveLength(taken);
  });

  test("in mid-growth it goes on, and nothing failed", () => {
    const { rig, vm } = settledAt(1, 512);
    rig.wish(vm, 1, 2560);
    rig.run(30);
    expect(vm.state.memory.kind).toBe("growing");
    rig.standStill(600_000);
    rig.run(2_000);
    expect(vm.notes).not.toContain("resize-short");
    expect(vm.actual).toEqual(size(1, 2560));
  });
});

describe("a hostile monitor", () => {
  test("that alternates wishes is resized a bounded number of times a minute", () => {
    const { rig, vm } = settledAt(1, 512);
    const quotas: number[] = [];
    const cpuBefore = vm.watch;
    vm.watch = (action) => {
      cpuBefore(action);
      if (action.kind === "set-quota") quotas.push(action.milliCpu);
    };
    const before = vm.memoryCommands.length;
    for (let i = 0; i < 600; i += 1) {
      const isUp = i % 2 === 0;
      rig.wish(vm, isUp ? 4 : 1, isUp ? 512 : 2560);
      rig.run(500);
    }
    const minutes = 5;
    // Turns: six at once and six a minute; each is a growth and a few slices.
    expect(quotas.length).toBeLessThan(2 * (6 + 6 * minutes) + 10);
    expect(vm.memoryCommands.length - before).toBeLessThan(6 * (6 + 6 * minutes));
    expect(vm.notes).toContain("resize-limited");
    expect(vmStatus(vm.state).limited.resizes).toBeGreaterThan(5);
    expect(countOf(vm, "resize-limited")).toBeLessThan(6 * minutes * 2 + 12);
    // It only hurt itself: need that is real is met at once.
    rig.wish(vm, 4, 2560);
    rig.run(2_000);
    expect(vm.actual).toEqual(size(4, 2560));
  });

  test("of ours at its legal rate upward is never held up", () => {
    const rig = new Rig(size(8, 64 * 1024));
    const vm = rig.add({ bounds: bounds(size(1, 512), size(4, 2560)) });
    rig.attach(vm);
    rig.connect(vm);
    rig.run(50);
    for (let mib = 640; mib <= 2560; mib += 128) {
      rig.wish(vm, 1, mib);
      rig.run(100);
      expect(vm.state.want?.memBytes).toBe(mib * MIB);
    }
    rig.run(1_000);
    expect(vm.actual).toEqual(size(1, 2560));
    expect(vm.notes).not.toContain("resize-limited");
    expect(vmStatus(vm.state).limited).toEqual({});
  });

  test.for([
    ["InvalidMessage", { type: "InvalidMessage", error: "you" }],
    ["InternalError", { type: "InternalError", error: "you" }],
  ])(
    "that floods with %s is not listened to: no notes, no answers, no growth of state",
    ([kind, message]) => {
      const { rig, vm } = settledAt(1, 512);
      const frames = vm.frames.length;
      for (let i = 0; i < 2_000; i += 1) {
        rig.say(vm, { ...(message as object), id: 1 });
        if (i % 50 === 0) rig.run(1);
      }
      expect(countOf(vm, "peer-mistake")).toBeLessThanOrEqual(101);
      expect(countOf(vm, "messages-limited")).toBe(1);
      expect(vmStatus(vm.state).limited).toMatchObject({
        [kind as string]: expect.any(Number) as number,
      });
      expect(vm.frames.length - frames).toBeLessThan(5);
      expect(JSON.stringify(vm.state).length).toBeLessThan(8_000);
      expect(vmStatus(vm.state).link.state).toBe("up");
    },
  );

  test("that floods with UpscaleRequest is honoured once a second", () => {
    const rig = new Rig(size(8, 16_384));
    const vm = rig.add();
    vm.monitor.version = 1;
    rig.attach(vm);
    rig.connect(vm);
    rig.run(1_000);
    for (let i = 0; i < 100; i += 1) {
      for (let j = 0; j < 5; j += 1) rig.say(vm, { type: "UpscaleRequest" });
      rig.run(100);
    }
    expect(countOf(vm, "upscale-requested")).toBeLessThanOrEqual(10 + 10 + 1);
    expect(vmStatus(vm.state).limited.UpscaleRequest).toBeGreaterThan(400);
  });

  test("gets no new allowance by connecting anew", () => {
    const { rig, vm } = settledAt(1, 512);
    for (let i = 0; i < 20; i += 1) {
      for (let j = 0; j < 50; j += 1) rig.say(vm, { type: "InternalError", error: "you", id: 1 });
      rig.disconnect(vm);
      rig.connect(vm);
    }
    expect(countOf(vm, "peer-mistake")).toBeLessThanOrEqual(101);
  });

  test("that sends nonsense is counted where operators see it", () => {
    const { rig, vm } = settledAt(1, 512);
    for (let i = 0; i < 25; i += 1) rig.sayText(vm, "{ nonsense");
    expect(vmStatus(vm.state).limited.nonsense).toBe(1);
    expect(vm.notes).toContain("messages-limited");
  });
});
