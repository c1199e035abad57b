// Every number of the sizing policy, with its unit, its default and what moving it costs.
// docs/policy.md shows the formulas, and says how the numbers were found and what each step of it brought.
import { type HoldPolicy } from "./hold.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** How eagerly CPU grows and how patiently it falls. */
export type CpuPolicy = HoldPolicy &
  Readonly<{
    /**
     * Share of the CPU that is meant to be busy. Lower costs money; speed, not room, buys latency.
     */
    busyTargetShare: number;
    /** Above this share it grows to the target; … */
    busyLimitShare: number;
    /** … and this share is what it shrinks to. */
    busyKeepShare: number;
    /** From this share of busy CPU on, waiting tasks mean that CPU is short. */
    saturatedShare: number;
    /** Share of time in which somebody waits, that confirms it. 0.05 to 0.5 makes no difference. */
    pressureShare: number;
    /**
     * How long it must last: one more sample. 1 s instead of 0.25 s makes the mean delay nine times
     * longer.
     */
    confirmMs: number;
    /** Shortest time between two jumps. */
    attackPauseMs: number;
    /** Up to this multiple of what it has, a jump goes to where all runnable tasks fit; … */
    jumpSure: number;
    /** … half of what is beyond counts; and this is the most that a jump multiplies by. */
    jumpMax: number;
    /** Any growth is at least this much, or it would creep by single steps. */
    growMinShare: number;
    /** How long a jump is kept beyond what turned out to be needed: long enough to see what is. */
    jumpHoldMs: number;
    /** Throttled share above which nothing is released to a fraction of a core. */
    calmThrottledShare: number;
    /** Below the online CPUs: tasks that wait on average before the guest's own signals count. */
    surgeTasks: number;
    /** Tasks that wait on average for each CPU, from which on a shortage needs no second reading. */
    surgePerCpu: number;
    /** Runnable tasks that no pause of a quota explains: a jump from a fraction of a core may pass one core. */
    crowdTasks: number;
    /** Each fraction of a core that was soon regretted doubles its hold, up to this multiple. */
    regretMax: number;
    /** For a burst that one core can serve: how soon is soon at least. */
    regretWithinMs: number;
  }>;

/** How eagerly memory grows and how patiently it falls. */
export type MemoryPolicy = HoldPolicy &
  Readonly<{
    /** Share of usable memory that non-reclaimable memory may fill. */
    fillShare: number;
    /** How far ahead the present slope is followed to see whether it must grow … */
    leadMs: number;
    /** … and how much further once it must, so that one jump is enough. Given back after the hold. */
    aheadMs: number;
    /** A growth is expected to go on to at most this multiple of what was seen of it. */
    surgeFactor: number;
    /** The most that following a slope adds. */
    leadMaxBytes: number;
    /** Above this share of usable memory everything is urgent. */
    emergencyShare: number;
    /** What an emergency multiplies the size by. */
    emergencyFactor: number;
    /** Stalls, swapping and pressure are urgent only while less than this share is available. */
    scarceShare: number;
    /** Share of half a second lost waiting for memory, that is urgent then. */
    emergencyPressureShare: number;
    /** Growth is at least this share of the size, within the next two. */
    growShare: number;
    growMinBytes: number;
    growMaxMinBytes: number;
    /** What is desired stays this far above what can't be given back, whatever else is said. */
    safetyBytes: number;
    /** How long room for what might come next is kept when it did not come. */
    jumpHoldMs: number;
    reserveMinBytes: number;
    reserveMaxBytes: number;
    /**
     * The reserve is at most this multiple of what is in use: 2 lets a VM stand two thirds empty. More
     * and a VM on a fast machine grows while it idles; less and a small VM meets a sudden allocation
     * with less in hand.
     */
    reserveUseFactor: number;
    /** A slower reaction is an incident, not a property of the machine: it is not counted. */
    reactMaxMs: number;
    /** Reactions measured before they replace the start value; until then they only raise it. */
    reactEnough: number;
    /** Share of the last 10 s lost waiting for memory, above which nothing is released. */
    calmPressureShare: number;
    /** Cache pages read back after they were dropped, per second: the cache is too small. */
    refaultBytesPerSec: number;
    /** What such a cache is given: this share of the size more, and for how long. */
    cacheStepShare: number;
    cacheHoldMs: number;
    /** Each time it is missed soon after that, it is kept four times as long, up to this. */
    cacheHoldMaxMs: number;
    /** Otherwise the claim of the cache falls by this share of the size per `cacheProbeEveryMs`. */
    cacheProbeShare: number;
    cacheProbeEveryMs: number;
    /** It falls no further at once than this share of the size below what is there. */
    cacheShrinkShare: number;
    /** Nothing is released this long after the OOM killer was at work. */
    oomHoldMs: number;
    /**
     * Half as much again as the size in which the kernel killed a process is needed for this long. Each time it kills again
     * soon after that, four times as long, up to the second.
     */
    oomKeepMs: number;
    oomKeepMaxMs: number;
    /**
     * No new consent this long after one that freed nothing, doubling from the first to the second.
     */
    retryMinMs: number;
    retryMaxMs: number;
  }>;

