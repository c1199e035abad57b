// What a run costs and how much it hurts: money per dimension and per whole unit, waiting, misses, resizes, deaths.
import { type Machine } from "./machine/machine.ts";
import { TICK_SEC } from "./workload.ts";

/**
 * Prices in CU·s: a compute unit (0.25 vCPU and 1 GiB) for a second. Split as list prices of containers split
 * (0.04048 $ per vCPU·h, 0.004445 $ per GB·h).
 */
export type Prices = Readonly<{
  perCpuSec: number;
  perGibSec: number;
  /** Per CPU·s of work and second that it waits. */
  perDelay: number;
  perMissGib: number;
  perResize: number;
  perOom: number;
  perSwapSec: number;
  /** Per CPU·s of work that gave up. */
  perDropped: number;
}>;

export const PRICES: Prices = {
  perCpuSec: 2.78,
  perGibSec: 0.305,
  perDelay: 25,
  perMissGib: 33,
  perResize: 0.5,
  perOom: 3_600,
  perSwapSec: 12.5,
  perDropped: 100,
};

/** vCPUs and GiB of a compute unit. */
export const UNIT_CPU = 0.25;
export const UNIT_GIB = 1;

/** Of one run. */
export type Score = Readonly<{
  hours: number;
  /** CU·s, priced per dimension, and in whole units of both: the larger of the two counts. */
  provisioned: number;
  unitBill: number;
  /** All of it, with either bill. */
  cost: number;
  unitCost: number;
  resizes: number;
  resizesPerHour: number;
  oomKills: number;
  /** Mean and 99th percentile of the time that work waits, seconds. */
  meanDelaySec: number;
  p99DelaySec: number;
  /** Share of the time with more than 50 ms of work waiting per CPU. */
  saturatedShare: number;
  missGib: number;
  swapSec: number;
  droppedCpuSec: number;
  /** Until 90 % of a rising need was there, mean over such rises, seconds; null: there were none. */
  reactionSec: number | null;
  /** The three of Microsoft's VASIM: mean vCPUs too many, mean vCPUs too few, number of scalings of CPU. */
  averageSlack: number;
  averageInsufficient: number;
  cpuScalings: number;
}>;

const DELAY_BINS = 512;
const BINS_PER_DECADE = 64;
const LEAST_DELAY_SEC = 1e-5;
/** A rise is worth a clock when it goes beyond what is there by this share. */
const RISE_SHARE = 0.1;
const REACHED_SHARE = 0.9;

/** Keeps the books of a run, tick by tick. */
export class Books {
  readonly #prices: Prices;
  #ticks = 0;
  #provisioned = 0;
  #unitBill = 0;
  #resizes = 0;
  #delayArea = 0;
  #arrived = 0;
  #saturated = 0;
  #misses = 0;
  #swapTicks = 0;
  #dropped = 0;
  #slack = 0;
  #insufficient = 0;
  #cpuScalings = 0;
  #lastCpu = -1;
  #risingSince = -1;
  #reactionTicks = 0;
  #rises = 0;
  readonly #delays = new Uint32Array(DELAY_BINS);

  constructor(prices: Prices = PRICES) {
    this.#prices = prices;
  }

  /** A tick has passed, in which `arriving` vCPUs of work came. */
  note(machine: Machine, arriving: number): void {
    const { cpu, mem, queue, guest } = machine;
    const { perCpuSec, perGibSec } = this.#prices;
    this.#ticks += 1;
    this.#provisioned += (perCpuSec * cpu.paid + perGibSec * mem.paid) * TICK_SEC;
    this.#unitBill += Math.max(cpu.paid / UNIT_CPU, mem.paid / UNIT_GIB) * TICK_SEC;
    if (machine.hasResized) this.#resizes += 1;
    this.#delayArea += queue.backlog * TICK_SEC;
    this.#arrived += arriving * TICK_SEC;
    this.#misses += guest.missGib;
    if (guest.swapUsedGib > 0) this.#swapTicks += 1;
    this.#dropped += queue.dropped;
    if (queue.backlog > 0.05 * cpu.now) this.#saturated += 1;
    this.#noteDelay(queue.backlog / Math.max(cpu.now, UNIT_CPU));
    this.#compare(cpu.now, arriving);
  }

  score(oomKills: number): Score {
    const prices = this.#prices;
    const hours = (this.#ticks * TICK_SEC) / 3_600;
    const pain =
      prices.perDelay * this.#delayArea +
      prices.perMissGib * this.#misses +
      prices.perResize * this.#resizes +
      prices.perOom * oomKills +
      prices.perSwapSec * this.#swapTicks * TICK_SEC +
      prices.perDropped * this.#dropped;
    return {
      hours,
      provisioned: this.#provisioned,
      unitBill: this.#unitBill,
      cost: this.#provisioned + pain,
      unitCost: this.#unitBill + pain,
      resizes: this.#resizes,
      resizesPerHour: this.#resizes / hours,
      oomKills,
      meanDelaySec: this.#arrived > 0 ? this.#delayArea / this.#arrived : 0,
      p99DelaySec: this.#delayAt(0.99),
      saturatedShare: this.#saturated / this.#ticks,
      missGib: this.#misses,
      swapSec: this.#swapTicks * TICK_SEC,
      droppedCpuSec: this.#dropped,
      reactionSec: this.#rises > 0 ? (this.#reactionTicks / this.#rises) * TICK_SEC : null,
      averageSlack: this.#slack / this.#ticks,
      averageInsufficient: this.#insufficient / this.#ticks,
      cpuScalings: this.#cpuScalings,
    };
  }

  #compare(have: number, need: number): void {
    if (have > need) this.#slack += have - need;
    else this.#insufficient += need - have;
    if (this.#lastCpu >= 0 && have !== this.#lastCpu) this.#cpuScalings += 1;
    this.#lastCpu = have;
    if (this.#risingSince < 0) {
      if (need > have * (1 + RISE_SHARE)) this.#risingSince = this.#ticks;
      return;
    }
    if (have < REACHED_SHARE * need) return;
    this.#reactionTicks += this.#ticks - this.#risingSince;
    this.#rises += 1;
    this.#risingSince = -1;
  }

  #noteDelay(delaySec: number): void {
    let bin = 0;
    if (delaySec > LEAST_DELAY_SEC) {
      bin = 1 + Math.floor(Math.log10(delaySec / LEAST_DELAY_SEC) * BINS_PER_DECADE);
      if (bin >= DELAY_BINS) bin = DELAY_BINS - 1;
    }
    this.#delays[bin] = (this.#delays[bin] ?? 0) + 1;
  }

  /** Upper edge of the bin: at most 4 % too high. */
  #delayAt(share: number): number {
    let left = share * this.#ticks;
    for (let bin = 0; bin < DELAY_BINS; bin += 1) {
      left -= this.#delays[bin] ?? 0;
      if (left <= 0) return bin === 0 ? 0 : LEAST_DELAY_SEC * 10 ** (bin / BINS_PER_DECADE);
    }
    return Infinity;
  }
}
