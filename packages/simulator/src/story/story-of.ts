// A story drawn from a seed. Each seed draws its own mix first (which faults there are at all, how often, what the VMs are
// like), then the story from it: so some worlds are calm but for one thing, and some are mad in every way.
import { HIGHEST_VERSION } from "@selfscale/protocol";
import { Random } from "../random.ts";
import { FAULT_KINDS, type Fault, type FaultKind } from "./faults.ts";
import { type Demand, type Story, type VmPlan } from "./story.ts";

const VMS = 3;
/** Which part of a seed draws what, see Random.of. */
const PART = { mix: 9_001, vms: 9_002, demands: 9_003, faults: 9_004, sharing: 9_100 } as const;
/** A world with a policy of long holds, or with the agent's longest pauses, takes as long as they do. */
const LONG_HEALTHY_MS = 420_000;
const SHORT_HEALTHY_MS = 85_000;

export function storyOf(seed: number): Story {
  const mix = Random.of(seed, PART.mix);
  const isLong = mix.chance(0.03);
  const hostileMs = mix.between(6, 16) * 5_000;
  const vms = Array.from({ length: VMS }, (_, vm) =>
    planOf(Random.of(seed, PART.vms + 10 * vm), Random.of(seed, PART.sharing + vm), isLong),
  );
  const [memoryEveryMs, cpuEveryMs] = mix.pick(isLong ? [[1_000, 1_000]] : CADENCES) as [
    number,
    number,
  ];
  const isTight = mix.chance(0.6);
  const sumMax = (of: (plan: VmPlan) => number) => vms.reduce((sum, plan) => sum + of(plan), 0);
  const overheadMib = mix.pick([0, 256]);
  // Every VM's minimum must fit; whether all of them can have their maximum is drawn.
  const mostMib = sumMax((plan) => plan.maxMib);
  const leastMib = sumMax((plan) => Math.max(plan.minMib, plan.baseMib));
  const share = isTight ? mix.between(20, 80) / 100 : 1;
  const mib = Math.ceil(leastMib + (mostMib - leastMib) * share) + overheadMib * VMS;
  const mostMilli = sumMax((plan) => plan.maxMilli);
  const leastMilli = sumMax((plan) => Math.max(plan.minMilli, plan.vcpus * 1000));
  const milliCpu = Math.ceil((leastMilli + (mostMilli - leastMilli) * share) / 250) * 250;
  return {
    seed,
    node: nodeOf(Random.of(seed, PART.sharing - 1), { milliCpu, mib, overheadMib }),
    vms,
    memoryEveryMs,
    cpuEveryMs,
    patience: isLong ? "default" : "short",
    demands: demandsOf(Random.of(seed, PART.demands), vms, hostileMs),
    faults: faultsOf(seed, mix, vms, hostileMs),
    hostileMs,
    healthyMs: isLong ? LONG_HEALTHY_MS : SHORT_HEALTHY_MS,
  };
}

/** The real one is 100 and 200 ms; most worlds look less often, to be played faster. */
const CADENCES: readonly (readonly [number, number])[] = [
  [100, 200],
  [250, 500],
  [500, 500],
  [500, 1_000],
  [500, 1_000],
  [1_000, 500],
  [1_000, 1_000],
  [1_000, 1_000],
  [1_000, 1_000],
  [1_000, 1_000],
];

/** What is kept of it comes on top, so that every VM's minimum fits all the same. */
function nodeOf(
  random: Random,
  node: Readonly<{ milliCpu: number; mib: number; overheadMib: number }>,
): Story["node"] {
  const reserveMilli = random.pick([0, 0, 250]);
  const reserveMib = random.pick([0, 0, 300]);
  return {
    ...node,
    milliCpu: node.milliCpu + reserveMilli,
    mib: node.mib + reserveMib,
    reserveMilli,
    reserveMib,
    emergencyMilli: random.pick([0, 0, 0, 500]),
    emergencyMib: random.pick([0, 0, 256, 512]),
  };
}

function planOf(random: Random, sharing: Random, isLong: boolean): VmPlan {
  const vcpusMax = random.pick([2, 4, 4, 8]);
  const hasDevice = random.chance(0.93);
  const baseMib = random.pick([512, 512, 768, 1024]);
  const deviceMib = hasDevice ? random.pick([1024, 2048, 2048, 3072]) : 0;
  const hasQuota = random.chance(0.65);
  const isOld = random.chance(0.2);
  const maxMib = baseMib + deviceMib - (hasDevice && random.chance(0.3) ? 200 : 0);
  const minMilli = hasQuota ? random.pick([250, 500, 1000, 1000]) : 1000;
  return {
    minMilli,
    maxMilli: random.pick([vcpusMax * 1000, Math.max(1000, vcpusMax * 1000 - 500)]),
    minMib: random.pick([baseMib, baseMib, baseMib + (hasDevice ? 100 : 0)]),
    maxMib,
    baseMib,
    deviceMib,
    blockMib: random.pick([2, 2, 128]),
    vcpus: random.pick([1, 1, 2]),
    vcpusMax,
    hasQuota,
    hasMetrics: random.chance(isOld ? 0.7 : 0.2),
    hasUuid: random.chance(0.8),
    agentMax: isOld && random.chance(0.5) ? 1 : HIGHEST_VERSION,
    monitorMax: isOld && random.chance(0.6) ? 1 : HIGHEST_VERSION,
    preset: isLong ? random.pick(["default", "demo"]) : "demo",
    isProbing: random.chance(0.3),
    swapMib: random.pick([0, 0, 256]),
    isOnlinedByMonitor: random.chance(0.3),
    weight: sharing.pick([1, 1, 1, 0.5, 2, 3]),
    priority: sharing.pick([0, 0, 0, 0, 1, 2]),
  };
}

