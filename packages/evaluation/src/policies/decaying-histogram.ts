// The histogram of Kubernetes' recommender: buckets that grow by 5 %, and weights that halve with age.
// Source: kubernetes/autoscaler vertical-pod-autoscaler/pkg/recommender/util/{histogram,decaying_histogram,
// histogram_options}.go.

export type HistogramOptions = Readonly<{
  /** Width of the first bucket, which begins at 0. */
  firstBucket: number;
  maxValue: number;
  /** A bucket is this much wider than the one before. */
  ratio: number;
  halfLifeSec: number;
}>;

/** A bucket that holds less counts as empty. */
const EPSILON = 0.000_1;
/** Weights grow with time instead of shrinking with age; beyond this exponent everything is divided. */
const MAX_EXPONENT = 100;

export class DecayingHistogram {
  readonly #weights: Float64Array;
  readonly #starts: Float64Array;
  readonly #firstBucket: number;
  readonly #ratio: number;
  readonly #halfLifeSec: number;
  #referenceSec = 0;
  #total = 0;

  constructor({ firstBucket, maxValue, ratio, halfLifeSec }: HistogramOptions) {
    this.#firstBucket = firstBucket;
    this.#ratio = ratio;
    this.#halfLifeSec = halfLifeSec;
    const count =
      Math.ceil(Math.log((maxValue * (ratio - 1)) / firstBucket + 1) / Math.log(ratio)) + 1;
    this.#weights = new Float64Array(count);
    this.#starts = Float64Array.from({ length: count }, (_, bucket) =>
      bucket === 0 ? 0 : (firstBucket * (ratio ** bucket - 1)) / (ratio - 1),
    );
  }

  add(value: number, weight: number, atSec: number): void {
    const grown = weight * this.#factor(atSec);
    const bucket = this.#bucketOf(value);
    this.#weights[bucket] = (this.#weights[bucket] ?? 0) + grown;
    this.#total += grown;
  }

  subtract(value: number, weight: number, atSec: number): void {
    const bucket = this.#bucketOf(value);
    const held = this.#weights[bucket] ?? 0;
    const wanted = weight * this.#factor(atSec);
    const taken = wanted > held - EPSILON ? held : wanted;
    this.#weights[bucket] = held - taken;
    this.#total -= taken;
  }

  /** The end of the bucket in which that share of the weight is reached; 0 when empty. */
  percentile(share: number): number {
    const last = this.#weights.length - 1;
    let from = 0;
    while (from < last && (this.#weights[from] ?? 0) < EPSILON) from += 1;
    let to = last;
    while (to > 0 && (this.#weights[to] ?? 0) < EPSILON) to -= 1;
    if (from > to) return 0;
    const threshold = share * this.#total;
    let sum = 0;
    let bucket = from;
    for (; bucket < to; bucket += 1) {
      sum += this.#weights[bucket] ?? 0;
      if (sum >= threshold) break;
    }
    return this.#starts[Math.min(bucket + 1, last)] ?? 0;
  }

  #bucketOf(value: number): number {
    if (value < this.#firstBucket) return 0;
    const bucket = Math.floor(
      Math.log((value * (this.#ratio - 1)) / this.#firstBucket + 1) / Math.log(this.#ratio),
    );
    return Math.min(bucket, this.#weights.length - 1);
  }

  #factor(atSec: number): number {
    if (atSec - this.#referenceSec > MAX_EXPONENT * this.#halfLifeSec) this.#shift(atSec);
    return 2 ** ((atSec - this.#referenceSec) / this.#halfLifeSec);
  }

  #shift(atSec: number): void {
    const reference = Math.round(atSec / this.#halfLifeSec) * this.#halfLifeSec;
    const factor = 2 ** ((this.#referenceSec - reference) / this.#halfLifeSec);
    for (let bucket = 0; bucket < this.#weights.length; bucket += 1) {
      this.#weights[bucket] = (this.#weights[bucket] ?? 0) * factor;
    }
    this.#total *= factor;
    this.#referenceSec = reference;
  }
}
