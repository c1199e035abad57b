// How large the node is, as far as nobody has said: the smallest limit of the slice that the QEMUs are in, or the machine.
import path from "node:path";
import { foldersAboveSelf, foldersFrom } from "./cgroup-tree.ts";
import { findNumber, readText } from "./read-text.ts";

export type NodePlace = Readonly<{
  /** /proc, or what a test has in its place. */
  proc: string;
  /** The slice that holds the QEMUs; null: the one that this process's own cgroup is in. */
  cgroup: string | null;
}>;

/** `amount`: milli-vCPU or bytes. `source`: the file it came from, for people. */
export type Found = Readonly<{ amount: number; source: string }>;

/** null: nothing on this machine says it. */
export function detectMemory(place: NodePlace): Found | null {
  const total = findNumber(readText(path.join(place.proc, "meminfo")), /^MemTotal:\s+(\d+) kB$/m);
  return smallest([
    total === null ? null : { amount: total * 1024, source: "MemTotal of /proc/meminfo" },
    ...foldersOf(place).mem.flatMap((folder) => [
      // "max" and the huge number that version 1 writes are no limit; a machine's size is smaller than the latter.
      limit(path.join(folder, "memory.max"), /^(\d+)$/m),
      limit(path.join(folder, "memory.limit_in_bytes"), /^(\d+)$/m),
    ]),
  ]);
}

export function detectCpu(place: NodePlace): Found | null {
  const stat = readText(path.join(place.proc, "stat")) ?? "";
  const online = [...stat.matchAll(/^cpu\d+ /gm)].length;
  return smallest([
    online === 0 ? null : { amount: online * 1000, source: "online CPUs of /proc/stat" },
    ...foldersOf(place).cpu.flatMap((folder) => [quotaV2(folder), quotaV1(folder)]),
  ]);
}

function foldersOf({ proc, cgroup }: NodePlace) {
  return cgroup === null ? foldersAboveSelf(proc) : foldersFrom(proc, cgroup);
}

function limit(file: string, pattern: RegExp): Found | null {
  const amount = findNumber(readText(file), pattern);
  return amount === null ? null : { amount, source: file };
}

function quotaV2(folder: string): Found | null {
  const file = path.join(folder, "cpu.max");
  const match = /^(\d+) (\d+)$/m.exec(readText(file) ?? "");
  return match === null ? null : quota(Number(match[1]), Number(match[2]), file);
}

function quotaV1(folder: string): Found | null {
  const file = path.join(folder, "cpu.cfs_quota_us");
  const quotaUs = findNumber(readText(file), /^(\d+)$/m); // -1: no limit
  const periodUs = findNumber(readText(path.join(folder, "cpu.cfs_period_us")), /^(\d+)$/m);
  return quotaUs === null || periodUs === null ? null : quota(quotaUs, periodUs, file);
}

function quota(quotaUs: number, periodUs: number, source: string): Found | null {
  return periodUs === 0 ? null : { amount: Math.floor((quotaUs / periodUs) * 1000), source };
}

/** Limits nest: whatever is above also binds. The first of equals is named. */
function smallest(found: readonly (Found | null)[]): Found | null {
  return found.reduce((least, one) => {
    if (one === null) return least;
    return least === null || one.amount < least.amount ? one : least;
  }, null);
}
