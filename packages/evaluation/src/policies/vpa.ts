// Kubernetes' Vertical Pod Autoscaler with in-place resizing: a recommender over days of history, and an updater that
// acts when the size is outside of what is recommended.
import { type Decider, type Policy, type VmGiven } from "../policy.ts";
import { TICK_SEC } from "../workload.ts";
import { DecayingHistogram } from "./decaying-histogram.ts";
import { containerWorkingSetGib, fitCpu, fitMem, vmSizeFor } from "./guest.ts";
import { defaultsOf, nameWith, type SettingsOf } from "./settings.ts";

export const VPA_SETTINGS = {
  halfLife: { unit: "h", default: 24, min: 0.1, max: 1_000, help: "of samples in the histograms" },
  margin: { unit: "share", default: 0.15, min: 0, max: 5, help: "on top of every percentile" },
  settle: {
    unit: "h",
    default: 12,
    min: 0,
    max: 10_000,
    help: "after this a size within the bounds is changed too, if it is 10 % off",
  },
} as const;

type VpaSettings = SettingsOf<typeof VPA_SETTINGS>;

const GIB = 1024 ** 3;
const ROUND_TICKS = 60 / TICK_SEC;
const DAY_SEC = 86_400;
/** model/aggregations_config.go */
const BUCKET_RATIO = 1.05;
const LEAST_WEIGHT = 0.1;
const OOM_RATIO = 1.2;
const OOM_LEAST_GIB = (100 * 1024 ** 2) / GIB;
/** logic/recommender.go: the least that is recommended, and the three percentiles. */
const LEAST_CPU = 0.025;
const LEAST_MEM_GIB = 250 / 1024;
const LOWER = 0.5;
const TARGET = 0.9;
const UPPER = 0.95;
/** updater: --pod-update-threshold. */
const LEAST_CHANGE = 0.1;

type Bounds = { lower: number; target: number; upper: number };

/**
 * Exponential histograms (+5 % per bucket) with a half-life of 24 h: CPU samples of a minute weighted by the request,
 * memory as the peak of each 24 h. target = p90 · 1.15; lower = p50 · 1.15 · (1 + 0.001/N)⁻²; upper = p95 · 1.15 ·
 * (1 + 1/N), N = days of history; at least 25 mCPU and 250 MB; an OOM kill counts as max(1.2 ×, + 100 MiB) of what was
 * used. Every 60 s the request becomes the target if it is outside of [lower, upper], or, 12 h after the start, if it
 * is 10 % off.
 * Source: kubernetes/autoscaler vertical-pod-autoscaler/pkg/recommender/{model/aggregations_config,model/container,
 * model/aggregate_container_state,logic/recommender,logic/estimator}.go, pkg/updater/priority/*.go, docs/flags.md.
 *
 * It begins without history, at the least size; memory is the container's working set, and the VM is larger than the
 * container by what the kernel keeps. Left out: the updater's shortcut for a kill within 10 min of the start.
 */
export function vpaPolicy(settings: VpaSettings = defaultsOf(VPA_SETTINGS)): Policy {
  return {
    name: nameWith("vpa", VPA_SETTINGS, settings),
    isCoupled: false,
    start: (vm) => ({ decide: vpaDecider(settings, vm), startSize: null }),
  };
}

function vpaDecider(settings: VpaSettings, vm: VmGiven): Decider {
  const recommender = new Recommender(settings);
  let ticks = 0;
  let busy = 0;
  let requestCpu = vm.min.cpu;
  let requestGib = vm.min.memGib;
  let kills = 0;
  return (seen, want) => {
    ticks += 1;
    busy += seen.busyCpus;
    const nowSec = seen.atMs / 1000;
    recommender.noteMemory(containerWorkingSetGib(seen), nowSec);
    if (seen.oomKills > kills) recommender.noteKill(seen.usableGib, nowSec);
    kills = seen.oomKills;
    if (ticks < ROUND_TICKS) return;
    recommender.noteCpu(busy / ticks, requestCpu, nowSec);
    ticks = 0;
    busy = 0;
    const { cpu, mem } = recommender.recommend(nowSec);
    const targetCpu = fitCpu(vm, cpu.target);
    const targetGib = fitMem(vm, vmSizeFor(mem.target));
    const isOutside =
      isBeyond(requestCpu, fitCpu(vm, cpu.lower), fitCpu(vm, cpu.upper)) ||
      isBeyond(requestGib, fitMem(vm, vmSizeFor(mem.lower)), fitMem(vm, vmSizeFor(mem.upper)));
    const change =
      Math.abs(targetCpu - requestCpu) / requestCpu + Math.abs(targetGib - requestGib) / requestGib;
    const isSettled = nowSec >= settings.settle * 3_600 && change >= LEAST_CHANGE;
    if (!isOutside && !isSettled) return;
    requestCpu = targetCpu;
    requestGib = targetGib;
    want.cpu = targetCpu;
    want.memGib = targetGib;
  };
}

