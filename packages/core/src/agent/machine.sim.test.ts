// Seeded worlds: three VMs on one node, monitors, guests and QEMUs that misbehave by the seed, then heal.
// Safety at every step, watched from outside with own books; liveness at the end. Replay one with SEED=17.
import { expect, test } from "vitest";
import { Random } from "./testing/random.ts";
import { GIB, MIB, Rig, size, type RigVm } from "./testing/rig.ts";

const SLICE_BYTES = 256 * MIB;
/** Memory is short for three; vCPUs that were plugged without a quota never come back. */
const CAPACITY = size(12, 4096);
const seeds =
  process.env["SEED"] === undefined
    ? Array.from({ length: 120 }, (_, index) => index + 1)
    : [Number(process.env["SEED"])];

test.for(seeds)("stays safe, then converges, SEED=%i", (seed) => {
  const random = new Random(seed);
  const rig = new Rig(CAPACITY);
  const vms = [rig.add(), rig.add({ hasQuota: random.chance(0.5) }), rig.add()];
  const seen = vms.map(() => 0);
  for (const vm of vms) {
    rig.attach(vm);
    rig.connect(vm);
  }

  for (let round = 0; round < 120; round += 1) {
    for (const vm of vms) if (random.chance(0.3)) misbehave(rig, vm, random);
    rig.run(random.between(1, 2_000));
    vms.forEach((vm, index) => (seen[index] = checkCommands(vm, seen[index] ?? 0)));
    checkCapacity(vms);
  }

  for (const vm of vms) heal(rig, vm);
  rig.run(1_000);
  const wishes = [size(2, 1024), size(2, 1280), size(1, 1536)];
  vms.forEach((vm, index) => wish(rig, vm, wishes[index] ?? size(1, 512)));
  const ticksBefore = rig.ticks;
  rig.run(400_000); // past the longest back-off, of five minutes
  // A machine that asks to be woken for nothing burns a core in production.
  expect(rig.ticks - ticksBefore).toBeLessThan(400 * vms.length * 10);
  vms.forEach((vm, index) => {
    const want = wishes[index];
    expect(vm.actual.memBytes).toBe(want?.memBytes);
    const used = vm.state.spec.hasQuota ? vm.actual.milliCpu : vm.state.advisedMilli;
    expect(used ?? vm.actual.milliCpu).toBe(want?.milliCpu);
  });
});

/** One thing that goes wrong, or just happens. */
function misbehave(rig: Rig, vm: RigVm, random: Random): void {
  const whims: (() => void)[] = [
    () => wish(rig, vm, size(random.between(1, 16) / 4, random.between(4, 20) * 128)),
    () => wish(rig, vm, size(random.between(1, 16) / 4, random.between(4, 20) * 128)),
    () => rig.disconnect(vm),
    () => rig.connect(vm),
    () => (vm.unpluggableBytes = random.pick([0, 0.5, 1, 2]) * GIB),
    () => (vm.pluggableBytes = random.pick([0, 0.5, Infinity]) * GIB || 0),
    () => (vm.monitor.isMute = random.chance(0.5)),
    () => (vm.monitor.consent = random.pick(CONSENTS)),
    () => (vm.facts = { ...vm.facts, runState: random.pick(["running", "running", "paused"]) }),
    () => (vm.facts = { ...vm.facts, cpuUsedMilli: random.between(0, 4_000) }),
    () => vm.setDevice({ sizeBytes: 0 }), // a reset
    () => rig.lose(vm),
    () => rig.attach(vm),
    () => rig.sayText(vm, random.pick(NONSENSE)),
    () => restartQemu(rig, vm),
  ];
  random.pick(whims)();
}

const CONSENTS: RigVm["monitor"]["consent"][] = [
  () => ({ Ok: true, Status: "ok" }),
  () => ({ Ok: true, Status: "ok" }),
  () => ({ Ok: false, Status: "in use" }),
  () => ({ Ok: false, Status: "in use", lowest: { cpu: 1, mem: 1024 * MIB } }),
  () => null,
];

const NONSENSE = [
  "{",
  "[]",
  '{"type":"DownscaleResult","Ok":true,"Status":"forged","id":2}',
  '{"type":"UpscaleConfirmation","id":4}',
  '{"type":"HealthCheck","id":1e9}',
  '{"type":"ScaleRequest","target":{"cpu":-1,"mem":0},"id":3}',
  '{"type":"UpscaleRequest","id":5}',
];

function wish(rig: Rig, vm: RigVm, want: { milliCpu: number; memBytes: number }): void {
  rig.wish(vm, want.milliCpu / 1000, want.memBytes / MIB);
}

function restartQemu(rig: Rig, vm: RigVm): void {
  rig.lose(vm);
  const process = `qemu-${Number(vm.facts.process.split("-")[1]) + 1}`;
  const quotaMilliCpu = vm.facts.quotaMilliCpu === null ? null : 1000;
  vm.facts = { ...vm.facts, process, vcpusPlugged: 1, quotaMilliCpu, runState: "running" };
  vm.setDevice({ sizeBytes: 0, requestedBytes: 0 });
  rig.attach(vm);
}

function heal(rig: Rig, vm: RigVm): void {
  vm.unpluggableBytes = 0;
  vm.pluggableBytes = Infinity;
  vm.monitor.isMute = false;
  vm.monitor.consent = () => ({ Ok: true, Status: "ok" });
  vm.facts = { ...vm.facts, runState: "running", cpuUsedMilli: 100 };
  rig.attach(vm);
  rig.disconnect(vm);
  rig.connect(vm);
}

/** Own books of every requested-size written since `from`: one slice at most, and only with consent. */
function checkCommands(vm: RigVm, from: number): number {
  for (const told of vm.memoryCommands.slice(from)) {
    const shrink = told.actualBytes - told.requestedBytes;
    if (shrink <= 0) continue;
    expect(shrink, "at most one slice below actual").toBeLessThanOrEqual(SLICE_BYTES);
    const consented = vm.consents.some((bytes) => bytes <= told.requestedBytes);
    expect(consented, "unplugged only what was agreed to").toBe(true);
  }
  return vm.memoryCommands.length;
}

/** Σ held ≤ capacity, by what QEMU shows, counting what is requested and not plugged yet. */
function checkCapacity(vms: readonly RigVm[]): void {
  let mem = 0;
  let cpu = 0;
  for (const vm of vms) {
    const requested = vm.facts.baseMemBytes + (vm.facts.memoryDevice?.requestedBytes ?? 0);
    mem += Math.max(vm.actual.memBytes, requested);
    cpu += vm.actual.milliCpu;
  }
  expect(mem).toBeLessThanOrEqual(CAPACITY.memBytes);
  expect(cpu).toBeLessThanOrEqual(CAPACITY.milliCpu);
}
