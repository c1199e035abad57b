// Google's Autopilot, its moving-window recommender: percentiles of days of use, and the most of an hour of them.
import { type Decider, type Policy, type VmGiven } from "../policy.ts";
import { TICK_SEC } from "../workload.ts";
import { DecayingHistogram } from "./decaying-histogram.ts";
import { containerWorkingSetGib, fitCpu, fitMem, vmSizeFor } from "./guest.ts";
import { defaultsOf, nameWith, type SettingsOf } from "./settings.ts";
import { MaxWindow } from "./windows.ts";

export const AUTOPILOT_SETTINGS = {
  cpu: { unit: "share", default: 0.95, min: 0.01, max: 1, help: "of CPU work that must fit" },
  memory: { unit: "share", default: 0.98, min: 0.01, max: 1, help: "of memory's peaks that fit" },
  margin: { unit: "share", default: 0.15, min: 0, max: 5, help: "on top of both" },
  hold: { unit: "h", default: 1, min: 0.1, max: 100, help: "the most recommended in this counts" },
} as const;

type AutopilotSettings = SettingsOf<typeof AUTOPILOT_SETTINGS>;

const SECOND_TICKS = 1 / TICK_SEC;
const ROUND_TICKS = 300 / TICK_SEC;
/** Half-lives of the windows. */
const CPU_HALF_LIFE_SEC = 12 * 3_600;
const MEMORY_HALF_LIFE_SEC = 48 * 3_600;
/** Fine enough: the paper has 400 buckets for CPU. */
const BUCKETS = { ratio: 1.02, firstBucket: 0.001, maxValue: 1_000 };

/**
 * Every 5 min: limit = 1.15 × percentile of use, then the maximum of the last hour. CPU: seconds, weighted by their age
 * with a half-life of 12 h and by their load ("load-adjusted": of the work, not of the time, 95 % fits). Memory: peaks
 * of 5 min with a half-life of 48 h, the 98th percentile, which is the default tolerance of OOM kills.
 * Source: Rzadca et al., "Autopilot: workload autoscaling at Google", EuroSys 2020, section 3.1 (moving window
 * recommenders). The paper's margin is "10–15 %"; the service's percentile and the variant that learns are left out.
 *
 * It is made for days of history and begins here with none; memory is the container's working set.
 */
export function autopilotPolicy(
  settings: AutopilotSettings = defaultsOf(AUTOPILOT_SETTINGS),
): Policy {
  return {
    name: nameWith("autopilot", AUTOPILOT_SETTINGS, settings),
    isCoupled: false,
    start: (vm) => ({ decide: autopilotDecider(settings, vm), startSize: null }),
  };
}

function autopilotDecider(settings: AutopilotSettings, vm: VmGiven): Decider {
  const cpuUse = new DecayingHistogram({ ...BUCKETS, halfLifeSec: CPU_HALF_LIFE_SEC });
  const memPeaks = new DecayingHistogram({ ...BUCKETS, halfLifeSec: MEMORY_HALF_LIFE_SEC });
  const rounds = Math.max(1, Math.round((settings.hold * 3_600) / (ROUND_TICKS * TICK_SEC)));
  const cpu = new MaxWindow(rounds);
  const mem = new MaxWindow(rounds);
  const factor = 1 + settings.margin;
  let ticks = 0;
  let busy = 0;
  let peakGib = 0;
  return (seen, want) => {
    ticks += 1;
    busy += seen.busyCpus;
    const use = containerWorkingSetGib(seen);
    if (use > peakGib) peakGib = use;
    if (ticks % SECOND_TICKS !== 0) return;
    const nowSec = seen.atMs / 1000;
    const mean = busy / SECOND_TICKS;
    busy = 0;
    cpuUse.add(mean, mean, nowSec);
    if (ticks % ROUND_TICKS !== 0) return;
    memPeaks.add(peakGib, 1, nowSec);
    peakGib = 0;
    cpu.add(cpuUse.percentile(settings.cpu) * factor);
    mem.add(memPeaks.percentile(settings.memory) * factor);
    want.cpu = fitCpu(vm, cpu.max);
    want.memGib = fitMem(vm, vmSizeFor(mem.max));
  };
}
