// Chance that can be repeated: a seeded generator (sfc32; passes PractRand) and the distributions that workloads need.

/** Same seed and stream, same numbers. `stream` keeps independent uses of one seed apart. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, stream = "") {
    this.#a = seed | 0;
    this.#b = hash(stream);
    this.#c = 0x9e3779b9 | 0;
    for (let round = 0; round < 12; round += 1) this.next();
  }

  /** Evenly in [0, 1). */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return (sum >>> 0) / 4294967296;
  }

  /** Evenly in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  /** Mean 0, deviation 1 (Box-Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  /** Time to the next event of a Poisson process that has one per `mean`. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  }
  return value | 0;
}

/**
 * Log-normal noise of mean 1 that remembers: AR(1) of the logarithm with time constant `tauSec`, so that samples
 * `tickSec` apart have correlation e^(−tickSec/tauSec). `cv`: deviation ÷ mean.
 */
export function logNormalNoise(
  random: Random,
  { cv, tauSec, tickSec }: Readonly<{ cv: number; tauSec: number; tickSec: number }>,
): () => number {
  const variance = Math.log(1 + cv * cv);
  const sigma = Math.sqrt(variance);
  const keep = Math.exp(-tickSec / tauSec);
  const fresh = Math.sqrt(1 - keep * keep);
  let z = random.normal();
  return () => {
    z = keep * z + fresh * random.normal();
    return Math.exp(sigma * z - variance / 2);
  };
}