/** All of it. Per VM. */
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
    busyLimitShare: 0.95,
    busyKeepShare: 0.9,
    saturatedShare: 0.95,
    pressureShare: 0.15,
    confirmMs: 200,
    attackPauseMs: 500,
    jumpSure: 4,
    jumpMax: 8,
    growMinShare: 0.15,
    holdMs: 12_000,
    holdMinMs: 1_500,
    holdMaxMs: 48_000,
    resizeUnitSec: 4,
    regretSec: 2,
    forgetMs: 600_000,
    worthUnitSec: 10,
    jumpHoldMs: 1_500,
    calmThrottledShare: 0.05,
    surgeTasks: 2,
    surgePerCpu: 1.5,
    crowdTasks: 6,
    regretMax: 16,
    regretWithinMs: 60_000,
  },
  memory: {
    fillShare: 0.92,
    leadMs: 1_500,
    aheadMs: 3_000,
    surgeFactor: 8,
    leadMaxBytes: 4 * GIB,
    emergencyShare: 0.88,
    emergencyFactor: 1.5,
    scarceShare: 0.25,
    emergencyPressureShare: 0.1,
    growShare: 0.5,
    growMinBytes: 128 * MIB,
    growMaxMinBytes: 512 * MIB,
    safetyBytes: 100 * MIB,
    holdMs: 60_000,
    holdMinMs: 15_000,
    holdMaxMs: 240_000,
    resizeUnitSec: 4,
    regretSec: 10,
    forgetMs: 1_800_000,
    worthUnitSec: 10,
    jumpHoldMs: 10_000,
    reserveMinBytes: 64 * MIB,
    reserveMaxBytes: GIB,
    reserveUseFactor: 2,
    reactMaxMs: 5_000,
    reactEnough: 5,
    calmPressureShare: 0.001,
    refaultBytesPerSec: MIB / 4,
    cacheStepShare: 0.05,
    cacheHoldMs: 600_000,
    cacheHoldMaxMs: 86_400_000,
    cacheProbeShare: 0.01,
    cacheProbeEveryMs: 6_000,
    cacheShrinkShare: 0.08,
    oomHoldMs: 30_000,
    oomKeepMs: 600_000,
    oomKeepMaxMs: 86_400_000,
    retryMinMs: 5_000,
    retryMaxMs: 300_000,
  },
  startHoldMs: 60_000,
  shortGrantHoldMs: 10_000,
  staleMs: 2_000,
};

/** Short holds, so that people see a VM come back down within a minute or two. Costs resizes. */
const DEMO: PolicyConfig = {
  cpu: {
    ...DEFAULT.cpu,
    holdMs: 5_000,
    holdMinMs: 5_000,
    holdMaxMs: 5_000,
    worthUnitSec: 5,
    jumpHoldMs: 5_000,
  },
  memory: {
    ...DEFAULT.memory,
    holdMs: 10_000,
    holdMinMs: 10_000,
    holdMaxMs: 10_000,
    worthUnitSec: 1,
    // An emulated guest stalls for a few milliseconds whenever it reads a program from disk.
    calmPressureShare: 0.01,
    refaultBytesPerSec: 2 * MIB,
    cacheHoldMs: 15_000,
    cacheHoldMaxMs: 15_000,
    cacheProbeShare: 0.05,
    cacheProbeEveryMs: 1_000,
    oomHoldMs: 10_000,
    oomKeepMs: 15_000,
    oomKeepMaxMs: 15_000,
  },
  startHoldMs: 5_000,
  shortGrantHoldMs: 5_000,
  staleMs: DEFAULT.staleMs,
};

/** The sets of numbers that have a name: the defaults, less money, fewer resizes, and one to show. */
export const PRESETS = {
  default: DEFAULT,
  frugal: withCalm(DEFAULT, 0),
  calm: withCalm(DEFAULT, 1),
  demo: DEMO,
} as const satisfies Record<string, PolicyConfig>;
export type PresetName = keyof typeof PRESETS;

/**
 * The one knob for patience, 0 … 1: what a release must have been idle for, and what a resize is taken to cost, times
 * 4^(2·calm − 1). 0.5 gives the defaults; less follows the need more closely, more resizes less often.
 */
export function withCalm(policy: PolicyConfig, calm: number): PolicyConfig {
  const factor = 4 ** (2 * Math.min(Math.max(calm, 0), 1) - 1);
  const patient = <T extends HoldPolicy>(of: T): T => ({
    ...of,
    resizeUnitSec: of.resizeUnitSec * factor,
    worthUnitSec: of.worthUnitSec * factor,
  });
  return { ...policy, cpu: patient(policy.cpu), memory: patient(policy.memory) };
}
