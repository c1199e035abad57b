import { KeyedLines } from "./scan.ts";

const STALLS = [
  "allocstall_dma ",
  "allocstall_dma32 ",
  "allocstall_normal ",
  "allocstall_movable ",
  "allocstall_device ",
  "allocstall ", // before kernel 4.10 there was one for all zones
] as const;
const KEYS = [
  "workingset_refault_anon ",
  "workingset_refault_file ",
  "workingset_refault ", // before kernel 5.9: file pages only
  "oom_kill ",
  ...STALLS,
] as const;

/** /proc/vmstat: counts of pages or events since boot. What a kernel lacks stays 0. */
export type VmStat = Readonly<{
  /** Pages of anonymous memory read back soon after they were swapped out: thrashing. */
  refaultedAnonPages: number;
  /** Cache pages read back soon after they were dropped: the cache is too small. */
  refaultedFilePages: number;
  /** Allocations that had to reclaim memory themselves: they stall already. */
  allocationStalls: number;
  /** Processes killed for lack of memory. */
  oomKills: number;
}>;

/** Makes a parser that remembers where the lines are; it gives null for text without counters. */
export function createVmStatParser(): (bytes: Buffer, length: number) => VmStat | null {
  const lines = new KeyedLines(KEYS);
  const values = new Float64Array(KEYS.length);
  const read = (key: (typeof KEYS)[number]) => {
    const value = values[KEYS.indexOf(key)] ?? NaN;
    return Number.isNaN(value) ? 0 : value;
  };
  return (bytes, length) => {
    lines.scan(bytes, length, values);
    if (values.every(Number.isNaN)) return null;
    return {
      refaultedAnonPages: read("workingset_refault_anon "),
      refaultedFilePages: read("workingset_refault_file ") + read("workingset_refault "),
      allocationStalls: STALLS.reduce((sum, key) => sum + read(key), 0),
      oomKills: read("oom_kill "),
    };
  };
}
