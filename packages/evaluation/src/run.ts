// A workload under a policy: the score, and on request the whole story for a chart.
import { clairvoyantSchedule, scheduled } from "./clairvoyant.ts";
import { Machine } from "./machine/machine.ts";
import {
  ACTUATORS,
  ceilTo,
  CPU_STEP,
  sizeForUsable,
  type MachineProfile,
} from "./machine/profile.ts";
import { type Policy, type Want } from "./policy.ts";
import { Books, PRICES, type Prices, type Score } from "./score.ts";
import { NO_TROUBLE, type LabSize, type Workload } from "./workload.ts";

export type RunOptions = Readonly<{ profile: MachineProfile; prices: Prices }>;

/** The machine as published: the fast actuator and 2 GiB of swap. */
export const DEFAULT_RUN: RunOptions = {
  profile: { actuator: ACTUATORS.fast, swapGib: 2 },
  prices: PRICES,
};

/** The reference: what the workload costs who knows the future, and meets no trouble. */
export function runClairvoyant(workload: Workload, options: RunOptions = DEFAULT_RUN): Score {
  const calm = { ...workload, trouble: NO_TROUBLE };
  const profile = { ...options.profile, actuator: ACTUATORS.ideal };
  const policy = scheduled("clairvoyant", clairvoyantSchedule(calm, options.prices));
  return run(calm, policy, { ...options, profile });
}

/** Called after each tick with the machine as it is, and what the policy wants now. */
export type Watcher = (machine: Machine, want: Readonly<Want>, tick: number) => void;

/** Runs all of a workload. */
export function run(
  workload: Workload,
  policy: Policy,
  options: RunOptions = DEFAULT_RUN,
  watch?: Watcher,
): Score {
  const { min, max, ticks, cpu } = workload;
  const { profile, prices } = options;
  const { decide, startSize } = policy.start({ min, max, swapGib: profile.swapGib });
  const machine = new Machine(workload, profile, startSize ?? firstSize(workload));
  const books = new Books(prices);
  const want: Want = { cpu: machine.cpu.now, memGib: machine.mem.now };
  for (let tick = 0; tick < ticks; tick += 1) {
    decide(machine.seen, want);
    machine.pass(want);
    books.note(machine, cpu[tick] ?? 0);
    watch?.(machine, want, tick);
  }
  return books.score(machine.guest.oomKills);
}

/** What fits at the start: nobody is killed for how a run begins. */
function firstSize({ cpu, anonGib, workingSetGib, min, max }: Workload): LabSize {
  const memGib = sizeForUsable((anonGib[0] ?? 0) + (workingSetGib[0] ?? 0));
  return {
    cpu: Math.min(Math.max(ceilTo(cpu[0] ?? 0, CPU_STEP), min.cpu), max.cpu),
    memGib: Math.min(Math.max(memGib, min.memGib), max.memGib),
  };
}
