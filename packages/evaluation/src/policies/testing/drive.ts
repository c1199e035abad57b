// Shows a policy what a test wants it to see, tick by tick, without a machine: what it wants is had at once.
import {
  blankObservation,
  type Observation,
  type Policy,
  type VmGiven,
  type Want,
} from "../../policy.ts";
import { TICK_SEC } from "../../workload.ts";

export const VM: VmGiven = {
  min: { cpu: 0.25, memGib: 1 },
  max: { cpu: 16, memGib: 64 },
  swapGib: 2,
};

export type Drive = Readonly<{
  want: Readonly<Want>;
  /** So many seconds with this to see; gives what was wanted after each tick. */
  pass: (seconds: number, seen: Partial<Observation>) => readonly Readonly<Want>[];
}>;

export function drive(policy: Policy, vm: VmGiven = VM): Drive {
  const { decide, startSize } = policy.start(vm);
  const want: Want = { ...(startSize ?? vm.min) };
  let tick = 0;
  return {
    want,
    pass: (seconds, part) =>
      Array.from({ length: Math.round(seconds / TICK_SEC) }, () => {
        const { cpu, memGib } = want;
        const seen = { ...QUIET, cpu, memGib, usableGib: memGib, ...part };
        decide({ ...seen, tick, atMs: tick * TICK_SEC * 1000 }, want);
        tick += 1;
        return { ...want };
      }),
  };
}

const QUIET: Observation = blankObservation();
