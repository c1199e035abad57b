// Every number of the sizing policy, with its unit, its default and what moving it costs. docs/policy.md shows the formulas.
// Origins: measured in a model of 51 real and 30 synthetic traces unless a line says otherwise.

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

export type CpuPolicy = Readonly<{
  /** Share of the CPU that is meant to be busy. Lower costs money; speed, not room, buys latency. */
  busyTargetShare: number;
  /** From this share of busy CPU on, waiting tasks mean that CPU is short. */
  saturatedShare: number;
  /** Share of time in which somebody waits, that confirms it. 0.05 to 0.5 makes no difference. */
  pressureShare: number;
  /** How long it must last. 1 s instead of 0.25 s makes the mean delay nine times longer. */
  confirmMs: number;
  /** Shortest time between two jumps. */
  attackPauseMs: number;
  /** A jump believes the number of runnable tasks up to this multiple of what it has, … */
  jumpSure: number;
  /** … half of what is beyond, and nothing above this multiple. */
  jumpMax: number;
  /** Any growth is at least this much, or it would creep by single steps. */
  growMinShare: number;
  /** How long a unit that was needed is kept. 7 s: −6 % cost, +50 % resizes; 24 s: +9 %, −35 %. */
  holdMs: number;
  /** A release smaller than this share is not worth a resize. */
  shedShare: number;
  /** Throttled share above which nothing is released to a fraction of a core. */
  calmThrottledShare: number;
}>;

export type MemoryPolicy = Readonly<{
  /** Share of usable memory that non-reclaimable memory may fill. */
  fillShare: number;
  /** How far ahead the present slope is followed. */
  leadMs: number;
  leadMaxBytes: number;
  /** Once it must grow it looks this much further, so that one jump is enough. */
  aheadMs: number;
  /** A growth is expected to go on to at most this multiple of what the last second saw of it. */
  surgeFactor: number;
  /** Above this share of usable memory everything is urgent. */
  emergencyShare: number;
  /** What an emergency multiplies the size by. */
  emergencyFactor: number;
  /** Growth is at least half of the size, within these. */
  growMinBytes: number;
  growMaxMinBytes: number;
  /** How long a unit that was needed is kept. */
  holdMs: number;
  /** A release smaller than this share is not worth a resize. */
  shedShare: number;
  reserveMinBytes: number;
  reserveMaxBytes: number;
  /** Share of the last 10 s lost waiting for memory, above which nothing is released. */
  calmPressureShare: number;
  /** Cache pages read back after they were dropped, per second: the cache is too small. */
  refaultBytesPerSec: number;
  /** What such a cache is given: this share of the size more, and for how long. */
  cacheStepShare: number;
  cacheHoldMs: number;
  /** Nothing is released this long after the OOM killer was at work. */
  oomHoldMs: number;
}>;

export type PolicyConfig = Readonly<{
  cpu: CpuPolicy;
  memory: MemoryPolicy;
  /** Nothing is released before a full window of measurements is in. */
  startHoldMs: number;
  /** After a grant that fell short of what was wanted, nothing is released. */
  shortGrantHoldMs: number;
  /** Samples older than this are stale: they may grow the VM, not shrink it. */
  staleMs: number;
}>;

const DEFAULT: PolicyConfig = {
  cpu: {
    busyTargetShare: 0.85,
    saturatedShare: 0.92,
    pressureShare: 0.15,
    confirmMs: 250,
    attackPauseMs: 500,
    jumpSure: 4,
    jumpMax: 8,
    growMinShare: 0.15,
    holdMs: 13_000,
    shedShare: 0.25,
    calmThrottledShare: 0.05,
  },
  memory: {
    fillShare: 0.92,
    leadMs: 1_500,
    leadMaxBytes: 4 * GIB,
    aheadMs: 3_000,
    surgeFactor: 8,
    emergencyShare: 0.88,
    emergencyFactor: 1.5,
    growMinBytes: 128 * MIB,
    growMaxMinBytes: 512 * MIB,
    holdMs: 120_000,
    shedShare: 0.08,
    reserveMinBytes: 64 * MIB,
    reserveMaxBytes: GIB,
    calmPressureShare: 0.001,
    refaultBytesPerSec: 2 * MIB,
    cacheStepShare: 0.05,
    cacheHoldMs: 600_000,
    oomHoldMs: 30_000,
  },
  startHoldMs: 60_000,
  shortGrantHoldMs: 10_000,
  staleMs: 2_000,
};

/** Short holds, so that people see a VM come back down within a minute or two. Costs resizes. */
const DEMO: PolicyConfig = {
  cpu: { ...DEFAULT.cpu, holdMs: 5_000 },
  memory: { ...DEFAULT.memory, holdMs: 10_000, cacheHoldMs: 15_000, oomHoldMs: 10_000 },
  startHoldMs: 5_000,
  shortGrantHoldMs: 5_000,
  staleMs: DEFAULT.staleMs,
};

export const PRESETS = { default: DEFAULT, demo: DEMO } as const;
export type PresetName = keyof typeof PRESETS;
