import { nextWord, numberAt } from "./scan.ts";

/** /proc/loadavg. The averages count runnable *and* uninterruptible tasks. */
export type LoadAverage = Readonly<{
  load1: number;
  load5: number;
  /** Tasks runnable at this instant, the reader itself among them. */
  runnable: number;
}>;

/** `0.20 0.18 0.12 1/80 11206`; null when the text is not that. */
export function parseLoadavg(bytes: Buffer, length: number): LoadAverage | null {
  const second = nextWord(bytes, 0, length);
  const fourth = nextWord(bytes, nextWord(bytes, second, length), length);
  const load1 = averageAt(bytes, 0, length);
  const load5 = averageAt(bytes, second, length);
  const runnable = numberAt(bytes, fourth, length);
  if (Number.isNaN(load1 + load5 + runnable)) return null;
  return { load1, load5, runnable };
}

/** The kernel prints exactly two decimals. */
function averageAt(bytes: Buffer, at: number, length: number): number {
  const point = bytes.indexOf(".", at);
  if (point < 0 || point >= length) return NaN;
  return numberAt(bytes, at, length) + numberAt(bytes, point + 1, length) / 100;
}
