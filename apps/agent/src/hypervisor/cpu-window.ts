import { type MonoMs } from "@selfscale/core";

/** Running totals at one instant. null: not known by this machine. */
export type CpuSample = Readonly<{
  at: MonoMs;
  usageUs: number | null;
  /** Of the quota; null without one. */
  periods: Readonly<{ periods: number; throttled: number }> | null;
}>;

/** Below this a clock tick of /proc (10 ms) would weigh too much. */
const SHORTEST_SPAN_MS = 100;

/**
 * CPU use and throttling over about the last second. Looking is uneven (every 50 ms while a size
 * moves, every second otherwise), so single differences would be noise.
 */
export class CpuWindow {
  readonly #windowMs: number;
  #samples: CpuSample[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add(sample: CpuSample): void {
    const last = this.#samples.at(-1);
    // Totals that fell belong to another process or cgroup.
    if (last !== undefined && isReset(last, sample)) this.#samples = [];
    this.#samples.push(sample);
    // The newest one at or before the window's start stays as its beginning.
    const from = sample.at - this.#windowMs;
    while (this.#samples[1] !== undefined && this.#samples[1].at <= from) this.#samples.shift();
  }

  /** Samples kept. */
  get size(): number {
    return this.#samples.length;
  }

  /** Milli-vCPU used; null until two samples span enough. */
  get usedMilli(): number | null {
    const span = this.#span();
    if (span === null) return null;
    const { first, last, ms } = span;
    if (first.usageUs === null || last.usageUs === null) return null;
    return Math.round((last.usageUs - first.usageUs) / ms);
  }

  /** Share of quota periods that were throttled. An idle process has no periods at all: 0. */
  get throttledShare(): number | null {
    const span = this.#span();
    if (span === null) return null;
    const { first, last } = span;
    if (first.periods === null || last.periods === null) return null;
    const periods = last.periods.periods - first.periods.periods;
    return periods === 0 ? 0 : (last.periods.throttled - first.periods.throttled) / periods;
  }

  #span() {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined) return null;
    const ms = last.at - first.at;
    return ms < SHORTEST_SPAN_MS ? null : { first, last, ms };
  }
}

function isReset(before: CpuSample, after: CpuSample): boolean {
  return (
    (before.usageUs !== null && after.usageUs !== null && after.usageUs < before.usageUs) ||
    (before.periods !== null &&
      after.periods !== null &&
      (after.periods.periods < before.periods.periods ||
        after.periods.throttled < before.periods.throttled))
  );
}
