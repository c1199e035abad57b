// How much CPU is needed: run queue and pressure attack within half a second, the mean of a second
// does the rest. It decides a need in vCPUs; the grid, the bounds, the hold and what the node has
// are not its business.
import { type MonoMs } from "../agent/types.ts";
import { type CpuSample } from "../monitor/types.ts";
import { type CpuPolicy } from "./config.ts";
import { addTo, entryAgo, type Series } from "./window.ts";

/** What the agent says of a VM whose quota is below its online CPUs. The guest can't know. */
export type QuotaView = Readonly<{ cpuUsed: number | null; throttledShare: number | null }>;

/** What the need is measured against. */
export type CpuGiven = Readonly<{
  /** vCPUs that can be used now: online, and within the quota. */
  have: number;
  /** Only when the quota is less than the guest has online: then its own signals are false. */
  quota: QuotaView | null;
}>;

export type CpuState = Readonly<{
  samples: Series<CpuSample>;
  /** Since when CPU has been short; null while it is not. */
  saturatedSince: MonoMs | null;
  lastAttackAt: MonoMs;
}>;

export type CpuNeed = Readonly<{
  /** vCPUs. */
  need: number;
  /** What of it is worth keeping: the work that a jump catches up with is over soon. vCPUs. */
  keep: number;
  isAttack: boolean;
  /** What the mean use and the run queue alone would ask for, vCPUs. */
  byUse: number;
  byQueue: number | null;
  inputs: Readonly<Record<string, number | null>>;
}>;

/** Not a setting: one interval at 5 Hz, a little early. Shorter ones are too coarse: the kernel counts ticks of 10 ms. */
const SHORT_MS = 190;
/** Not a setting, it decides nothing: how much longer samples are kept than the mean needs, for readings that come late. */
const LATE_MS = 500;

export function initialCpu(): CpuState {
  return { samples: [], saturatedSince: null, lastAttackAt: -Infinity };
}

/** One more sample, and what is needed by it. */
export function senseCpu(
  state: CpuState,
  sample: CpuSample,
  given: CpuGiven,
  policy: CpuPolicy,
  now: MonoMs,
): readonly [CpuState, CpuNeed] {
  const samples = addTo(state.samples, sample, now, policy.useWindowMs + LATE_MS);
  const short = rates(samples, now, SHORT_MS);
  const long = rates(samples, now, policy.useWindowMs);
  const { have, quota } = given;
  const used = quota?.cpuUsed ?? long.wanted;
  const isShort = isSaturated(short, given, policy);
  const saturatedSince = isShort ? (state.saturatedSince ?? now) : null;
  // A queue of several per CPU is no chance: it has cost more already than a look too many would.
  const isSurge = short.waiting >= Math.max(policy.surgeTasks, policy.surgePerCpu * have);
  const confirmMs = isSurge ? 0 : policy.confirmMs;
  const isConfirmed = saturatedSince !== null && now >= saturatedSince + confirmMs;
  const isAttack = isConfirmed && now >= state.lastAttackAt + policy.attackPauseMs;
  const runnable = (quota?.cpuUsed ?? short.busy) + short.waiting;

  // Within the band nothing moves: it grows when it is nearly full, and then to where it has room.
  const isFull = used > policy.busyLimitShare * have;
  const byUse = used / (isFull ? policy.busyTargetShare : policy.busyLimitShare);
  const byQueue = isAttack ? jump(have, runnable, policy) : null;
  const inputs = {
    have,
    busy: long.busy,
    runnable,
    pressure: short.pressure,
    cpuUsed: quota?.cpuUsed ?? null,
    throttledShare: quota?.throttledShare ?? null,
  };
  const next: CpuState = {
    samples,
    saturatedSince,
    lastAttackAt: isAttack ? now : state.lastAttackAt,
  };
  const need = Math.max(byUse, byQueue ?? 0);
  const isCatchingUp = now < state.lastAttackAt + policy.catchUpMs;
  const kept = isCatchingUp ? Math.min(used, short.wanted) : used;
  const keep = kept / policy.busyKeepShare;
  return [next, { need, keep, isAttack, byUse, byQueue, inputs }];
}

