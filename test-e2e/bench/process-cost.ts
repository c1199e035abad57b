// What a process has cost so far, as the kernel counts it.
import { readdirSync, readFileSync } from "node:fs";

/** CPU time of all its threads that live. Exact, unlike the ticks of /proc/PID/stat; milliseconds. */
export function cpuMsOf(pid: number): number {
  return schedstatMs(pid, 0);
}

/** How long its threads were ready to run and others had the cores. Milliseconds. */
export function waitMsOf(pid: number): number {
  return schedstatMs(pid, 1);
}

function schedstatMs(pid: number, field: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
    nanoseconds += Number(text.split(" ")[field]);
  }
  return nanoseconds / 1e6;
}

export function rssBytes(pid: number): number {
  return kibIn(`/proc/${pid}/status`, "VmRSS") * 1024;
}

export function anonymousBytes(pid: number): number {
  return kibIn(`/proc/${pid}/smaps_rollup`, "Anonymous") * 1024;
}

function kibIn(path: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(path, "utf8"))?.[1];
  if (found === undefined) throw new Error(`${path} has no ${name}`);
  return Number(found);
}
