// OPT*: the cheapest way to size CPU for one who knows all that comes and may let work wait. A dynamic programme on a
// grid of seconds, levels of CPU, and buckets of backlog (price · V + λ_delay · Q + λ_resize · [V ≠ V′] per second).
//
// Backlogs are real numbers and buckets few, so it is run twice. `bound` lets every backlog fall to the lower edge of
// its bucket after each second: no schedule can cost less. `cost` keeps the true backlog of the cheapest way into each
// bucket: a schedule that can be played. The truth lies between the two; on an hour of bursts 1 000 buckets instead of
// 48 leave `cost` as it is and raise `bound` from 91 % of it to 99 %: compare with `cost`, prove with `bound`.
import { PRICES, type Prices } from "./score.ts";
import { TICK_SEC, type Workload } from "./workload.ts";

/** All arrays have one entry per second. */
export type OptStarInput = Readonly<{
  /** CPU·s of work that arrive. */
  work: Float64Array;
  /** The most vCPUs that the work can use at once. */
  parallelism: Float64Array;
  /** Share of its vCPUs that it really gets. */
  gotShare: Float64Array;
  /** vCPUs that can be had, rising. */
  levels: readonly number[];
  /** What it has before the first second; null: whatever is best, for nothing. */
  startLevel: number | null;
  prices: Pick<Prices, "perCpuSec" | "perDelay" | "perResize" | "perDropped">;
  /** Lower edges of the buckets, rising from 0. CPU·s. */
  backlogs?: readonly number[];
}>;

export type OptStar = Readonly<{
  /** Of `levels`, in CU·s. */
  cost: number;
  /** No schedule on this grid costs less. */
  bound: number;
  /** vCPUs in each second. */
  levels: Float64Array;
}>;

/** Work beyond this many CPU·s gives up, as in the machine. */
const MAX_BACKLOG = 200;
const LEAST_BACKLOG = 0.01;
const BUCKETS = 48;
const MOST_LEVELS = 32;
const LEVEL_STEP = 0.25;
const TICKS_PER_STEP = 1 / TICK_SEC;

/** A workload's CPU on the grid of seconds. What is left of the last second is left out. */
export function optStarInput(workload: Workload, prices: Prices = PRICES): OptStarInput {
  const seconds = Math.floor(workload.ticks / TICKS_PER_STEP);
  const mean = (of: Float32Array) =>
    Float64Array.from({ length: seconds }, (_, second) => {
      let sum = 0;
      for (let i = 0; i < TICKS_PER_STEP; i += 1) sum += of[second * TICKS_PER_STEP + i] ?? 0;
      return sum / TICKS_PER_STEP;
    });
  return {
    work: mean(workload.cpu),
    parallelism: mean(workload.parallelism),
    gotShare: mean(workload.stealShare).map((share) => 1 - share),
    levels: levelsBetween(workload.min.cpu, workload.max.cpu),
    startLevel: null,
    prices,
  };
}

/** The best schedule. Time and memory: seconds × levels × buckets, and its square root. */
export function optStar(input: OptStarInput): OptStar {
  const relaxed = new Programme(input, true);
  for (let second = 0; second < input.work.length; second += 1) relaxed.step(second, null);
  const { cost, levels } = playable(input);
  return { cost, bound: relaxed.least().cost, levels };
}

/** What a schedule costs on the same grid. */
export function scheduleCost(input: OptStarInput, levels: Float64Array): number {
  const { prices } = input;
  let backlog = 0;
  let cost = 0;
  let before = input.startLevel ?? levels[0] ?? 0;
  for (let second = 0; second < levels.length; second += 1) {
    const level = levels[second] ?? 0;
    const left = backlogAfter(input, second, level, backlog);
    backlog = left < MAX_BACKLOG ? left : MAX_BACKLOG;
    cost += prices.perCpuSec * level + prices.perDelay * backlog;
    cost += prices.perDropped * (left - backlog);
    if (level !== before) cost += prices.perResize;
    before = level;
  }
  return cost;
}

/**
 * Forward to the cheapest end, then back along the way that led there. Only some layers are kept; what lies between two
 * of them is computed again on the way back.
 */
function playable(input: OptStarInput): Readonly<{ cost: number; levels: Float64Array }> {
  const seconds = input.work.length;
  const span = Math.max(1, Math.ceil(Math.sqrt(seconds)));
  const programme = new Programme(input, false);
  const kept: Layer[] = [];
  for (let second = 0; second < seconds; second += 1) {
    if (second % span === 0) kept.push(programme.copy());
    programme.step(second, null);
  }
  const end = programme.least();
  const levels = new Float64Array(seconds);
  const origins = Array.from({ length: span }, () => new Uint16Array(programme.states));
  let { state } = end;
  for (let part = kept.length - 1; part >= 0; part -= 1) {
    const from = part * span;
    const until = Math.min(from + span, seconds);
    programme.restore(kept[part]);
    for (let second = from; second < until; second += 1) {
      programme.step(second, origins[second - from] ?? null);
    }
    for (let second = until - 1; second >= from; second -= 1) {
      levels[second] = input.levels[Math.floor(state / programme.buckets)] ?? 0;
      state = origins[second - from]?.[state] ?? 0;
    }
  }
  return { cost: end.cost, levels };
}

/** Of every state (level, bucket): the least cost to be there, and the backlog of that way. */
type Layer = Readonly<{ cost: Float64Array; backlog: Float64Array }>;

class Programme {
  readonly buckets: number;
  readonly states: number;
  readonly #input: OptStarInput;
  readonly #isRelaxed: boolean;
  readonly #edges: Float64Array;
  #now: Layer;
  #next: Layer;

