// How much of the database is in use: read off the working set over the last 1, 2, 3 … minutes. Knows no units.

export type EstimateOptions = Readonly<{
  /** The first point that can be the answer. At least windowSize − 1. */
  initialOffset: number;
  /** Points a slope spans, both ends counted. At least 2. */
  windowSize: number;
  /** A slope steeper than this many times the one before it is a cliff. */
  maxIncreaseFactor: number;
}>;

/**
 * The working set is where the curve first goes flat: the point after which it rises far more steeply than
 * before it, since what comes then is the past, not today's work. Without such a cliff it is the last point.
 */
export function estimateWorkingSet(series: readonly number[], options: EstimateOptions): number {
  const { initialOffset, maxIncreaseFactor } = options;
  assertOptions(options);
  const reach = options.windowSize - 1;
  for (let index = initialOffset; index < series.length - reach; index += 1) {
    const here = at(series, index);
    const riseBefore = Math.max(0, here - at(series, index - reach));
    const riseAfter = Math.max(0, at(series, index + reach) - here);
    if (riseAfter > riseBefore * maxIncreaseFactor) return here;
  }
  return at(series, series.length - 1);
}

/**
 * The highest value that any rise in the series would reach if it went on for `projectLength` more points.
 *
 * The deployed function panics on a single point, which a falling series with windows of 2 can hand it; ours
 * has nothing to project then, and returns the point.
 */
export function projectNextHighest(series: readonly number[], projectLength: number): number {
  let highest = at(series, 0);
  for (let index = 1; index < series.length; index += 1) {
    const before = at(series, index - 1);
    const here = Math.max(before, at(series, index)); // a fall is noise of the estimator
    highest = Math.max(highest, here + (here - before) * projectLength);
  }
  return highest;
}

function assertOptions({ initialOffset, windowSize }: EstimateOptions): void {
  if (windowSize < 2) throw new Error(`a window has at least 2 points, not ${windowSize}`);
  if (initialOffset < windowSize - 1) {
    throw new Error(`a window of ${windowSize} points fits before point ${initialOffset}`);
  }
}

function at(series: readonly number[], index: number): number {
  const value = series[index];
  if (value === undefined) throw new Error(`a series of ${series.length} has a point ${index}`);
  return value;
}
