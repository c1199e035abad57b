import { nextWord, numberAt } from "./scan.ts";

/** The kernel counts CPU time in these for user space, whatever its own HZ is (USER_HZ). */
const TICK_MS = 10;

/**
 * Columns of the first line of /proc/stat in which a CPU did something: user, nice, system, irq,
 * softirq. Guest time is in user already. In iowait and steal nothing was done for this machine.
 */
const BUSY_COLUMNS = [true, true, true, false, false, true, true] as const;

/** All CPUs added, since boot, in milliseconds. */
export type CpuTimes = Readonly<{
  /** In which they did something. */
  busyMs: number;
  /** In which they had something to do and the host did not let them: the next column, steal. */
  stolenMs: number;
}>;

/** null for other text. A kernel that knows no steal tells none. */
export function parseStat(bytes: Buffer, length: number): CpuTimes | null {
  let at = nextWord(bytes, 0, length); // past "cpu"
  let ticks = 0;
  for (const isBusy of BUSY_COLUMNS) {
    const column = numberAt(bytes, at, length);
    if (isBusy) ticks += column;
    at = nextWord(bytes, at, length);
  }
  if (Number.isNaN(ticks)) return null;
  const stolen = numberAt(bytes, at, length);
  return { busyMs: ticks * TICK_MS, stolenMs: Number.isNaN(stolen) ? 0 : stolen * TICK_MS };
}
