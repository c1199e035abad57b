// What runs inside a VM: tasks that queue for CPUs, processes that touch memory, a file cache, swap, and the OOM killer.
// It shows what a kernel shows (CpuSample, MemorySample); the monitor knows no more than that.
import { type CpuSample, type LegacyMetrics, type MemorySample } from "@selfscale/core";
import { MIB } from "../units.ts";

const BLOCK_BYTES = 128 * MIB;
/** What the kernel keeps of a 512 MiB machine, and of what is plugged on top. */
const KERNEL_BYTES = 43 * MIB;
const BOOKKEEPING_SHARE = 0.016;
/** Slabs and margins: in MemTotal, and not available. */
const OWN_BYTES = 24 * MIB;
/** Below this much cache a machine only thrashes. */
const LEAST_CACHE_BYTES = 16 * MIB;
/** A fresh process after boot or a kill. */
const REST_BYTES = 48 * MIB;
const ALLOCATE_BYTES_PER_MS = 0.15 * MIB;
const READ_BYTES_PER_MS = 0.1 * MIB;
const SWAP_BYTES_PER_MS = 0.1 * MIB;
const PAGE_BYTES = 4096;
/** What was killed is started again by its supervisor. */
const RESTART_MS = 4_000;
/** Tasks that wait beyond this many do not change anything any more. */
const MOST_WAITING = 64;

export type Need = Readonly<{ milliCpu: number; anonBytes: number; cacheBytes: number }>;

/** An idle machine. */
export const REST: Need = {
  milliCpu: 50,
  anonBytes: REST_BYTES,
  cacheBytes: LEAST_CACHE_BYTES,
};

export class Guest {
  need: Need = REST;
  online: number;
  present: number;
  /** RAM that the kernel can use; the rest of what is plugged is offline. */
  onlineBytes: number;
  anonBytes = REST_BYTES;
  cacheBytes = LEAST_CACHE_BYTES;
  swapBytes = 0;
  oomKills = 0;
  readonly #swapTotalBytes: number;
  readonly #baseBytes: number;
  #restsUntil = 0;
  #busyMs = 0;
  #runDelayMs = 0;
  #cpuPressureMs = 0;
  #memoryPressureMs = 0;
  #refaultedAnon = 0;
  #refaultedFile = 0;
  #stalls = 0;
  #load1 = 0;
  #load5 = 0;

  constructor(options: { baseBytes: number; vcpus: number; swapTotalBytes: number }) {
    this.#baseBytes = options.baseBytes;
    this.#swapTotalBytes = options.swapTotalBytes;
    this.online = options.vcpus;
    this.present = options.vcpus;
    this.onlineBytes = options.baseBytes;
  }

