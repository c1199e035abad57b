// Memory of a guest: what processes hold, swap, the file cache and what its misses cost, and the OOM killer.
import { TICK_SEC } from "../workload.ts";
import { KERNEL_GIB, KERNEL_SHARE } from "./profile.ts";

/** Fastest that processes can take memory, and that a cache fills. GiB per second. */
const PAGE_IN_GIB_PER_SEC = 2.5;
const FILL_GIB_PER_SEC = 0.5;
const OUTAGE_TICKS = 10 / TICK_SEC;
/** Whoever took too much is gone this long. */
const GONE_TICKS = 30 / TICK_SEC;
/** What every unplug leaves free, GiB. */
const FREE_GIB = 0.1;

export class GuestMemory {
  readonly #swapGib: number;
  readonly #quietAnonGib: number;
  anonGib: number;
  cacheGib = 0;
  swapUsedGib = 0;
  /** How much slower everything is for swapping: 1 is not at all. */
  slow = 1;
  missGib = 0;
  refaultGib = 0;
  oomKills = 0;
  /** Ticks that nothing is served. */
  outageTicks = 0;
  #goneTicks = 0;
  /** Cache that was dropped: read back, it counts as refault. */
  #evictedGib = 0;

  /** `quietAnonGib`: what is left when the largest process is killed. */
  constructor(swapGib: number, quietAnonGib: number, startAnonGib: number) {
    this.#swapGib = swapGib;
    this.#quietAnonGib = quietAnonGib;
    this.anonGib = startAnonGib;
  }

  /** Least size of the VM that holds what processes hold, GiB. */
  floorGib(): number {
    return (this.anonGib - this.swapUsedGib + FREE_GIB + KERNEL_GIB) / (1 - KERNEL_SHARE);
  }

  /** A tick: processes want `anonWantGib`, and read `readGibPerSec` of a working set. */
  pass(memGib: number, anonWantGib: number, workingSetGib: number, readGibPerSec: number): void {
    const usable = memGib - (KERNEL_GIB + KERNEL_SHARE * memGib);
    if (this.outageTicks > 0) this.outageTicks -= 1;
    this.#takeAnon(anonWantGib);
    const overflow = this.anonGib - usable;
    if (overflow > this.#swapGib) this.#kill();
    this.swapUsedGib = overflow > 0 ? Math.min(overflow, this.#swapGib) : 0;
    this.slow = this.swapUsedGib > 0 ? 1 / (1 + (10 * this.swapUsedGib) / this.anonGib) : 1;
    this.#useCache(Math.max(0, usable - this.anonGib), workingSetGib, readGibPerSec);
  }

  #takeAnon(wantGib: number): void {
    let target = wantGib;
    if (this.#goneTicks > 0) {
      this.#goneTicks -= 1;
      target = Math.min(target, this.#quietAnonGib);
    }
    const most = this.anonGib + PAGE_IN_GIB_PER_SEC * TICK_SEC;
    this.anonGib = target < most ? target : most;
  }

  #kill(): void {
    this.oomKills += 1;
    this.outageTicks = OUTAGE_TICKS;
    this.#goneTicks = GONE_TICKS;
    this.anonGib = Math.min(this.anonGib, this.#quietAnonGib);
  }

  #useCache(roomGib: number, workingSetGib: number, readGibPerSec: number): void {
    this.#drop(roomGib);
    this.missGib = 0;
    this.refaultGib = 0;
    if (this.cacheGib >= workingSetGib || readGibPerSec <= 0) return;
    const hit = Math.sqrt(this.cacheGib / workingSetGib);
    this.missGib = readGibPerSec * (1 - hit) * TICK_SEC;
    this.refaultGib = Math.min(this.missGib, this.#evictedGib);
    this.#evictedGib -= this.refaultGib;
    const filled = Math.min(this.missGib, FILL_GIB_PER_SEC * TICK_SEC);
    this.cacheGib = Math.min(this.cacheGib + filled, workingSetGib);
    this.#drop(roomGib);
  }

  #drop(roomGib: number): void {
    if (this.cacheGib <= roomGib) return;
    this.#evictedGib += this.cacheGib - roomGib;
    this.cacheGib = roomGib;
  }
}
