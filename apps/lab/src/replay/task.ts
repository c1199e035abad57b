// One workload under several policies: what a thread does at a time. Everything in and out can be cloned.
import {
  actuatorOf,
  ACTUATORS,
  policyByName,
  PRICES,
  run,
  runClairvoyant,
  TCG_CALIBRATION,
  type Policy,
  type RunOptions,
  type Score,
  type Workload,
} from "@selfscale/evaluation";
import { type MachineOptions } from "./options.ts";
import { load, type Source } from "./workloads.ts";

export type Task = Readonly<{
  source: Source;
  policies: readonly string[];
  machine: MachineOptions;
}>;

export type TaskResult = Readonly<{
  workload: string;
  /** Scores are averaged within a source first. */
  source: string;
  seed: number;
  kind: Source["kind"];
  clairvoyant: Score;
  /** In the order of the task's policies. */
  scores: readonly Readonly<{ policy: string; score: Score }>[];
  notes: readonly string[];
}>;

export function runOptionsOf({ actuator, swapGib }: MachineOptions): RunOptions {
  const profile = actuator === "tcg" ? actuatorOf(TCG_CALIBRATION) : ACTUATORS[actuator];
  return { profile: { actuator: profile, swapGib }, prices: PRICES };
}

/** The command line has read the name before: it is right. */
export function policyFor(name: string, workload: Workload): Policy {
  const choice = policyByName(name);
  if (choice.kind === "problem") throw new Error(choice.problem);
  return choice.policyFor(workload);
}

/** Throws UnusableTraceError. */
export function perform({ source, policies, machine }: Task): TaskResult {
  const { workload, notes } = load(source, machine);
  const options = runOptionsOf(machine);
  return {
    workload: workload.name,
    source: workload.source,
    seed: workload.seed,
    kind: source.kind,
    clairvoyant: runClairvoyant(workload, options),
    scores: policies.map((name) => {
      return { policy: name, score: run(workload, policyFor(name, workload), options) };
    }),
    notes,
  };
}