  constructor(input: OptStarInput, isRelaxed: boolean) {
    this.#input = input;
    this.#isRelaxed = isRelaxed;
    this.#edges = Float64Array.from(input.backlogs ?? defaultBacklogs());
    this.buckets = this.#edges.length;
    this.states = input.levels.length * this.buckets;
    this.#now = emptyLayer(this.states);
    this.#next = emptyLayer(this.states);
    for (const [index, level] of input.levels.entries()) {
      const isStart = input.startLevel === null || input.startLevel === level;
      if (isStart) this.#now.cost[index * this.buckets] = 0;
    }
  }

  /** A second passes. `origins`: where each state's way comes from. */
  step(second: number, origins: Uint16Array | null): void {
    const { cost } = this.#now;
    this.#next.cost.fill(Infinity);
    const { levels, prices } = this.#input;
    for (let bucket = 0; bucket < this.buckets; bucket += 1) {
      const cheapest = this.#cheapestOf(bucket);
      if (cheapest === -1) continue;
      const byResize = (cost[cheapest] ?? Infinity) + prices.perResize;
      for (let index = 0; index < levels.length; index += 1) {
        const own = index * this.buckets + bucket;
        const ownCost = cost[own] ?? Infinity;
        // In a bucket's lower edge all ways are alike; true backlogs differ, so both ways are tried.
        if (ownCost < Infinity && (ownCost <= byResize || !this.#isRelaxed)) {
          this.#go(second, own, ownCost, index, origins);
        }
        if (own !== cheapest && (byResize < ownCost || !this.#isRelaxed)) {
          this.#go(second, cheapest, byResize, index, origins);
        }
      }
    }
    const { backlog } = this.#now;
    this.#now = this.#next;
    this.#next = { cost, backlog };
  }

  /** The cheapest end. */
  least(): Readonly<{ state: number; cost: number }> {
    let state = 0;
    for (let i = 1; i < this.states; i += 1) {
      if ((this.#now.cost[i] ?? Infinity) < (this.#now.cost[state] ?? Infinity)) state = i;
    }
    return { state, cost: this.#now.cost[state] ?? Infinity };
  }

  copy(): Layer {
    return { cost: this.#now.cost.slice(), backlog: this.#now.backlog.slice() };
  }

  restore(layer: Layer | undefined): void {
    if (layer === undefined) throw new Error("a layer that was not kept");
    this.#now.cost.set(layer.cost);
    this.#now.backlog.set(layer.backlog);
  }

  /** The state with this bucket that is reached for least; −1: none is. */
  #cheapestOf(bucket: number): number {
    const { cost } = this.#now;
    let cheapest = -1;
    let least = Infinity;
    for (let state = bucket; state < this.states; state += this.buckets) {
      const here = cost[state] ?? Infinity;
      if (here >= least) continue;
      least = here;
      cheapest = state;
    }
    return cheapest;
  }

  #go(
    second: number,
    from: number,
    costBefore: number,
    index: number,
    origins: Uint16Array | null,
  ): void {
    const { levels, prices } = this.#input;
    const level = levels[index] ?? 0;
    const left = backlogAfter(this.#input, second, level, this.#now.backlog[from] ?? 0);
    const backlog = left < MAX_BACKLOG ? left : MAX_BACKLOG;
    const bucket = this.#bucketOf(backlog);
    const cost =
      costBefore +
      prices.perCpuSec * level +
      prices.perDelay * backlog +
      prices.perDropped * (left - backlog);
    const to = index * this.buckets + bucket;
    const { cost: costs, backlog: backlogs } = this.#next;
    if (cost >= (costs[to] ?? Infinity)) return;
    costs[to] = cost;
    backlogs[to] = this.#isRelaxed ? (this.#edges[bucket] ?? 0) : backlog;
    if (origins !== null) origins[to] = from;
  }

  #bucketOf(backlog: number): number {
    let low = 0;
    let high = this.buckets - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#edges[middle] ?? 0) <= backlog) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function backlogAfter(
  { work, parallelism, gotShare }: OptStarInput,
  second: number,
  level: number,
  backlog: number,
): number {
  const waiting = backlog + (work[second] ?? 0);
  const most = Math.min(level * (gotShare[second] ?? 1), parallelism[second] ?? Infinity);
  const left = waiting - most;
  return left > 1e-9 ? left : 0;
}

function emptyLayer(states: number): Layer {
  return { cost: new Float64Array(states).fill(Infinity), backlog: new Float64Array(states) };
}

/** 0, and the rest of them evenly on a logarithmic scale up to where work gives up. */
function defaultBacklogs(): readonly number[] {
  const ratio = (MAX_BACKLOG / LEAST_BACKLOG) ** (1 / (BUCKETS - 2));
  return [0, ...Array.from({ length: BUCKETS - 1 }, (_, i) => LEAST_BACKLOG * ratio ** i)];
}

/** Steps of a quarter of a vCPU; wider ones, of whole quarters, where they would be too many. */
function levelsBetween(min: number, max: number): readonly number[] {
  const cells = Math.round((max - min) / LEVEL_STEP);
  const width = LEVEL_STEP * Math.max(1, Math.ceil(cells / (MOST_LEVELS - 1)));
  const count = Math.floor((max - min) / width + 1e-9);
  const levels = Array.from({ length: count + 1 }, (_, i) => min + i * width);
  return (levels.at(-1) ?? 0) < max - 1e-9 ? [...levels, max] : levels;
}
