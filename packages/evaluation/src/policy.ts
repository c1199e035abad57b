// What a sizing policy is to the laboratory: it sees the machine once a tick, as somebody inside or beside it could, and
// says what size it wants. One object of each kind is used again every tick: a policy that wants to remember copies.
import { type LabSize } from "./workload.ts";

/** What can be seen of the machine after a tick. Rates are means over the tick. */
export type Observation = {
  tick: number;
  /** Since the start, milliseconds, at the end of the tick. */
  atMs: number;
  /** What it has now. */
  cpu: number;
  memGib: number;
  /** CPUs that worked, tasks that ran or wanted to, and share of the time somebody waited. */
  busyCpus: number;
  runnable: number;
  cpuPressureShare: number;
  /** Share of its CPUs that the host took. */
  stealShare: number;
  load1: number;
  load5: number;
  /** Usable memory; of it what processes hold, what is in swap, and file cache. GiB. */
  usableGib: number;
  anonGib: number;
  swapUsedGib: number;
  cacheGib: number;
  /** File pages that are in use, as an engine that counts them would say. GiB. */
  workingSetGib: number;
  /** File pages read back that had been dropped, GiB in this tick. */
  refaultGib: number;
  /** Share of the time somebody waited for memory. */
  memPressureShare: number;
  /** Since the start. */
  oomKills: number;
  /** Floors that hints ask for now: vCPUs, and GiB on top of what is held. */
  hintCpu: number;
  hintMemGib: number;
};

/** Of a machine that nothing is known of yet. */
export function blankObservation(): Observation {
  return {
    tick: 0,
    atMs: 0,
    cpu: 0,
    memGib: 0,
    busyCpus: 0,
    runnable: 0,
    cpuPressureShare: 0,
    stealShare: 0,
    load1: 0,
    load5: 0,
    usableGib: 0,
    anonGib: 0,
    swapUsedGib: 0,
    cacheGib: 0,
    workingSetGib: 0,
    refaultGib: 0,
    memPressureShare: 0,
    oomKills: 0,
    hintCpu: 0,
    hintMemGib: 0,
  };
}

/** A wish. The machine rounds it up to its grid and keeps it within the bounds. */
export type Want = { cpu: number; memGib: number };

/** Looks, and changes `want`, which still holds what it wanted a tick ago. */
export type Decider = (seen: Readonly<Observation>, want: Want) => void;

export type VmGiven = Readonly<{ min: LabSize; max: LabSize; swapGib: number }>;

export type Policy = Readonly<{
  /** As people call it, settings included: "ours:calm=0.3". */
  name: string;
  /** True: CPU and memory move together, in units of 0.25 vCPU and 1 GiB. For the tables. */
  isCoupled: boolean;
  /** A VM starts. `startSize`: what it has before the first decision; null: what fits then. */
  start: (vm: VmGiven) => Readonly<{ decide: Decider; startSize: LabSize | null }>;
}>;
