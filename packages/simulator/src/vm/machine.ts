// One VM as the outside sees it: a QEMU with a virtio-mem device and vCPUs, the cgroup's quota, and the guest in it.
// Nobody asks before it does: requested-size is followed for as long as it runs.
import { type HypervisorFacts } from "@selfscale/core";
import { type VmPlan } from "../story/story.ts";
import { MIB } from "../units.ts";
import { Guest, REST, type Need } from "./guest.ts";

/** As measured under TCG: 1 GiB plugs in 128 ms, unplugging takes 5.5 ms per MiB. */
const PLUG_BYTES_PER_MS = 8 * MIB;
const UNPLUG_BYTES_PER_MS = 0.18 * MIB;
/** Nothing is simulated more finely than this. */
const STEP_MS = 200;
/** From reset to a driver that plugs again. */
const BOOT_MS = 7_000;

/** How QEMU and the guest misbehave now. */
export type Manners = {
  pluggableBytes: number;
  unpluggableBytes: number;
  unplugFactor: number;
};

export class Machine {
  readonly plan: VmPlan;
  readonly uuid: string;
  guest: Guest;
  /** false: there is no process. */
  isThere = true;
  isPaused = false;
  /** QEMU's word for a guest that does not run here: it is being moved. */
  runState = "running";
  quotaMilli: number | null;
  sizeBytes = 0;
  requestedBytes = 0;
  vcpus: number;
  /** Nothing in the guest works before: it boots. */
  bootedAt: number;
  manners: Manners = { pluggableBytes: Infinity, unpluggableBytes: 0, unplugFactor: 1 };
  #process = 1;
  #at: number;
  #need: Need = REST;

  constructor(plan: VmPlan, uuid: string, now: number) {
    this.plan = plan;
    this.uuid = uuid;
    this.#at = now;
    this.bootedAt = now;
    this.vcpus = plan.vcpus;
    this.quotaMilli = plan.hasQuota ? plan.vcpus * 1000 : null;
    this.guest = this.#newGuest();
  }

  get memBytes(): number {
    return this.plan.baseMib * MIB + this.sizeBytes;
  }

  get milliCpu(): number {
    return Math.min(this.vcpus * 1000, this.quotaMilli ?? Infinity);
  }

  get isRunning(): boolean {
    return this.isThere && !this.isStopped && this.#at >= this.bootedAt;
  }

  get isStopped(): boolean {
    return this.isPaused || this.runState !== "running";
  }

  need(need: Need): void {
    this.#need = need;
    this.guest.need = need;
  }

  /** Everything up to `now` has happened. */
  advance(now: number): void {
    while (this.#at < now) {
      const ms = Math.min(STEP_MS, now - this.#at);
      this.#at += ms;
      if (!this.isRunning) continue;
      this.#moveMemory(ms);
      const quota = this.quotaMilli === null ? null : this.quotaMilli / 1000;
      this.guest.live(ms, quota, this.#at);
    }
  }

  /** What QMP and the kernel show at this moment. */
  facts(now: number): HypervisorFacts {
    this.advance(now);
    const { plan } = this;
    const quota = this.quotaMilli;
    const used = this.isRunning ? this.guest.usedCpus(quota === null ? null : quota / 1000) : 0;
    const isCut = quota !== null && this.guest.need.milliCpu > quota;
    return {
      process: `qemu-${this.#process}`,
      uuid: plan.hasUuid ? this.uuid : null,
      runState: this.isPaused ? "paused" : this.runState,
      baseMemBytes: plan.baseMib * MIB,
      memoryDevice:
        plan.deviceMib === 0
          ? null
          : {
              sizeBytes: this.sizeBytes,
              requestedBytes: this.requestedBytes,
              maxBytes: plan.deviceMib * MIB,
              blockBytes: plan.blockMib * MIB,
            },
      vcpusPlugged: this.vcpus,
      vcpusMax: plan.vcpusMax,
      quotaMilliCpu: quota,
      cpuUsedMilli: Math.round(used * 1000),
      throttledShare: quota === null ? null : isCut ? 0.5 : 0,
    };
  }

  /** The guest starts anew in the same QEMU. */
  reset(now: number): void {
    this.advance(now);
    this.sizeBytes = 0;
    this.bootedAt = now + BOOT_MS;
    this.guest = this.#newGuest();
  }

  /** Another QEMU process in place of the one that is gone. */
  boot(now: number, hasQuota: boolean): void {
    this.advance(now);
    this.#process += 1;
    this.isThere = true;
    this.isPaused = false;
    this.runState = "running";
    this.requestedBytes = 0;
    this.vcpus = this.plan.vcpus;
    this.quotaMilli = hasQuota ? this.plan.vcpus * 1000 : null;
    this.reset(now);
  }

  /** The same guest in another QEMU process: its sizes came with it. */
  arrive(): void {
    this.#process += 1;
    this.runState = "inmigrate";
  }

  /** What the guest has plugged becomes usable. */
  onlineMemory(): void {
    this.guest.onlineBytes = this.memBytes;
  }

  #newGuest(): Guest {
    const { baseMib, swapMib } = this.plan;
    const sizes = { baseBytes: baseMib * MIB, swapTotalBytes: swapMib * MIB };
    const guest = new Guest({ ...sizes, vcpus: this.vcpus });
    guest.need = this.#need;
    return guest;
  }

  #moveMemory(ms: number): void {
    this.guest.present = this.vcpus;
    const block = this.plan.blockMib * MIB;
    const { pluggableBytes, unpluggableBytes, unplugFactor } = this.manners;
    if (this.sizeBytes < this.requestedBytes) {
      const most = Math.min(this.requestedBytes, Math.max(this.sizeBytes, pluggableBytes));
      const step = Math.max(block, Math.floor((PLUG_BYTES_PER_MS * ms) / block) * block);
      this.sizeBytes = Math.min(most, this.sizeBytes + step);
    } else if (this.sizeBytes > this.requestedBytes) {
      const bytes = (UNPLUG_BYTES_PER_MS * ms) / unplugFactor;
      const free = Math.floor(Math.min(bytes, this.guest.freeableBytes) / block) * block;
      const step = Math.max(free, this.guest.freeableBytes >= block ? block : 0);
      const least = Math.max(this.requestedBytes, Math.min(this.sizeBytes, unpluggableBytes));
      this.sizeBytes = Math.max(least, this.sizeBytes - step);
    }
    const { guest, plan } = this;
    if (!plan.isOnlinedByMonitor || guest.onlineBytes > this.memBytes) this.onlineMemory();
  }
}
