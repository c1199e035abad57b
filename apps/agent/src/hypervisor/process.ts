import fs from "node:fs";

/** USER_HZ: /proc counts in hundredths of a second on every Linux we run on. */
const US_PER_TICK = 10_000;

/**
 * CPU time of the process that `id` (a process or any of its threads) belongs to, in microseconds;
 * null when there is no such process here, or it is not a QEMU: with QMP over TCP, or from another
 * PID namespace, the number may mean somebody else.
 */
export function readQemuCpuUs(id: number): number | null {
  try {
    const command = fs.readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0")[0] ?? "";
    if (!command.includes("qemu")) return null;
    // /proc/THREAD/stat, unlike /proc/PID/task/THREAD/stat, has the totals of the whole process.
    return parseCpuUs(fs.readFileSync(`/proc/${id}/stat`, "utf8"));
  } catch {
    return null; // it has ended, or /proc hides it: no reading is what there is to say
  }
}

/** The process that a thread belongs to; null when there is none here. */
export function readProcessId(thread: number): number | null {
  try {
    const match = /^Tgid:\s+(\d+)$/m.exec(fs.readFileSync(`/proc/${thread}/status`, "utf8"));
    return match === null ? null : Number(match[1]);
  } catch {
    return null; // it has ended, or /proc hides it
  }
}

/** utime + stime of a line of /proc/PID/stat. The name in it may hold spaces and parentheses. */
export function parseCpuUs(stat: string): number | null {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isFinite(ticks) ? ticks * US_PER_TICK : null;
}
