// Invariant 6 from outside, at the end of the healthy phase: who wishes has it, or the node is full; who needs is fed; and
// nothing moves or wakes up for nothing.
import { type Capacity } from "@selfscale/core";
import { type Bounds, type Size } from "@selfscale/protocol";
import { type VmPlan } from "../story/story.ts";
import { MIB, mib } from "../units.ts";
import { Broken } from "./broken.ts";
import { fairShares } from "./fair-shares.ts";

const CELL_BYTES = 128 * MIB;
const NOTHING: Size = { milliCpu: 0, memBytes: 0 };

/** What is known of one VM at the end. */
export type Ending = Readonly<{
  plan: VmPlan;
  bounds: Bounds;
  truth: Size;
  /** Online in the guest. */
  onlineCpus: number;
  /** The last ScaleRequest of the open connection; null: it has said none. */
  wish: Size | null;
  /** How long it has been that. */
  wishedForMs: number;
  /** It named that a case of emergency, or a part of it reserved. */
  isUrgent: boolean;
  version: number;
  /** The memory that the monitor said it has when it connected. */
  view: number | null;
  /** The monitor refused the last shrink of this resource. */
  isRefused: Readonly<{ mem: boolean; cpu: boolean }>;
  isLinkUp: boolean;
  heardMsAgo: number;
  /** In the last while: sizes told, frames sent, times each machine woke by time alone. */
  quiet: Readonly<{
    ms: number;
    told: number;
    frames: number;
    /** No size was told, and none changed. */
    isStill: boolean;
    agentTicks: number;
    monitorTicks: number;
  }>;
  isFed: boolean;
  needMilli: number;
  needBytes: number;
  oomKills: number;
}>;

/** A wish that stood this long must be met. */
export const CONVERGE_MS = 60_000;
/** A link that is well is heard this often: a health check every 5 s. */
const HEARD_MS = 12_000;
/** Per second: one look at QEMU, a fifth of a health check, and then some. */
const AGENT_TICKS_PER_SEC = 3;
const MONITOR_TICKS_PER_SEC = 2;
const FRAMES_PER_SEC = 3;
/** Memory that a machine needs beside its processes before anything is wrong: kernel, cache, reserve, filling. */
const ROOM_SHARE = 0.45;

export function judgeEndings(endings: readonly Ending[], capacity: Capacity): void {
  const all = endings.map((ending): Fitted => ({ ending, fit: fitOf(ending) }));
  const node = nodeOf(all, comfortOf(capacity, endings.length));
  for (const [vm, { ending, fit }] of all.entries()) {
    judgeQuiet(vm, ending);
    if (ending.wish !== null && ending.wishedForMs >= CONVERGE_MS) judgeMet(vm, ending, fit, node);
    if (!node.isFull.memBytes && !node.isFull.milliCpu) judgeFed(vm, ending);
  }
  judgeEnvy(all, sharesOf(all, capacity));
}

/** What the node has for its VMs' comfort. */
function comfortOf({ size, reserve, emergency, overheadPerVmBytes }: Capacity, vms: number): Size {
  const overhead = { milliCpu: 0, memBytes: overheadPerVmBytes * vms };
  const left = (of: keyof Size) => size[of] - reserve[of] - emergency[of] - overhead[of];
  return { milliCpu: left("milliCpu"), memBytes: left("memBytes") };
}

type Fitted = Readonly<{ ending: Ending; fit: Size }>;
type Node = Readonly<{
  /** Not everybody can have what it wants. */
  isFull: Readonly<{ memBytes: boolean; milliCpu: boolean }>;
  free: Size;
  /** Each VM that waits may be promised a part of a step, which it can't use: less than this in all. */
  stranded: Size;
}>;

function nodeOf(all: readonly Fitted[], room: Size): Node {
  const total = (of: (one: Fitted) => number) => all.reduce((sum, one) => sum + of(one), 0);
  const wanted = {
    memBytes: total(keptMem),
    milliCpu: total(keptCpu),
  };
  // What is wanted by metrics is not known here.
  const mayWait = ({ ending, fit }: Fitted, of: keyof Size) =>
    ending.wish === null || ending.truth[of] < fit[of];
  return {
    isFull: {
      memBytes: wanted.memBytes > room.memBytes,
      milliCpu: wanted.milliCpu > room.milliCpu,
    },
    free: {
      memBytes: room.memBytes - total(({ ending }) => ending.truth.memBytes),
      milliCpu: room.milliCpu - total(({ ending }) => ending.truth.milliCpu),
    },
    stranded: {
      memBytes: total((one) => (mayWait(one, "memBytes") ? CELL_BYTES : 0)),
      milliCpu: total((one) => (mayWait(one, "milliCpu") ? cpuStep(one.ending.plan) : 0)),
    },
  };
}