/** Mean vCPUs in use or kept from it over `useWindowMs`, for judging a smaller size; null before two samples. */
export function usedNow(
  state: CpuState,
  quota: QuotaView | null,
  policy: CpuPolicy,
  now: MonoMs,
): number | null {
  if (state.samples.length < 2) return null;
  return quota?.cpuUsed ?? rates(state.samples, now, policy.useWindowMs).wanted;
}

/**
 * Where a saturated machine should be: where all runnable tasks would run at the utilisation that
 * is steered for, up to `jumpSure` times of what it has; half (`jumpBeyondShare`) of what is beyond; `jumpLeast` times what it
 * has at least, but never more than those tasks could use. From a fraction of a core it goes to one core
 * at most: a queue behind a quota is longer than the work is, and the next jump is half a second
 * away. vCPUs.
 */
export function jump(have: number, runnable: number, policy: CpuPolicy): number {
  const all = runnable / policy.busyTargetShare;
  const isCrowd = runnable >= policy.crowdTasks;
  const from = isCrowd ? Math.max(have, 1) : have;
  const sure = Math.min(all, policy.jumpSure * from);
  const half = Math.min(policy.jumpMax * from, have + (runnable - have) * policy.jumpBeyondShare);
  const most = have < 1 && !isCrowd ? 1 : all;
  return Math.min(Math.max(policy.jumpLeast * have, sure, half), all, most);
}

function isSaturated(short: Rates, { have, quota }: CpuGiven, policy: CpuPolicy): boolean {
  const full = policy.saturatedShare * have;
  if (quota === null || quota.cpuUsed === null) {
    return short.wanted >= full && short.pressure >= policy.pressureShare;
  }
  // A throttled CPU loses ticks, or counts the pause as work, and whoever waits for its end counts
  // as waiting. So the node's word decides, unless more tasks wait than a pause could explain.
  if (quota.cpuUsed >= full) return true;
  if (short.busy < full) return false;
  return short.waiting >= policy.surgeTasks;
}

type Rates = Readonly<{
  /** CPUs kept busy on average. Δ busy time over Δ monotonic time. */
  busy: number;
  /** The same, and those that the host kept for itself while they had work. */
  wanted: number;
  /** Tasks that waited for a CPU, on average. */
  waiting: number;
  /** Share of the time in which somebody waited. */
  pressure: number;
}>;

const NOTHING: Rates = { busy: 0, wanted: 0, waiting: 0, pressure: 0 };

function rates(samples: Series<CpuSample>, now: MonoMs, windowMs: number): Rates {
  const first = entryAgo(samples, now, windowMs);
  const last = samples.at(-1);
  if (first === null || last === undefined || last.at <= first.at) return NOTHING;
  const elapsedMs = last.at - first.at;
  const perMs = (before: number | null, after: number | null) =>
    before === null || after === null ? null : Math.max(0, after - before) / elapsedMs;
  // Counters jump when a saved machine is restored; nobody was busier than there were CPUs.
  const cpus = Math.max(first.value.onlineCount, last.value.onlineCount);
  const busy = Math.min(perMs(first.value.busyMs, last.value.busyMs) ?? 0, cpus);
  const stolen = perMs(first.value.stolenMs ?? null, last.value.stolenMs ?? null) ?? 0;
  const wanted = Math.min(busy + stolen, cpus);
  const counted = waitingByCount(samples, first.at, busy);
  const pressure = perMs(first.value.somePressureMs, last.value.somePressureMs);
  const runDelay = perMs(first.value.runDelayMs, last.value.runDelayMs);
  // Run delay is exact. Without it, pressure says how long somebody waited, and instant counts of
  // runnable tasks how many.
  const waiting = runDelay ?? Math.max(counted, (pressure ?? 0) * last.value.onlineCount);
  return { busy, wanted, waiting, pressure: Math.min(1, pressure ?? (counted > 0 ? 1 : 0)) };
}

function waitingByCount(samples: Series<CpuSample>, since: MonoMs, busy: number): number {
  const counts = samples
    .filter((entry) => entry.at > since)
    .map((entry) => entry.value.runnable)
    .filter((count) => count !== null);
  if (counts.length === 0) return 0;
  // The reader itself is always among them.
  const mean = counts.reduce((sum, count) => sum + count - 1, 0) / counts.length;
  return Math.max(0, mean - busy);
}