function demandsOf(random: Random, vms: readonly VmPlan[], hostileMs: number): Demand[] {
  const demands: Demand[] = [];
  for (const [vm, plan] of vms.entries()) {
    const restlessMs = random.pick([3_000, 10_000, 25_000]);
    for (let at = 0; at < hostileMs; at += random.between(restlessMs / 2, restlessMs * 2)) {
      const isGreedy = random.chance(0.2);
      const most = plan.baseMib + plan.deviceMib;
      demands.push({
        at: Math.round(at),
        vm,
        milliCpu: random.between(1, isGreedy ? 16 : plan.vcpusMax) * random.pick([50, 250, 800]),
        anonMib: Math.round(most * random.pick([0.1, 0.2, 0.4, isGreedy ? 1.1 : 0.6])),
        cacheMib: Math.round(most * random.pick([0.02, 0.02, 0.1, 0.5])),
      });
    }
    // At the end everybody needs something that it can have.
    demands.push({
      at: hostileMs,
      vm,
      milliCpu: random.pick([50, 400, 900, 700 * plan.vcpusMax]),
      anonMib: Math.round((plan.baseMib + plan.deviceMib) * random.pick([0.1, 0.25, 0.4])),
      cacheMib: random.pick([20, 20, 100]),
    });
  }
  return demands.sort((a, b) => a.at - b.at);
}

function faultsOf(seed: number, mix: Random, vms: readonly VmPlan[], hostileMs: number): Fault[] {
  const random = Random.of(seed, PART.faults);
  const share = mix.pick([0.1, 0.3, 0.6, 1]);
  const kinds = FAULT_KINDS.filter(() => mix.chance(share));
  if (kinds.length === 0) return [];
  const everyMs = mix.pick([500, 1_500, 4_000, 12_000]);
  const faults: Fault[] = [];
  for (let at = random.between(0, everyMs); at < hostileMs; at += random.between(1, 2 * everyMs)) {
    const vm = random.between(0, vms.length - 1);
    faults.push(draw(random, random.pick(kinds), at, vm));
  }
  return faults;
}

/** Lengths in milliseconds, and amounts as faults.ts names them. */
const DRAWS: Record<FaultKind, (random: Random) => Readonly<{ forMs: number; amount?: number }>> = {
  "link-drop": () => ({ forMs: 0 }),
  "link-half-open": (random) => ({ forMs: random.between(100, 25_000) }),
  "link-slow": (random) => ({ forMs: some(random), amount: random.pick([50, 400, 2_500, 6_000]) }),
  "link-late": (random) => ({ forMs: some(random), amount: random.pick([300, 1_500, 4_000]) }),
  "link-refused": (random) => ({ forMs: some(random) }),
  intruder: (random) => ({ forMs: random.between(100, 8_000) }),
  "reader-slow": (random) => ({ forMs: random.between(500, 16_000) }),
  "qmp-slow": (random) => ({ forMs: some(random), amount: random.pick([30, 300, 2_000, 4_500]) }),
  "qmp-stuck": (random) => ({ forMs: some(random) }),
  "qmp-deaf": (random) => ({ forMs: some(random) }),
  "qmp-refuses": (random) => ({ forMs: some(random) }),
  "qmp-gone": (random) => ({ forMs: some(random) }),
  "quota-refused": (random) => ({ forMs: some(random) }),
  "plug-partial": (random) => ({ forMs: some(random), amount: 128 * random.between(0, 12) }),
  "unplug-partial": (random) => ({ forMs: some(random), amount: 128 * random.between(0, 16) }),
  "unplug-slow": (random) => ({ forMs: some(random), amount: random.pick([3, 20, 500]) }),
  "vcpu-slow": (random) => ({ forMs: some(random), amount: random.pick([2_000, 13_000]) }),
  paused: (random) => ({ forMs: some(random) }),
  "guest-reset": () => ({ forMs: 0 }),
  "qemu-crash": (random) => ({ forMs: some(random), amount: random.between(0, 1) }),
  migrated: (random) => ({ forMs: random.between(2_000, 20_000) }),
  "agent-stopped": (random) => ({ forMs: random.pick([1_000, 7_000, 14_000, 30_000]) }),
  "agent-crash": (random) => ({ forMs: random.between(1, 6_000) }),
  "monitor-crash": (random) => ({ forMs: random.between(1, 6_000) }),
  "monitor-frozen": (random) => ({ forMs: random.between(200, 25_000) }),
  "upgrade-agent": (random) => ({ forMs: 0, amount: random.between(1, HIGHEST_VERSION) }),
  "upgrade-monitor": (random) => ({ forMs: 0, amount: random.between(1, HIGHEST_VERSION) }),
  "bounds-changed": (random) => ({ forMs: some(random), amount: random.between(30, 90) }),
  "min-raised": (random) => ({ forMs: some(random), amount: random.between(30, 60) }),
  "capacity-changed": (random) => ({ forMs: some(random), amount: random.between(40, 130) }),
  lying: (random) => ({ forMs: some(random), amount: random.between(0, 2) }),
  hostile: (random) => ({ forMs: random.between(1_000, 20_000), amount: random.between(0, 1) }),
  "cpu-stubborn": (random) => ({ forMs: some(random) }),
  "scrape-fails": (random) => ({ forMs: some(random) }),
};

function draw(random: Random, kind: FaultKind, at: number, vm: number): Fault {
  const { forMs, amount = 0 } = DRAWS[kind](random);
  return { at, vm, kind, forMs, amount };
}

/** Mostly short; now and then longer than anybody waits. */
function some(random: Random): number {
  return random.pick([100, 1_000, 4_000, 12_000, 30_000]) + random.between(0, 1_000);
}