function judgeQuiet(vm: number, { quiet, isLinkUp, heardMsAgo }: Ending): void {
  hold(isLinkUp && heardMsAgo <= HEARD_MS, vm, `no live link: heard ${heardMsAgo} ms ago`);
  if (!quiet.isStill) return; // something still moves, as slowly as the guest lets it go
  const seconds = quiet.ms / 1000;
  const ticks = quiet.agentTicks;
  hold(
    ticks <= AGENT_TICKS_PER_SEC * seconds,
    vm,
    `the agent woke up ${ticks} times in ${seconds} s`,
  );
  const looks = quiet.monitorTicks;
  hold(
    looks <= MONITOR_TICKS_PER_SEC * seconds,
    vm,
    `the monitor woke up ${looks} times in ${seconds} s`,
  );
  const { frames } = quiet;
  hold(frames <= FRAMES_PER_SEC * seconds, vm, `${frames} frames sent in ${seconds} s`);
}

function judgeMet(vm: number, ending: Ending, fit: Size, { isFull, free, stranded }: Node): void {
  const { truth, plan, onlineCpus, quiet } = ending;
  const isIdle = quiet.told === 0 || isFull.memBytes || isFull.milliCpu;
  hold(isIdle, vm, `${quiet.told} sizes told in the last ${quiet.ms} ms, for nothing`);
  const tellMem = `has ${mib(truth.memBytes)} MiB, wants ${mib(fit.memBytes)} for ${ending.wishedForMs} ms`;
  const mayKeep = isUnproven(ending);
  hold(mayKeep || truth.memBytes <= fit.memBytes, vm, `more than it wants: ${tellMem}`);
  const isShort = truth.memBytes < fit.memBytes;
  const isExcused = isFull.memBytes && free.memBytes < stranded.memBytes;
  hold(
    !isShort || isExcused,
    vm,
    `less than it wants: ${tellMem}; ${mib(free.memBytes)} MiB are free`,
  );
  const tellCpu = `has ${truth.milliCpu} milli, wants ${fit.milliCpu} for ${ending.wishedForMs} ms`;
  const isCpuShort = truth.milliCpu < fit.milliCpu;
  const isCpuExcused = isFull.milliCpu && free.milliCpu < stranded.milliCpu;
  hold(
    !isCpuShort || isCpuExcused,
    vm,
    `less than it wants: ${tellCpu}; ${free.milliCpu} are free`,
  );
  // CPU that is in use is not taken, whatever the bounds say.
  if (mayKeep || ending.isRefused.cpu) return;
  if (plan.hasQuota) hold(truth.milliCpu <= fit.milliCpu, vm, `more than it wants: ${tellCpu}`);
  // Without a quota vCPUs stay plugged, and the guest uses no more than it agreed to.
  else
    hold(onlineCpus <= Math.ceil(fit.milliCpu / 1000), vm, `uses ${onlineCpus} CPUs: ${tellCpu}`);
}

/** Everybody's share of the memory, by what is wished; what is wanted by metrics is what it has. */
function sharesOf(all: readonly Fitted[], capacity: Capacity): number[] {
  const sharers = all.map(({ ending, fit }) => ({
    weight: ending.plan.weight,
    priority: ending.plan.priority,
    min: fitOf({ ...ending, wish: NOTHING }).memBytes,
    urgent: ending.isUrgent ? fit.memBytes : 0,
    want: fit.memBytes,
    counted: ending.truth.memBytes,
    step: Math.max(CELL_BYTES, ending.plan.blockMib * MIB),
  }));
  const kept = capacity.emergency.memBytes;
  return fairShares(sharers, comfortOf(capacity, all.length).memBytes + kept, kept);
}

/**
 * Rule 4 at the end: of two that stand still, nobody is below its wish while another of its priority, or a lower one, holds
 * more of it for its weight by comfort and more than its share, unless that one's monitor does not agree to give it back.
 * Who is at its share is not asked for what a third one, who does not agree, has too much.
 */
