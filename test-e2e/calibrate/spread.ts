// From measurements to what the lab uses: a spread of each, and a line through times of several sizes.
import { type MemoryStep, type Spread } from "@selfscale/evaluation";
import { percentile } from "../bench/table.ts";

/** One resize that got where it was meant to. */
export type Timed = Readonly<{ bytes: number; ms: number }>;

export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error("nothing was measured");
  const at = (share: number) => Number(percentile(values, share).toPrecision(4));
  return { n: values.length, median: at(0.5), p10: at(0.1), p90: at(0.9) };
}

export function stepsOf(times: readonly Timed[]): MemoryStep[] {
  const sizes = [...new Set(times.map(({ bytes }) => bytes))].sort((a, b) => a - b);
  return sizes.map((bytes) => {
    const ofSize = times.filter((one) => one.bytes === bytes).map(({ ms }) => ms);
    return { bytes, ...spreadOf(ofSize) };
  });
}

/**
 * Time = fixed + bytes ÷ rate. The rate is the median of all pairs of different sizes (Theil–Sen): a single stall of a
 * busy host moves it little. The fixed part is what is left of each time.
 */
export function lineOf(times: readonly Timed[]): { fixedMs: Spread; bytesPerSec: Spread } {
  const msPerByte = times.flatMap((a) =>
    times.filter((b) => b.bytes > a.bytes).map((b) => (b.ms - a.ms) / (b.bytes - a.bytes)),
  );
  const rising = msPerByte.filter((slope) => slope > 0);
  if (rising.length < msPerByte.length / 2) throw new Error("more bytes do not take longer");
  const slope = percentile(msPerByte, 0.5);
  const { median, p10, p90 } = spreadOf(rising.map((one) => 1000 / one));
  return {
    fixedMs: spreadOf(times.map(({ bytes, ms }) => ms - bytes * slope)),
    // As many as were measured, not as many as there are pairs.
    bytesPerSec: { n: times.length, median, p10, p90 },
  };
}
