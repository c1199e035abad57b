// The median of a few measurements, and how sure it is. Nothing is assumed of how they are spread.

export type MedianInterval = Readonly<{ median: number; low: number; high: number }>;

const DOUBT = 0.05;

/**
 * The median with its interval of 95 %, by the sign test: each value lies below the true median as often as above it, so how many
 * do is a matter of coins, and the interval's ends are values that were seen. Six values are the fewest that have one; of fewer the ends
 * are NaN.
 */
export function medianInterval(values: readonly number[]): MedianInterval {
  const sorted = [...values].sort((a, b) => a - b);
  const { length } = sorted;
  const at = (rank: number) => sorted[rank - 1] ?? NaN;
  const median = (at(Math.ceil(length / 2)) + at(Math.ceil((length + 1) / 2))) / 2;
  const rank = lowestRank(length);
  return { median, low: at(rank), high: rank === 0 ? NaN : at(length + 1 - rank) };
}

/** The largest k such that k − 1 or fewer heads of `tosses` are as unlikely as half the doubt; 0: there is none. */
function lowestRank(tosses: number): number {
  let [rank, chance] = [0, 2 ** -tosses];
  for (let sum = chance; sum <= DOUBT / 2; sum += chance) {
    rank += 1;
    chance *= (tosses - rank + 1) / rank;
  }
  return rank;
}
