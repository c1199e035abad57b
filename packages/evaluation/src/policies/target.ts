// Target tracking: the shape of Kubernetes' HorizontalPodAutoscaler, applied to a size instead of a number of replicas.
import { usableGib } from "../machine/profile.ts";
import { type Decider, type Policy, type VmGiven } from "../policy.ts";
import { TICK_SEC } from "../workload.ts";
import { containerWorkingSetGib, fitCpu, fitMem, vmSizeFor } from "./guest.ts";
import { defaultsOf, nameWith, type SettingsOf } from "./settings.ts";
import { MaxWindow, MeanWindow } from "./windows.ts";

export const TARGET_SETTINGS = {
  share: { unit: "share", default: 0.7, min: 0.05, max: 1, help: "utilisation that is aimed at" },
  window: { unit: "s", default: 15, min: 0.25, max: 3_600, help: "usage is its mean over this" },
  hold: { unit: "s", default: 300, min: 0, max: 86_400, help: "down only to the most of this" },
  tolerance: {
    unit: "share",
    default: 0.1,
    min: 0,
    max: 1,
    help: "closer than this to the target nothing is done",
  },
} as const;

/**
 * desired = current × (utilisation ÷ target), looked at every 15 s (here: once per window); a ratio within 10 % of 1
 * changes nothing; growth at once, shrinking only to the largest recommendation of the last 300 s.
 * Source: kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale, "Algorithm details" and "Stabilization
 * window"; defaults of kube-controller-manager's `--horizontal-pod-autoscaler-*` flags.
 *
 * CPU is time used; memory is the container's working set. Left out: the rate limit of growth, which is in pods.
 */
export function targetPolicy(
  settings: SettingsOf<typeof TARGET_SETTINGS> = defaultsOf(TARGET_SETTINGS),
): Policy {
  return {
    name: nameWith("target", TARGET_SETTINGS, settings),
    isCoupled: false,
    start: (vm) => ({ decide: targetDecider(settings, vm), startSize: null }),
  };
}

function targetDecider(settings: SettingsOf<typeof TARGET_SETTINGS>, vm: VmGiven): Decider {
  const windowTicks = Math.max(1, Math.round(settings.window / TICK_SEC));
  const holdRounds = Math.max(1, Math.ceil(settings.hold / (windowTicks * TICK_SEC)));
  const cpu = tracker(settings, windowTicks, holdRounds);
  const mem = tracker(settings, windowTicks, holdRounds);
  let tick = 0;
  return (seen, want) => {
    cpu.usage.add(seen.busyCpus);
    mem.usage.add(containerWorkingSetGib(seen));
    tick += 1;
    if (tick % windowTicks !== 0) return;
    want.cpu = fitCpu(vm, cpu.next(want.cpu));
    // The target is a share of what processes can use of the size.
    want.memGib = fitMem(vm, vmSizeFor(mem.next(usableGib(want.memGib))));
  };
}

/** Follows one resource. */
function tracker(
  { share, tolerance }: SettingsOf<typeof TARGET_SETTINGS>,
  windowTicks: number,
  holdRounds: number,
): Readonly<{ usage: MeanWindow; next: (current: number) => number }> {
  const usage = new MeanWindow(windowTicks);
  const recommended = new MaxWindow(holdRounds);
  return {
    usage,
    next: (current) => {
      const wanted = usage.mean / share;
      const isNear = Math.abs(wanted / current - 1) <= tolerance;
      const recommendation = isNear ? current : wanted;
      recommended.add(recommendation);
      if (recommendation >= current) return recommendation;
      return recommended.max < current ? recommended.max : current;
    },
  };
}
