// How a wish becomes a size: one operation per resource at a time, each with its latency; memory comes linearly, goes
// slowly, and not always all of it. Growth of memory pre-empts its shrinking.
import { TICK_SEC } from "../workload.ts";
import { type Random } from "../random.ts";
import { type ActuatorProfile, MEM_STEP_GIB, ceilTo } from "./profile.ts";

const EPSILON = 1e-9;
const RETRY_MIN_SEC = 5;
const RETRY_MAX_SEC = 300;

export class CpuActuator {
  readonly #profile: ActuatorProfile;
  /** vCPUs now; within a tick the mean of before and after counts. */
  now: number;
  /** Paid for: what it has or is about to get. */
  paid: number;
  #target: number;
  #leftSec = 0;

  constructor(profile: ActuatorProfile, start: number) {
    this.#profile = profile;
    this.now = start;
    this.paid = start;
    this.#target = start;
  }

  /** Starts an operation if none is under way; true if it did. */
  order(want: number): boolean {
    if (this.#target !== this.now || Math.abs(want - this.now) < EPSILON) return false;
    this.#target = want;
    this.#leftSec = want > this.now ? this.#profile.cpuUpSec : this.#profile.cpuDownSec;
    return true;
  }

  /** A tick passes. Gives the mean of what could be used in it. */
  pass(): number {
    if (this.#target === this.now) {
      this.paid = this.now;
      return this.now;
    }
    const before = Math.min(this.#leftSec, TICK_SEC);
    const mean = (this.now * before + this.#target * (TICK_SEC - before)) / TICK_SEC;
    this.#leftSec -= TICK_SEC;
    if (this.#leftSec <= EPSILON) this.now = this.#target;
    this.paid = Math.max(mean, this.#target);
    return mean;
  }
}

export class MemActuator {
  readonly #profile: ActuatorProfile;
  readonly #random: Random;
  now: number;
  paid: number;
  #target: number;
  #leftSec = 0;
  /** An unplug that fell short is tried again after a pause that grows. */
  #pauseSec = 0;
  #waitSec = 0;
  #wanted = 0;

  constructor(profile: ActuatorProfile, start: number, random: Random) {
    this.#profile = profile;
    this.#random = random;
    this.now = start;
    this.paid = start;
    this.#target = start;
  }

  order(want: number): boolean {
    if (Math.abs(want - this.#target) < EPSILON) return false;
    const isIdle = this.#target === this.now;
    const isPreempting = want > this.now && this.#target < this.now;
    if (!isIdle && !isPreempting) return false;
    if (want < this.now && this.#waitSec > 0) return false;
    if (Math.abs(want - this.now) < EPSILON) {
      // Only an unplug that is under way is called off.
      this.#target = this.now;
      return false;
    }
    this.#wanted = want;
    this.#target = want > this.now ? want : this.#reachable(want);
    this.#leftSec = want > this.now ? this.#profile.memUpSec : this.#profile.memDownSec;
    return this.#target !== this.now;
  }

  /** A tick passes. `floorGib`: what the guest holds can't be unplugged. */
  pass(floorGib: number): void {
    if (this.#waitSec > 0) this.#waitSec -= TICK_SEC;
    this.#move(floorGib);
    this.paid = Math.max(this.now, this.#target);
  }

  #move(floorGib: number): void {
    if (this.#target === this.now) return;
    const movingSec = Math.max(0, TICK_SEC - Math.max(0, this.#leftSec));
    this.#leftSec -= TICK_SEC;
    if (movingSec <= EPSILON) return;
    if (this.#target > this.now) {
      this.now = Math.min(this.#target, this.now + this.#profile.memUpGibPerSec * movingSec);
      return;
    }
    const lowest = Math.max(this.#target, Math.min(this.now, ceilTo(floorGib, MEM_STEP_GIB)));
    this.now = Math.max(lowest, this.now - this.#profile.memDownGibPerSec * movingSec);
    // It ends where it can't go on; a half cell is still a cell.
    if (this.now <= lowest + EPSILON) {
      this.now = ceilTo(this.now, MEM_STEP_GIB);
      this.#target = this.now;
      this.#endUnplug();
    }
  }

  #endUnplug(): void {
    const isShort = this.now > this.#wanted + EPSILON;
    this.#pauseSec = isShort
      ? Math.min(Math.max(2 * this.#pauseSec, RETRY_MIN_SEC), RETRY_MAX_SEC)
      : 0;
    this.#waitSec = this.#pauseSec;
  }

  #reachable(want: number): number {
    if (!this.#random.chance(this.#profile.partialUnplugShare)) return want;
    return ceilTo(this.now - (this.now - want) / 2, MEM_STEP_GIB);
  }
}
