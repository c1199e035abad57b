import { KeyedLines } from "./scan.ts";

const BYTES_PER_KB = 1024;
const KEYS = [
  "MemTotal:",
  "MemFree:",
  "MemAvailable:",
  "Cached:",
  "SwapTotal:",
  "SwapFree:",
  "AnonPages:",
  "Shmem:",
] as const;

/** /proc/meminfo, in bytes. */
export type MemInfo = Readonly<{
  /** RAM the kernel manages: less than QEMU gives, by what the kernel keeps for itself. */
  totalBytes: number;
  /** What could be allocated without swapping, by the kernel's estimate. */
  availableBytes: number;
  /** Page cache, Shmem included. */
  cachedBytes: number;
  swapTotalBytes: number;
  swapFreeBytes: number;
  anonBytes: number;
  /** tmpfs, System V and POSIX shared memory: no less resident than anonymous memory. */
  shmemBytes: number;
}>;

/** Makes a parser that remembers where the lines are; it gives null when MemTotal is missing. */
export function createMemInfoParser(): (bytes: Buffer, length: number) => MemInfo | null {
  const lines = new KeyedLines(KEYS);
  const values = new Float64Array(KEYS.length);
  const read = (key: (typeof KEYS)[number]) => (values[KEYS.indexOf(key)] ?? NaN) * BYTES_PER_KB;
  return (bytes, length) => {
    lines.scan(bytes, length, values);
    const totalBytes = read("MemTotal:");
    const freeBytes = read("MemFree:");
    if (Number.isNaN(totalBytes) || Number.isNaN(freeBytes)) return null;
    return {
      totalBytes,
      // Kernels before 3.14 give no estimate; free memory alone errs on the careful side.
      availableBytes: orElse(read("MemAvailable:"), freeBytes),
      cachedBytes: orElse(read("Cached:"), 0),
      swapTotalBytes: orElse(read("SwapTotal:"), 0),
      swapFreeBytes: orElse(read("SwapFree:"), 0),
      anonBytes: orElse(read("AnonPages:"), 0),
      shmemBytes: orElse(read("Shmem:"), 0),
    };
  };
}

function orElse(value: number, otherwise: number): number {
  return Number.isNaN(value) ? otherwise : value;
}
