// A controller that looks once a second: CPU as kondense sizes a container, memory as Meta's senpai probes a cgroup.
import { type Decider, type Observation, type Policy, type VmGiven } from "../policy.ts";
import { TICK_SEC } from "../workload.ts";
import { between } from "./guest.ts";
import { defaultsOf, nameWith, type SettingsOf } from "./settings.ts";
import { MeanWindow } from "./windows.ts";

export const SENPAI_SETTINGS = {
  share: { unit: "share", default: 0.8, min: 0.05, max: 1, help: "CPU use that is aimed at" },
  window: { unit: "s", default: 6, min: 1, max: 600, help: "CPU use is its mean over this" },
  coeff: {
    unit: "factor",
    default: 0,
    min: 0,
    max: 100,
    help: "growth of CPU by adj is adj + (coeff·adj)² instead",
  },
  pressure: {
    unit: "ms",
    default: 10,
    min: 0.01,
    max: 10_000,
    help: "stalls for memory that are aimed at, per interval",
  },
  interval: { unit: "s", default: 6, min: 1, max: 600, help: "of memory's probes", isWhole: true },
} as const;

type SenpaiSettings = SettingsOf<typeof SENPAI_SETTINGS>;

const ROUND_TICKS = 1 / TICK_SEC;
/** senpai.py: --max-probe, --max-backoff, --coeff-probe, --coeff-backoff. */
const PROBE_MOST = 0.01;
const BACKOFF_MOST = 1;
const COEFF_PROBE = 10;
const COEFF_BACKOFF = 20;
/** A page that was dropped and is read again stalls its reader: 131 072 pages of 8 KiB per GiB, 0.5 ms each. */
const STALL_MS_PER_REFAULT_GIB = 131_072 * 0.5;
const TICK_MS = TICK_SEC * 1000;

/**
 * Every second, CPU: new = mean of 6 s ÷ 0.8; growth by a factor of 1 + adj becomes 1 + adj + (coeff·adj)² with coeff
 * set. Memory: the limit grows by min(1, (stall ÷ target ÷ 20)²) as soon as the stalls since the last change are above
 * 10 ms, and shrinks by min(1, (target ÷ stall ÷ 10)²) %, a hundredth at most, when 6 s stayed below.
 * Sources: unagex/kondense doc/cpu.md and pkg/controller/container.go; facebookincubator/senpai senpai.py.
 *
 * Stalls are the pressure that swapping makes and the wait for cache that was dropped, as the kernel's PSI counts
 * refaults. The limit is the size of the VM. kondense's default `coeff` is not in its documents: 0 here.
 */
export function senpaiPolicy(settings: SenpaiSettings = defaultsOf(SENPAI_SETTINGS)): Policy {
  return {
    name: nameWith("senpai", SENPAI_SETTINGS, settings),
    isCoupled: false,
    start: (vm) => ({ decide: senpaiDecider(settings, vm), startSize: null }),
  };
}

function senpaiDecider(settings: SenpaiSettings, vm: VmGiven): Decider {
  const usage = new MeanWindow(Math.round(settings.window / TICK_SEC));
  const memory = senpaiMemory(settings, vm);
  return (seen, want) => {
    usage.add(seen.busyCpus);
    memory.note(stallMs(seen));
    if (seen.tick % ROUND_TICKS !== 0) return;
    const limit = between(want.cpu, vm.min.cpu, vm.max.cpu);
    const adjust = usage.mean / settings.share / limit - 1;
    const growth = adjust > 0 ? adjust + (settings.coeff * adjust) ** 2 : adjust;
    want.cpu = limit * (1 + growth);
    want.memGib = memory.round();
  };
}

function stallMs(seen: Readonly<Observation>): number {
  const stall = seen.memPressureShare * TICK_MS + seen.refaultGib * STALL_MS_PER_REFAULT_GIB;
  return stall < TICK_MS ? stall : TICK_MS;
}

/** senpai's tick. The limit is not rounded: a hundredth of a small VM is less than a cell of the grid. */
function senpaiMemory(
  { pressure, interval }: SenpaiSettings,
  { min, max }: VmGiven,
): Readonly<{ note: (stallMs: number) => void; round: () => number }> {
  let limitGib = min.memGib;
  let stalled = 0;
  let graceRounds = interval;
  const adjust = (by: number) => {
    limitGib = between(limitGib * (1 + by), min.memGib, max.memGib);
    stalled = 0;
    graceRounds = interval - 1;
    return limitGib;
  };
  return {
    note: (ms) => {
      stalled += ms;
    },
    round: () => {
      if (stalled > pressure) {
        const error = stalled / pressure / COEFF_BACKOFF;
        return adjust(Math.min(error * error * BACKOFF_MOST, BACKOFF_MOST));
      }
      if (graceRounds > 0) {
        graceRounds -= 1;
        return limitGib;
      }
      // senpai counts microseconds, and at least one of them.
      const error = pressure / Math.max(stalled, 0.001) / COEFF_PROBE;
      return adjust(-Math.min(error * error * PROBE_MOST, PROBE_MOST));
    },
  };
}
