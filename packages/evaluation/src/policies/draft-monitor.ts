// The monitor that the author of the proposal drafted: it names a size, from one minute of load average and memory.
import { ceilTo, CPU_STEP } from "../machine/profile.ts";
import { type Decider, type Policy } from "../policy.ts";
import { TICK_SEC } from "../workload.ts";
import { usedGib } from "./guest.ts";
import { defaultsOf, nameWith, type SettingsOf } from "./settings.ts";
import { MaxWindow } from "./windows.ts";

export const DRAFT_MONITOR_SETTINGS = {
  window: { unit: "s", default: 60, min: 1, max: 3_600, help: "the most of this is what counts" },
} as const;

type DraftSettings = SettingsOf<typeof DRAFT_MONITOR_SETTINGS>;

/** Shares of load per vCPU and of memory that the draft aims at, and its step of memory. */
const LOAD_SHARE = 0.9;
const MEMORY_SHARE = 0.75;
const MEMORY_STEP_GIB = 0.5;
/** A ScaleRequest at most this often. */
const PACE_TICKS = 1 / TICK_SEC;

/**
 * cpu = load1 ÷ 0.9 up to 0.25 vCPU, mem = used ÷ 0.75 up to 512 MiB, polled every 100 ms (here: every tick), the
 * maximum of each over a sliding minute; sent when it changed, at most once a second; every shrink is agreed to.
 * Source: neondatabase/neon pull request 8113 (draft, branch heikki/wip-autoscale-api @e67746c4); its proposal is 8111.
 *
 * The draft's agent never ran (autoscaling pull request 980 does not compile): here each resource gets what was asked.
 */
export function draftMonitorPolicy(
  settings: DraftSettings = defaultsOf(DRAFT_MONITOR_SETTINGS),
): Policy {
  return {
    name: nameWith("draft-monitor", DRAFT_MONITOR_SETTINGS, settings),
    isCoupled: false,
    start: () => ({ decide: draftDecider(settings), startSize: null }),
  };
}

function draftDecider({ window }: DraftSettings): Decider {
  const ticks = Math.round(window / TICK_SEC);
  const cpu = new MaxWindow(ticks);
  const mem = new MaxWindow(ticks);
  let sentAtTick = -Infinity;
  let sentCpu = -1;
  let sentMem = -1;
  return (seen, want) => {
    cpu.add(seen.load1);
    mem.add(usedGib(seen));
    if (seen.tick - sentAtTick < PACE_TICKS) return;
    // Rounding keeps the order, so the rounded maximum is the maximum of the rounded.
    const goalCpu = ceilTo(cpu.max / LOAD_SHARE, CPU_STEP);
    const goalMem = ceilTo(mem.max / MEMORY_SHARE, MEMORY_STEP_GIB);
    if (goalCpu === sentCpu && goalMem === sentMem) return;
    sentAtTick = seen.tick;
    sentCpu = goalCpu;
    sentMem = goalMem;
    want.cpu = goalCpu;
    want.memGib = goalMem;
  };
}
