// How much CPU is needed: run queue and pressure attack within half a second, units are released one by one when unneeded.
// It decides a need in vCPUs; the grid, the bounds and what the node has are not its business.
import { type CpuSample } from "../monitor/types.ts";
import { type MonoMs } from "../agent/types.ts";
import { type CpuPolicy } from "./config.ts";
import { addTo, entryAgo, type Series } from "./window.ts";

/** What the agent says of a VM whose quota is below its online CPUs. The guest can't know. */
export type QuotaView = Readonly<{ cpuUsed: number | null; throttledShare: number | null }>;

export type CpuState = Readonly<{
  samples: Series<CpuSample>;
  /** Since when CPU has been short; null while it is not. */
  saturatedSince: MonoMs | null;
  lastAttackAt: MonoMs;
}>;

export type CpuNeed = Readonly<{
  /** vCPUs. */
  need: number;
  isAttack: boolean;
  inputs: Readonly<Record<string, number | null>>;
}>;

/** Long enough for every window below. */
const KEEP_MS = 1_500;
/** A burst's run queue is read from the last interval: older ones dilute it. */
const QUEUE_MS = 200;
const SHORT_MS = 500;
const LONG_MS = 1_000;

export function initialCpu(): CpuState {
  return { samples: [], saturatedSince: null, lastAttackAt: -Infinity };
}

/**
 * `have`: vCPUs the VM has, by what the agent reports. `quota` is given when that is less than the
 * guest has online: then busy ticks, steal and pressure in the guest say nothing true.
 */
export function senseCpu(
  state: CpuState,
  sample: CpuSample,
  have: number,
  quota: QuotaView | null,
  policy: CpuPolicy,
  now: MonoMs,
): readonly [CpuState, CpuNeed] {
  const samples = addTo(state.samples, sample, now, KEEP_MS);
  const short = rates(samples, now, SHORT_MS);
  const long = rates(samples, now, LONG_MS);
  const told = quota?.cpuUsed ?? null;
  const busy = told ?? short.busy;
  const busyLong = told ?? long.busy;
  const pressure = told === null ? short.pressure : (quota?.throttledShare ?? 0);
  const queue = rates(samples, now, QUEUE_MS);
  const runnable = Math.max(queue.busy, busy) + queue.waiting;

  const isShort = busy >= policy.saturatedShare * have && pressure >= policy.pressureShare;
  const saturatedSince = isShort ? (state.saturatedSince ?? now) : null;
  const isConfirmed = saturatedSince !== null && now >= saturatedSince + policy.confirmMs;
  const isAttack = isConfirmed && now >= state.lastAttackAt + policy.attackPauseMs;

  let need = busyLong / policy.busyTargetShare;
  if (isAttack) {
    // Straight to what the queue asks for, never beyond the tasks that could run at once.
    const sure = policy.jumpSure * have;
    const towards = runnable <= sure ? runnable : sure + (runnable - sure) / 2;
    need = Math.max(need, Math.min(towards, policy.jumpMax * have));
  }
  const inputs = {
    have,
    busy: busyLong,
    runnable,
    pressure,
    throttledShare: quota?.throttledShare ?? null,
  };
  const next: CpuState = {
    samples,
    saturatedSince,
    lastAttackAt: isAttack ? now : state.lastAttackAt,
  };
  return [next, { need, isAttack, inputs }];
}

/** Mean busy vCPUs over the last second, for judging a smaller size; null before two samples. */
export function busyNow(state: CpuState, now: MonoMs): number | null {
  return state.samples.length < 2 ? null : rates(state.samples, now, LONG_MS).busy;
}

type Rates = Readonly<{
  /** CPUs kept busy on average. Δ busy time over Δ monotonic time. */
  busy: number;
  /** Tasks that waited for a CPU, on average. */
  waiting: number;
  /** Share of the time in which somebody waited. */
  pressure: number;
}>;

function rates(samples: Series<CpuSample>, now: MonoMs, windowMs: number): Rates {
  const first = entryAgo(samples, now, windowMs);
  const last = samples.at(-1);
  if (first === null || last === undefined || last.at <= first.at) {
    return { busy: 0, waiting: 0, pressure: 0 };
  }
  const elapsedMs = last.at - first.at;
  const perMs = (before: number | null, after: number | null) =>
    before === null || after === null ? null : Math.max(0, after - before) / elapsedMs;
  const busy = perMs(first.value.busyMs, last.value.busyMs) ?? 0;
  const pressure = perMs(first.value.somePressureMs, last.value.somePressureMs);
  return {
    busy,
    waiting: waitingTasks(
      samples,
      first.at,
      perMs(first.value.runDelayMs, last.value.runDelayMs),
      busy,
      pressure,
    ),
    pressure: pressure ?? (waitingByCount(samples, first.at, busy) > 0 ? 1 : 0),
  };
}

/**
 * Run delay is exact. Where the kernel has none: pressure times the CPUs says how long somebody
 * waited, and instant counts of runnable tasks how many, averaged.
 */
function waitingTasks(
  samples: Series<CpuSample>,
  since: MonoMs,
  runDelay: number | null,
  busy: number,
  pressure: number | null,
): number {
  if (runDelay !== null) return runDelay;
  const counted = waitingByCount(samples, since, busy);
  if (pressure === null) return counted;
  const online = samples.at(-1)?.value.onlineCount ?? 1;
  return Math.max(counted, pressure * online);
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