  get totalBytes(): number {
    const above = Math.max(0, this.onlineBytes - this.#baseBytes);
    return Math.floor(this.onlineBytes - KERNEL_BYTES - above * BOOKKEEPING_SHARE);
  }

  get availableBytes(): number {
    return Math.max(0, this.totalBytes - this.anonBytes - OWN_BYTES);
  }

  /** Bytes that could be taken away now, caches dropped. */
  get freeableBytes(): number {
    return Math.max(0, this.availableBytes - LEAST_CACHE_BYTES);
  }

  /** Everything that it needs is resident. */
  get isFed(): boolean {
    return this.anonBytes >= this.need.anonBytes - MIB && this.swapBytes < MIB;
  }

  /** CPUs' worth of work that is done now. `quota` in vCPUs. */
  usedCpus(quota: number | null): number {
    return Math.min(this.need.milliCpu / 1000, this.online, quota ?? Infinity);
  }

  live(ms: number, quota: number | null, now: number): void {
    this.#compute(ms, quota);
    this.#touch(ms, now);
    this.#cache(ms);
  }

  readCpu(): CpuSample {
    return {
      busyMs: Math.round(this.#busyMs),
      runDelayMs: Math.round(this.#runDelayMs),
      somePressureMs: Math.round(this.#cpuPressureMs),
      runnable: 1 + Math.round(this.need.milliCpu / 1000),
      onlineCount: this.online,
      presentCount: this.present,
    };
  }

  readMemory(pluggedBytes: number): MemorySample {
    return {
      totalBytes: this.totalBytes,
      availableBytes: Math.round(this.availableBytes),
      cachedBytes: Math.round(this.cacheBytes + this.anonBytes * 0.1),
      swapTotalBytes: this.#swapTotalBytes,
      swapFreeBytes: this.#swapTotalBytes - Math.round(this.swapBytes),
      anonBytes: Math.round(this.anonBytes * 0.9),
      shmemBytes: Math.round(this.anonBytes * 0.1),
      counters: {
        refaultedAnonPages: Math.floor(this.#refaultedAnon),
        refaultedFilePages: Math.floor(this.#refaultedFile),
        allocationStalls: this.#stalls,
        oomKills: this.oomKills,
      },
      somePressureMs: Math.round(this.#memoryPressureMs),
      blocks: {
        blockBytes: BLOCK_BYTES,
        onlineCount: Math.floor(this.onlineBytes / BLOCK_BYTES),
        offlineCount: Math.floor(Math.max(0, pluggedBytes - this.onlineBytes) / BLOCK_BYTES),
      },
    };
  }

  /** The metrics page that a deployed agent scrapes. */
  readMetrics(): LegacyMetrics {
    const system = {
      load1: this.#load1,
      load5: this.#load5,
      memTotalBytes: this.totalBytes,
      memUsageBytes: Math.round(this.totalBytes - this.availableBytes) + 100 * MIB,
      memCachedBytes: Math.round(this.cacheBytes),
    };
    return { system, lfc: null };
  }

  #compute(ms: number, quota: number | null): void {
    const wanted = this.need.milliCpu / 1000;
    const used = this.usedCpus(quota);
    // Under a quota a CPU looks busy for as long as it is kept waiting: steal stays 0.
    const isCut = quota !== null && quota < this.online && wanted >= quota;
    const seen = isCut ? this.online : used;
    this.#busyMs += seen * ms;
    this.#runDelayMs += Math.min(MOST_WAITING, Math.max(0, wanted - seen)) * ms;
    if (wanted > seen + 0.01) this.#cpuPressureMs += ms;
    this.#load1 += (wanted - this.#load1) * Math.min(1, ms / 60_000);
    this.#load5 += (wanted - this.#load5) * Math.min(1, ms / 300_000);
  }

  #touch(ms: number, now: number): void {
    const isResting = now < this.#restsUntil;
    const target = isResting ? REST_BYTES : this.need.anonBytes;
    const resident = this.anonBytes + this.swapBytes;
    if (resident > target) {
      this.swapBytes = Math.min(this.swapBytes, target);
      this.anonBytes = target - this.swapBytes;
    } else this.anonBytes += Math.min(ALLOCATE_BYTES_PER_MS * ms, target - resident);

    const room = this.totalBytes - OWN_BYTES - LEAST_CACHE_BYTES;
    const over = this.anonBytes - room;
    if (over > 0) this.#overflow(over, ms, now);
    else if (this.swapBytes > 0) this.#swapIn(Math.min(-over, SWAP_BYTES_PER_MS * ms));
  }

  #overflow(over: number, ms: number, now: number): void {
    this.#memoryPressureMs += ms;
    this.#stalls += 1;
    const swapped = Math.min(over, this.#swapTotalBytes - this.swapBytes);
    this.swapBytes += swapped;
    this.anonBytes -= swapped;
    if (over - swapped < 1) return;
    this.oomKills += 1;
    this.anonBytes = Math.min(REST_BYTES, this.anonBytes);
    this.swapBytes = 0;
    this.#restsUntil = now + RESTART_MS;
  }

  #swapIn(bytes: number): void {
    const back = Math.min(bytes, this.swapBytes);
    this.swapBytes -= back;
    this.anonBytes += back;
    this.#refaultedAnon += back / PAGE_BYTES;
  }

  #cache(ms: number): void {
    const room = Math.max(LEAST_CACHE_BYTES, this.availableBytes);
    const { cacheBytes } = this.need;
    this.cacheBytes = Math.min(room, cacheBytes, this.cacheBytes + READ_BYTES_PER_MS * ms);
    // What is needed and does not fit is read again and again.
    const missing = Math.max(0, cacheBytes - room);
    if (missing > 0) this.#refaultedFile += (Math.min(missing, 16 * MIB) / PAGE_BYTES / 1000) * ms;
  }
}
