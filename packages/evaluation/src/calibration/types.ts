// What a machine model needs to know of a real machine, each constant with how often and how widely it was seen.

/** Of `n` measurements. Nearest rank: values that were seen. */
export type Spread = Readonly<{ n: number; median: number; p10: number; p90: number }>;

/** A resize of this many bytes, in milliseconds. */
export type MemoryStep = Readonly<{ bytes: number }> & Spread;

/** Requests to give memory back, and how many of them the guest met only in part. */
export type Unplugs = Readonly<{
  n: number;
  partial: number;
  /** `partial` ÷ `n`. */
  share: number;
  /** Of the bytes asked for, of all requests together. */
  doneShare: number;
}>;

/** Measured by `make calibrate` on one machine; docs/calibration.md says how each was. */
export type Calibration = Readonly<{
  profile: "tcg" | "kvm";
  /** ISO 8601, when the measurement ended. */
  measuredAt: string;
  machine: Readonly<{
    cpu: string;
    cores: number;
    memBytes: number;
    kernel: string;
    qemu: string;
    guest: string;
    /** Averages over one minute: what else ran here shows in every figure. */
    loadBefore: number;
    loadAfter: number;
  }>;
  /** device_add of one vCPU until it is online, brought online as soon as the guest sees it. */
  cpuUpMs: Spread;
  /** Of which: until the guest sees it. */
  cpuSeenMs: Spread;
  /** A vCPU that is plugged already, offline to online and back, inside the guest. */
  cpuOnlineMs: Spread;
  cpuOfflineMs: Spread;
  /** A smaller quota is written until QEMU is held back; a larger one until it runs again. null: no CPU cgroup here. */
  quotaDownMs: Spread | null;
  quotaUpMs: Spread | null;
  /** requested-size is written until MemTotal shows it. */
  memUpSteps: readonly MemoryStep[];
  memUpFixedMs: Spread;
  memUpBytesPerSec: Spread;
  /** requested-size is written until size is there, in an idle guest; those that got there. */
  memDownSteps: readonly MemoryStep[];
  memDownFixedMs: Spread;
  memDownBytesPerSec: Spread;
  /** In an idle guest, and where half of each touched MiB is still held, though it would fit. */
  partialUnplugs: Readonly<{ idle: Unplugs; used: Unplugs }>;
  /** CPU-milliseconds that a busy guest of one vCPU loses to a resize. Negative: lost in the noise. */
  resizeCost: Readonly<{
    cpuPlugMs: Spread;
    memPlugMsPer128MiB: Spread;
    memUnplugMsPer128MiB: Spread;
  }>;
  /** How fast memory that is there can be taken: a loop that touches 4 MiB after 4 MiB, and one memset. */
  pageInLoopBytesPerSec: Spread;
  pageInMemsetBytesPerSec: Spread;
}>;
