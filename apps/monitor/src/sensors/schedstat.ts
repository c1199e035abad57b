import { nextLine, nextWord, numberAt, startsWith } from "./scan.ts";

const CPU = Buffer.from("cpu");
/** Of a `cpuN` line: nanoseconds that tasks waited to run. The same place in versions 15 to 17. */
const RUN_DELAY_FIELD = 8;
const NS_PER_MS = 1e6;

/**
 * How long runnable tasks waited for a CPU, summed over CPUs since boot, in milliseconds; null when
 * the text has no CPU lines.
 *
 * Δ of this ÷ Δt is the mean number of waiting tasks: the only signal that says how *many* more
 * CPUs would be used. A CPU taken offline vanishes from the sum, so a reader must expect it to fall.
 */
export function parseSchedstat(bytes: Buffer, length: number): number | null {
  let sumNs = 0;
  let cpus = 0;
  for (let line = 0; line < length; line = nextLine(bytes, line, length)) {
    if (!startsWith(bytes, line, CPU)) continue;
    let at = line;
    for (let field = 0; field < RUN_DELAY_FIELD; field++) at = nextWord(bytes, at, length);
    const ns = numberAt(bytes, at, length);
    if (Number.isNaN(ns)) continue;
    sumNs += ns;
    cpus++;
  }
  return cpus === 0 ? null : sumNs / NS_PER_MS;
}
