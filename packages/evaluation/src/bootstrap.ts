// How sure a comparison is: means over traces and seeds with 95 % percentile bootstrap intervals. Traces of one source
// are alike, so every mean is taken within a source first, and then over the sources.
import { Random } from "./random.ts";

/** A value of one (trace, seed). */
export type Sample = Readonly<{ source: string; value: number }>;

/** Two policies on the same (trace, seed). */
export type SamplePair = Readonly<{ source: string; mine: number; theirs: number }>;

/** The mean of all samples, and between what 95 % of resampled means lie. */
export type Interval = Readonly<{ mean: number; low: number; high: number }>;

export type BootstrapOptions = Readonly<{ seed: number; resamples: number }>;

const DEFAULTS: BootstrapOptions = { seed: 1, resamples: 2_000 };
const TAIL_SHARE = 0.025;

/** Geometric mean within each source, then over the sources. Values above 0. */
export function geometricMean(samples: readonly Sample[]): number {
  return Math.exp(meanOfMeans(bySource(logs(samples))));
}

/** The geometric mean of ratios (cost ÷ clairvoyant), each above 0. */
export function geometricMeanInterval(
  samples: readonly Sample[],
  options: BootstrapOptions = DEFAULTS,
): Interval {
  const { mean, low, high } = intervalOf(logs(samples), options);
  return { mean: Math.exp(mean), low: Math.exp(low), high: Math.exp(high) };
}

/**
 * mine ÷ theirs, geometric mean: the paired logarithmic difference, as a factor. They differ when 1 is outside. Values
 * above 0; for what can be 0, `pairedDifferenceInterval`.
 */
export function pairedRatioInterval(
  pairs: readonly SamplePair[],
  options: BootstrapOptions = DEFAULTS,
): Interval {
  const ratios = pairs.map(({ source, mine, theirs }) => {
    if (!(mine > 0) || !(theirs > 0)) throw new Error(`no ratio of ${mine} to ${theirs}`);
    return { source, value: mine / theirs };
  });
  return geometricMeanInterval(ratios, options);
}

/** mine − theirs, plain mean: for counts and seconds, which can be 0. They differ when 0 is outside. */
export function pairedDifferenceInterval(
  pairs: readonly SamplePair[],
  options: BootstrapOptions = DEFAULTS,
): Interval {
  const differences = pairs.map(({ source, mine, theirs }) => ({ source, value: mine - theirs }));
  return intervalOf(differences, options);
}

/** Whether the interval leaves that value out: then it is not by chance. */
export function excludes({ low, high }: Interval, value: number): boolean {
  return value < low || value > high;
}

/** Draws as many samples as there are, with replacement, within each source. */
function intervalOf(samples: readonly Sample[], { seed, resamples }: BootstrapOptions): Interval {
  const sources = bySource(samples);
  const random = new Random(seed, "bootstrap");
  const means = new Float64Array(resamples);
  for (let round = 0; round < resamples; round += 1) {
    let sum = 0;
    for (const values of sources) sum += meanOfDraw(values, random);
    means[round] = sum / sources.length;
  }
  means.sort();
  return {
    mean: meanOfMeans(sources),
    low: quantile(means, TAIL_SHARE),
    high: quantile(means, 1 - TAIL_SHARE),
  };
}

function meanOfDraw(values: Float64Array, random: Random): number {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) {
    sum += values[Math.floor(random.next() * values.length)] ?? 0;
  }
  return sum / values.length;
}

function meanOfMeans(sources: readonly Float64Array[]): number {
  let sum = 0;
  for (const values of sources) {
    sum += values.reduce((total, value) => total + value, 0) / values.length;
  }
  return sum / sources.length;
}

function bySource(samples: readonly Sample[]): readonly Float64Array[] {
  if (samples.length === 0) throw new Error("there is no mean of nothing");
  const sources = new Map<string, number[]>();
  for (const { source, value } of samples) {
    if (!Number.isFinite(value)) throw new Error(`a sample of ${source} is ${value}`);
    const values = sources.get(source);
    if (values === undefined) sources.set(source, [value]);
    else values.push(value);
  }
  return [...sources.values()].map((values) => Float64Array.from(values));
}

function logs(samples: readonly Sample[]): readonly Sample[] {
  return samples.map(({ source, value }) => {
    if (!(value > 0)) throw new Error(`a sample of ${source} is ${value}, expected more than 0`);
    return { source, value: Math.log(value) };
  });
}

/** Of sorted values, straight between neighbours. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? NaN;
  return low + (high - low) * (place - below);
}
