// How large the file cache of a deployed compute may be (`neon.file_cache_size_limit`). It is a file whose pages live in the
// kernel's page cache, so it must fit into the memory that PostgreSQL leaves. The formula is the deployed monitor's, to
// the byte: a fleet moves from one monitor to the other without its caches jumping.

const MIB = 1024 * 1024;

/** Not a setting: what the deployed monitor takes off RAM as given, for the kernel: MemTotal is not what QEMU gives. */
const SYSTEM_BYTES = 100 * MIB;
/** Not a setting, but of that formula: left for everything else before the cache gets anything. */
const MIN_REMAINING_BYTES = 256 * MIB;
/** Not a setting, but of that formula: each MiB of cache leaves a tenth of one more free, … */
const SPREAD = 0.1;
/** Not a setting, but of that formula: … and it is never more than this share. */
const MOST_SHARE = 0.75;

/** Bytes, whole MiB, for a VM that is given `memBytes` of RAM. `maxBytes`: what PostgreSQL was started with room for. */
export function fileCacheBytes(memBytes: number, maxBytes = Infinity): number {
  return Math.min(cacheWithin(Math.max(0, memBytes - SYSTEM_BYTES)), floorMib(maxBytes));
}

/** Bytes, whole MiB, where `usableBytes` are all that PostgreSQL, its cache and the rest may use. */
export function cacheWithin(usableBytes: number): number {
  if (usableBytes <= MIN_REMAINING_BYTES) return 0;
  const spread = Math.trunc((usableBytes - MIN_REMAINING_BYTES) / (1 + SPREAD));
  return floorMib(Math.min(spread, Math.trunc(usableBytes * MOST_SHARE)));
}

/** PostgreSQL is told in MiB. */
function floorMib(bytes: number): number {
  return Math.floor(bytes / MIB) * MIB;
}
