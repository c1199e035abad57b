// What a VM is asked to do, tick by tick: the input of every comparison. A policy never sees it; it sees the machine.

/** Length of a tick, seconds. Rates are per second, sizes in GiB and vCPUs. */
export const TICK_SEC = 0.25;

/** A size of the laboratory's machine. */
export type LabSize = Readonly<{ cpu: number; memGib: number }>;

/** Somebody says beforehand what will be needed: a floor under the size from `fromTick` until `untilTick`. */
export type Hint = Readonly<{
  fromTick: number;
  untilTick: number;
  cpu: number;
  addMemGib: number;
}>;

/** What goes wrong around the machine, ticks inclusive–exclusive. */
export type Trouble = Readonly<{
  /** Growth is refused while one of these lasts. */
  denials: readonly Readonly<{ fromTick: number; untilTick: number }>[];
  /** Share of changed wishes that get lost, and are heard only when they are repeated. */
  lossShare: number;
  /** Share of the memory above the least size that can't be unplugged. */
  unmovableShare: number;
}>;

/** All arrays have one entry per tick. */
export type Workload = Readonly<{
  name: string;
  /** Where it comes from: scores are averaged within a source first. */
  source: string;
  seed: number;
  ticks: number;
  min: LabSize;
  max: LabSize;
  /** CPU work that arrives, in vCPUs. */
  cpu: Float32Array;
  /** The most vCPUs that the work can use at once. */
  parallelism: Float32Array;
  /** Memory of processes that is wanted, GiB. */
  anonGib: Float32Array;
  /** File pages that are read again and again, GiB, and how fast they are read, GiB per second. */
  workingSetGib: Float32Array;
  readGibPerSec: Float32Array;
  /** Tasks that wait for a disk: they count in the load average and use no CPU. */
  waitingTasks: Float32Array;
  /** Share of its CPUs that the host takes away. */
  stealShare: Float32Array;
  hints: readonly Hint[];
  trouble: Trouble;
}>;

export const NO_TROUBLE: Trouble = { denials: [], lossShare: 0, unmovableShare: 0 };

/** What a generator of workloads fills in; everything else is quiet. */
export type Blank = Pick<
  Workload,
  | "cpu"
  | "parallelism"
  | "anonGib"
  | "workingSetGib"
  | "readGibPerSec"
  | "waitingTasks"
  | "stealShare"
>;

/** A workload of so many ticks that asks for nothing. */
export function blank(ticks: number): Blank {
  const zeros = () => new Float32Array(ticks);
  return {
    cpu: zeros(),
    parallelism: zeros().fill(Infinity),
    anonGib: zeros(),
    workingSetGib: zeros(),
    readGibPerSec: zeros(),
    waitingTasks: zeros(),
    stealShare: zeros(),
  };
}

/** A part of a workload: `ticks` ticks from `fromTick` on. Hints and denials move along. */
export function cut(workload: Workload, fromTick: number, ticks: number): Workload {
  const part = (of: Float32Array) => of.subarray(fromTick, fromTick + ticks);
  const move = <T extends Readonly<{ fromTick: number; untilTick: number }>>(of: readonly T[]) =>
    of
      .filter((one) => one.untilTick > fromTick && one.fromTick < fromTick + ticks)
      .map((one) => ({
        ...one,
        fromTick: Math.max(0, one.fromTick - fromTick),
        untilTick: one.untilTick - fromTick,
      }));
  return {
    ...workload,
    ticks: Math.min(ticks, workload.ticks - fromTick),
    cpu: part(workload.cpu),
    parallelism: part(workload.parallelism),
    anonGib: part(workload.anonGib),
    workingSetGib: part(workload.workingSetGib),
    readGibPerSec: part(workload.readGibPerSec),
    waitingTasks: part(workload.waitingTasks),
    stealShare: part(workload.stealShare),
    hints: move(workload.hints),
    trouble: { ...workload.trouble, denials: move(workload.trouble.denials) },
  };
}
