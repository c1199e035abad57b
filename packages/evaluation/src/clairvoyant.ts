// OPT₀: the cheapest schedule of sizes for who knows the future, without delay, without an OOM kill, with all of the
// cache. Sizes are units on top of each other; a unit is needed when the need reaches it, and in a gap it is kept
// exactly when keeping costs no more than letting it go and taking it back (arXiv 1112.0442: the cost is linear per
// unit, and last in, first out loses nothing). It orders ahead, so the actuator's latency costs it nothing: `run` it
// with the ideal actuator.
import { CPU_STEP, MEM_STEP_GIB, ceilTo, sizeForUsable } from "./machine/profile.ts";
import { type Policy } from "./policy.ts";
import { PRICES, type Prices } from "./score.ts";
import { TICK_SEC, type Workload } from "./workload.ts";

/** A size for each tick. */
export type Schedule = Readonly<{ cpu: Float32Array; memGib: Float32Array }>;

/** What `machine/memory.ts` lets processes take at most, GiB per second. */
const PAGE_IN_GIB_PER_SEC = 2.5;

/** The reference schedule of a workload. */
export function clairvoyantSchedule(workload: Workload, prices: Prices = PRICES): Schedule {
  const cpuNeed = cpuNeeds(workload);
  const memNeed = memNeeds(workload);
  return {
    cpu: keepShortGaps(cpuNeed, CPU_STEP, prices.perCpuSec * CPU_STEP, prices),
    memGib: keepShortGaps(memNeed, MEM_STEP_GIB, prices.perGibSec * MEM_STEP_GIB, prices),
  };
}

/** A policy that follows a schedule. */
export function scheduled(name: string, schedule: Schedule): Policy {
  return {
    name,
    isCoupled: false,
    start: () => ({
      startSize: { cpu: schedule.cpu[0] ?? 0, memGib: schedule.memGib[0] ?? 0 },
      decide: ({ tick }, want) => {
        want.cpu = schedule.cpu[tick] ?? want.cpu;
        want.memGib = schedule.memGib[tick] ?? want.memGib;
      },
    }),
  };
}

/** CPU per tick such that nothing waits, as far as the largest size lets it. */
function cpuNeeds({ cpu, parallelism, stealShare, ticks, min, max }: Workload): Float32Array {
  const need = new Float32Array(ticks);
  let backlog = 0;
  for (let tick = 0; tick < ticks; tick += 1) {
    const given = 1 - (stealShare[tick] ?? 0);
    const work = backlog + (cpu[tick] ?? 0) * TICK_SEC;
    const most = Math.min(max.cpu * given, parallelism[tick] ?? Infinity) * TICK_SEC;
    const served = Math.min(work, most);
    backlog = work - served;
    const wanted = ceilTo(served / TICK_SEC / given, CPU_STEP);
    need[tick] = Math.min(Math.max(wanted, min.cpu), max.cpu);
  }
  return need;
}

/** Memory per tick such that processes and the working set fit, GiB. */
function memNeeds(workload: Workload): Float32Array {
  const { anonGib, workingSetGib, readGibPerSec, ticks, min, max } = workload;
  const need = new Float32Array(ticks);
  let anon = anonGib[0] ?? 0;
  for (let tick = 0; tick < ticks; tick += 1) {
    const before = anon;
    anon = Math.min(anonGib[tick] ?? 0, anon + PAGE_IN_GIB_PER_SEC * TICK_SEC);
    const cache = (readGibPerSec[tick] ?? 0) > 0 ? (workingSetGib[tick] ?? 0) : 0;
    // What is given up in this tick can be unplugged in the next one.
    const held = Math.max(before, anon) + cache;
    need[tick] = Math.min(Math.max(sizeForUsable(held), min.memGib), max.memGib);
  }
  return need;
}

/** `unitPrice`: of one unit for a second. */
function keepShortGaps(
  need: Float32Array,
  step: number,
  unitPrice: number,
  { perResize }: Prices,
): Float32Array {
  const longestTicks = (2 * perResize) / unitPrice / TICK_SEC;
  const units = Math.round(need.reduce((most, one) => Math.max(most, one), 0) / step);
  const kept = Float32Array.from(need);
  // The last tick at which each unit was needed.
  const lastTicks = new Int32Array(units + 1).fill(-1);
  for (let tick = 0; tick < need.length; tick += 1) {
    const now = Math.round((need[tick] ?? 0) / step);
    for (let unit = now; unit > 0; unit -= 1) {
      const last = lastTicks[unit] ?? -1;
      const gap = tick - last - 1;
      // Units below were needed no longer ago; once one was needed just now, all of them were.
      if (gap === 0) break;
      if (last >= 0 && gap <= longestTicks) fill(kept, last + 1, tick, unit * step);
    }
    lastTicks.fill(tick, 1, now + 1);
  }
  return kept;
}

function fill(kept: Float32Array, from: number, until: number, atLeast: number): void {
  for (let tick = from; tick < until; tick += 1) {
    if ((kept[tick] ?? 0) < atLeast) kept[tick] = atLeast;
  }
}
