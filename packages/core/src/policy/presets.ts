// The sets of numbers that have a name, and the one knob for people. What each number is: config.ts.
import { type PolicyConfig } from "./config.ts";
import { type HoldPolicy } from "./hold.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const DEFAULT: PolicyConfig = {
  cpu: {
    busyTargetShare: 0.85,
    busyLimitShare: 0.95,
    busyKeepShare: 0.9,
    useWindowMs: 1_000,
    saturatedShare: 0.95,
    pressureShare: 0.15,
    confirmMs: 200,
    attackPauseMs: 500,
    jumpLeast: 2,
    jumpSure: 4,
    jumpBeyondShare: 0.5,
    jumpMax: 8,
    growMinShare: 0.15,
    holdMs: 12_000,
    holdMinMs: 1_500,
    holdMaxMs: 48_000,
    resizeUnitSec: 4,
    regretSec: 2,
    forgetMs: 600_000,
    tieShare: 0.02,
    worthUnitSec: 10,
    togetherShare: 0.1,
    jumpHoldMs: 1_500,
    catchUpMs: 2_000,
    calmThrottledShare: 0.05,
    surgeTasks: 2,
    surgePerCpu: 1.5,
    crowdTasks: 6,
    regretMax: 16,
    regretWithinMs: 60_000,
  },
  memory: {
    fillShare: 0.92,
    slopeWindowMs: 1_000,
    leadMs: 1_500,
    aheadMs: 3_000,
    surgeFactor: 8,
    leadMaxBytes: 4 * GIB,
    emergencyShare: 0.88,
    emergencyFactor: 1.5,
    scarceShare: 0.25,
    emergencyWindowMs: 500,
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
    tieShare: 0.02,
    worthUnitSec: 10,
    togetherShare: 0.1,
    jumpHoldMs: 10_000,
    reserveMinBytes: 64 * MIB,
    reserveMaxBytes: GIB,
    reserveUseFactor: 2,
    reactMaxMs: 5_000,
    reactEnough: 5,
    calmWindowMs: 10_000,
    calmPressureShare: 0.001,
    refaultBytesPerSec: MIB / 4,
    cacheStepShare: 0.05,
    cacheHoldMs: 600_000,
    cacheHoldMaxMs: 86_400_000,
    cacheProbeShare: 0.01,
    cacheProbeEveryMs: 6_000,
    cacheShrinkShare: 0.08,
    againFactor: 4,
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

/** Where each preset stands on the knob `calm`; null: it is no point of it. */
export const PRESET_CALM = { default: 0.5, frugal: 0, calm: 1, demo: null } as const;
export type PresetName = keyof typeof PRESET_CALM;

/** The sets of numbers that have a name: the defaults, less money, fewer resizes, and one to show. */
export const PRESETS: Readonly<Record<PresetName, PolicyConfig>> = {
  default: DEFAULT,
  frugal: withCalm(DEFAULT, PRESET_CALM.frugal),
  calm: withCalm(DEFAULT, PRESET_CALM.calm),
  demo: DEMO,
};

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