function judgeEnvy(all: readonly Fitted[], shares: readonly number[]): void {
  const isSettled = ({ ending }: Fitted) =>
    ending.wish !== null && ending.wishedForMs >= CONVERGE_MS && ending.quiet.isStill;
  for (const [vm, one] of all.entries()) {
    if (!isSettled(one)) continue;
    for (const [index, other] of all.entries()) {
      if (index === vm || !isSettled(other) || isUnproven(other.ending)) continue;
      const { plan, truth, isRefused, isUrgent } = other.ending;
      if (plan.priority > one.ending.plan.priority || isUrgent) continue;
      const isHigher = one.ending.plan.priority > plan.priority;
      const step = Math.max(CELL_BYTES, plan.blockMib * MIB);
      const spare = truth.memBytes - step - fitOf({ ...other.ending, wish: NOTHING }).memBytes;
      const has = one.ending.truth.memBytes + Math.max(CELL_BYTES, one.ending.plan.blockMib * MIB);
      const isEnvious =
        has < one.fit.memBytes &&
        truth.memBytes - step > (shares[index] ?? 0) &&
        spare > 0 &&
        (isHigher || has / one.ending.plan.weight < (truth.memBytes - step) / plan.weight);
      const what = `vm-${index + 1} has ${mib(truth.memBytes)} MiB by weight ${plan.weight}`;
      const tell = `has ${mib(one.ending.truth.memBytes)} MiB by weight ${one.ending.plan.weight}`;
      if (isEnvious && !isRefused.mem) throw new Broken(10, vm, `${tell}, while ${what}`);
    }
  }
}

function judgeFed(vm: number, ending: Ending): void {
  const { wish, bounds, plan, needBytes, needMilli, truth } = ending;
  if (wish === null) return;
  const most = Math.min(bounds.max.memBytes, (plan.baseMib + plan.deviceMib) * MIB);
  if (needBytes < most * ROOM_SHARE) {
    hold(
      ending.isFed && ending.oomKills === 0,
      vm,
      `starves: needs ${mib(needBytes)} MiB of ${mib(truth.memBytes)}`,
    );
  }
  const mostMilli = Math.min(bounds.max.milliCpu, plan.vcpusMax * 1000);
  if (needMilli < 0.8 * mostMilli) {
    hold(truth.milliCpu >= needMilli, vm, `has ${truth.milliCpu} milli, needs ${needMilli}`);
  }
}

/** The wish on the grid and within the bounds, by own arithmetic. */
export function fitOf({ wish, bounds, plan, truth }: Ending): Size {
  if (wish === null) return truth;
  const base = plan.baseMib * MIB;
  const step = Math.max(CELL_BYTES, plan.blockMib * MIB);
  const up = (bytes: number) => base + Math.ceil(Math.max(0, bytes - base) / step) * step;
  const down = (bytes: number) => base + Math.floor(Math.max(0, bytes - base) / step) * step;
  const most = down(Math.min(bounds.max.memBytes, base + plan.deviceMib * MIB));
  const least = Math.min(most, up(bounds.min.memBytes));
  const cell = plan.hasQuota ? 250 : 1000;
  const cpuUp = (milli: number) => Math.max(cell, Math.ceil(milli / cell) * cell);
  const cpuDown = (milli: number) => Math.max(cell, Math.floor(milli / cell) * cell);
  const mostCpu = cpuDown(Math.min(bounds.max.milliCpu, plan.vcpusMax * 1000));
  const leastCpu = Math.min(mostCpu, cpuUp(bounds.min.milliCpu));
  return {
    memBytes: plan.deviceMib === 0 ? base : Math.min(most, Math.max(least, up(wish.memBytes))),
    milliCpu: Math.min(mostCpu, Math.max(leastCpu, cpuUp(wish.milliCpu))),
  };
}

/**
 * Nothing proves whose monitor it is, and so it may grow, not shrink: no UUID, no metrics, and what it said of its memory when
 * it connected is not what it has by now. How near is near: as in docs/protocol.md.
 */
function isUnproven({ version, plan, view, truth }: Ending): boolean {
  if (plan.hasMetrics || (version > 1 && plan.hasUuid)) return false;
  return view === null || Math.abs(view - truth.memBytes) > 0.25 * truth.memBytes;
}

/** What it wants, and what it can't or need not give back. */
function keptMem({ ending, fit }: Fitted): number {
  const kept = isUnproven(ending) ? ending.truth.memBytes : ending.bounds.min.memBytes;
  return Math.max(fit.memBytes, kept);
}

/** vCPUs that were plugged without a quota never come back. */
function keptCpu({ ending, fit }: Fitted): number {
  const isKept = !ending.plan.hasQuota || isUnproven(ending);
  return isKept ? Math.max(fit.milliCpu, ending.truth.milliCpu) : fit.milliCpu;
}

function cpuStep(plan: VmPlan): number {
  return plan.hasQuota ? 250 : 1000;
}

function hold(truth: boolean, vm: number, what: string): void {
  if (!truth) throw new Broken(6, vm, what);
}
