import { nextWord, numberAt } from "./scan.ts";

/** The kernel counts CPU time in these for user space, whatever its own HZ is (USER_HZ). */
const TICK_MS = 10;

/**
 * Columns of the first line of /proc/stat in which a CPU did something: user, nice, system, irq,
 * softirq. Guest time is in user already. In iowait and steal nothing was done for this machine.
 */
const BUSY_COLUMNS = [true, true, true, false, false, true, true] as const;

/** Time since boot in which CPUs were busy, all added, in milliseconds; null for other text. */
export function parseStat(bytes: Buffer, length: number): number | null {
  let at = nextWord(bytes, 0, length); // past "cpu"
  let ticks = 0;
  for (const isBusy of BUSY_COLUMNS) {
    const column = numberAt(bytes, at, length);
    if (isBusy) ticks += column;
    at = nextWord(bytes, at, length);
  }
  return Number.isNaN(ticks) ? null : ticks * TICK_MS;
}