function isBeyond(value: number, low: number, high: number): boolean {
  return value < low || value > high;
}

/** The history of one container and what follows from it. Memory is without what the kernel keeps. */
export class Recommender {
  readonly #factor: number;
  readonly #cpuUse: DecayingHistogram;
  readonly #memPeaks: DecayingHistogram;
  #firstSec = NaN;
  #samples = 0;
  #dayEndSec = NaN;
  #usedPeakGib = 0;
  #killPeakGib = 0;

  constructor({ halfLife, margin }: VpaSettings) {
    const halfLifeSec = halfLife * 3_600;
    this.#factor = 1 + margin;
    const shape = { ratio: BUCKET_RATIO, halfLifeSec };
    this.#cpuUse = new DecayingHistogram({ firstBucket: 0.001, maxValue: 1_000, ...shape });
    this.#memPeaks = new DecayingHistogram({
      firstBucket: 1e7 / GIB,
      maxValue: 1e12 / GIB,
      ...shape,
    });
  }

  /** A minute of CPU, under a request of so much. */
  noteCpu(use: number, request: number, nowSec: number): void {
    this.#cpuUse.add(use, Math.max(request, LEAST_WEIGHT), nowSec);
    if (this.#samples === 0) this.#firstSec = nowSec;
    this.#samples += 1;
  }

  noteMemory(useGib: number, nowSec: number): void {
    if (this.#beginsDay(nowSec) || useGib > this.#peakGib()) {
      this.#raisePeak(useGib);
      this.#usedPeakGib = useGib;
    }
  }

  /** The OOM killer was at work in a container that may use so much. */
  noteKill(limitGib: number, nowSec: number): void {
    const used = Math.max(limitGib, this.#usedPeakGib);
    const needed = Math.max(used + OOM_LEAST_GIB, used * OOM_RATIO);
    if (this.#beginsDay(nowSec) || needed > this.#peakGib()) {
      this.#raisePeak(needed);
      this.#killPeakGib = needed;
    }
  }

  recommend(nowSec: number): Readonly<{ cpu: Bounds; mem: Bounds }> {
    const days = Math.min((nowSec - this.#firstSec) / DAY_SEC, this.#samples / (24 * 60));
    return {
      cpu: this.#bounds(this.#cpuUse, LEAST_CPU, days),
      mem: this.#bounds(this.#memPeaks, LEAST_MEM_GIB, days),
    };
  }

  #bounds(histogram: DecayingHistogram, least: number, days: number): Bounds {
    const lower = histogram.percentile(LOWER) * this.#factor * (1 + 0.001 / days) ** -2;
    const target = histogram.percentile(TARGET) * this.#factor;
    const upper = histogram.percentile(UPPER) * this.#factor * (1 + 1 / days);
    return {
      lower: Math.max(least, lower),
      target: Math.max(least, target),
      upper: Math.max(least, upper),
    };
  }

  /** True if a new day of memory begins now. */
  #beginsDay(nowSec: number): boolean {
    if (Number.isNaN(this.#dayEndSec)) this.#dayEndSec = nowSec;
    if (nowSec < this.#dayEndSec) return false;
    this.#dayEndSec += Math.floor((nowSec - this.#dayEndSec) / DAY_SEC) * DAY_SEC + DAY_SEC;
    this.#usedPeakGib = 0;
    this.#killPeakGib = 0;
    return true;
  }

  #peakGib(): number {
    return this.#usedPeakGib > this.#killPeakGib ? this.#usedPeakGib : this.#killPeakGib;
  }

  /** One peak a day: a higher one takes the place of the last. */
  #raisePeak(gib: number): void {
    const before = this.#peakGib();
    if (before > 0) this.#memPeaks.subtract(before, 1, this.#dayEndSec);
    this.#memPeaks.add(gib, 1, this.#dayEndSec);
  }
}
