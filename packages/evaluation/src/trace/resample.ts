// Trace → workload. A point every five minutes is an envelope: within it CPU varies as it does on machines that were
// watched closely, and memory moves straight to the next point. A point every second is taken as it is.
import { logNormalNoise, Random } from "../random.ts";
import { blank, NO_TROUBLE, TICK_SEC, type Blank, type Workload } from "../workload.ts";
import { type Trace } from "./trace.ts";

export type TraceOptions = Readonly<{
  name: string;
  source: string;
  /** The machine that was measured, and the most that a policy may give. */
  cpus: number;
  /** null: 4 GiB per vCPU, as in a whole compute unit. */
  maxMemGib?: number | null;
  /** Chooses the day and the noise. */
  seed: number;
  /** Adds bursts that five-minute means hide. */
  isBursty: boolean;
  /** Of a longer trace so much is taken. */
  dayTicks?: number;
}>;

export const DAY_TICKS = 86_400 / TICK_SEC;
export const GIB_PER_CPU = 4;
const LEAST = { cpu: 0.25, memGib: 1 };

/** A trace with points no farther apart is no envelope. */
export const FINE_INTERVAL_SEC = 1;
const NOISE = { cv: 0.25, tauSec: 8, tickSec: TICK_SEC };
const BURST = { everySec: 600, least: 1, most: 3, shortestSec: 5, longestSec: 30 };

/** Memory of a machine whose memory nobody measured: it follows CPU slowly. */
const SYNTHETIC = { anonGib: 0.75, perShareGib: 1.25, tauSec: 1_800, cacheGib: 1.5 };
const SYNTHETIC_READ_GIB_PER_SEC = 10 / 1024;

/** What a workload made of this trace holds that nobody measured, for people. */
export function inventedOf(trace: Trace, isBursty: boolean): readonly string[] {
  const isEnvelope = trace.intervalSec > FINE_INTERVAL_SEC;
  const every = `a point every ${Number(trace.intervalSec.toPrecision(3))} s`;
  return [
    ...(isEnvelope ? [`${every}: noise of 25 % (8 s) stands for what happens in between`] : []),
    ...(isEnvelope && isBursty ? ["bursts of 1–3 × the level, one in 10 minutes, are added"] : []),
    ...(trace.anonGib === null
      ? ["no column mem: 0.75 GiB and up to 1.25 GiB more that follow the CPU's half hour"]
      : []),
    ...(trace.workingSetGib === null
      ? ["no column cache: 1.5 GiB of file pages, read at 10 MiB/s"]
      : trace.readGibPerSec === null
        ? ["no column read_mib_s: file pages are read at 10 MiB/s"]
        : []),
  ];
}

/** One day of it, or all where it is shorter; which day is chosen by the seed. */
export function workloadFromTrace(trace: Trace, options: TraceOptions): Workload {
  const { name, source, cpus, seed, isBursty, maxMemGib, dayTicks = DAY_TICKS } = options;
  const random = new Random(seed, `${name} trace`);
  const whole = Math.round(((trace.atSec.at(-1) ?? 0) + trace.intervalSec) / TICK_SEC);
  const ticks = Math.min(whole, dayTicks);
  const step = Math.max(1, Math.round(trace.intervalSec / TICK_SEC));
  const fromTick = step * Math.floor(random.next() * (Math.floor((whole - ticks) / step) + 1));
  const parts = blank(ticks);
  fillCpu(parts, trace, { cpus, fromTick });
  const isEnvelope = trace.intervalSec > FINE_INTERVAL_SEC;
  if (isEnvelope) shake(parts.cpu, cpus, isBursty, random);
  fillMemory(parts, trace, { cpus, fromTick });
  return {
    ...{ name, source, seed, ticks, min: LEAST },
    max: { cpu: cpus, memGib: maxMemGib ?? GIB_PER_CPU * cpus },
    ...parts,
    hints: [],
    trouble: NO_TROUBLE,
  };
}

type Window = Readonly<{ cpus: number; fromTick: number }>;

function fillCpu({ cpu }: Blank, trace: Trace, { cpus, fromTick }: Window): void {
  const perUnit = trace.cpuUnit === "share" ? cpus : 1;
  walk(trace.atSec, { fromTick, ticks: cpu.length }, (tick, point) => {
    cpu[tick] = (trace.cpu[point] ?? 0) * perUnit;
  });
}

/** Noise, and bursts on top. What was measured on a machine never was more than the machine. */
function shake(cpu: Float32Array, cpus: number, isBursty: boolean, random: Random): void {
  const noise = logNormalNoise(random, NOISE);
  const burst = isBursty ? bursts(new Random(Math.floor(random.next() * 2 ** 31), "bursts")) : null;
  for (let tick = 0; tick < cpu.length; tick += 1) {
    const shaken = (cpu[tick] ?? 0) * (noise() + (burst === null ? 0 : burst()));
    cpu[tick] = Math.min(shaken, cpus);
  }
}

/** Tick by tick how many times the level comes on top: mostly 0. */
function bursts(random: Random): () => number {
  let waitTicks = random.exponential(BURST.everySec / TICK_SEC);
  let leftTicks = 0;
  let height = 0;
  return () => {
    waitTicks -= 1;
    leftTicks -= 1;
    if (waitTicks <= 0) {
      waitTicks = random.exponential(BURST.everySec / TICK_SEC);
      leftTicks = random.between(BURST.shortestSec, BURST.longestSec) / TICK_SEC;
      height = random.between(BURST.least, BURST.most);
    }
    return leftTicks > 0 ? height : 0;
  };
}

function fillMemory(parts: Blank, trace: Trace, { cpus, fromTick }: Window): void {
  const anonGib = trace.anonGib ?? syntheticAnon(trace, cpus);
  drawLines(parts.anonGib, trace.atSec, anonGib, fromTick);
  if (trace.workingSetGib === null) parts.workingSetGib.fill(SYNTHETIC.cacheGib);
  else drawLines(parts.workingSetGib, trace.atSec, trace.workingSetGib, fromTick);
  if (trace.readGibPerSec === null) parts.readGibPerSec.fill(SYNTHETIC_READ_GIB_PER_SEC);
  else drawLines(parts.readGibPerSec, trace.atSec, trace.readGibPerSec, fromTick);
}

function syntheticAnon({ atSec, cpu, cpuUnit }: Trace, cpus: number): Float64Array {
  const perUnit = cpuUnit === "share" ? 1 : 1 / cpus;
  let mean = (cpu[0] ?? 0) * perUnit;
  return cpu.map((value, n) => {
    const sinceSec = (atSec[n] ?? 0) - (atSec[n - 1] ?? 0);
    mean += (Math.min(1, value * perUnit) - mean) * (1 - Math.exp(-sinceSec / SYNTHETIC.tauSec));
    return SYNTHETIC.anonGib + SYNTHETIC.perShareGib * mean;
  });
}

function drawLines(
  into: Float32Array,
  atSec: Float64Array,
  values: Float64Array,
  fromTick: number,
): void {
  walk(atSec, { fromTick, ticks: into.length }, (tick, point, share) => {
    const here = values[point] ?? 0;
    into[tick] = here + ((values[point + 1] ?? here) - here) * share;
  });
}

/** For each tick the last point that is not after it, and how much of the way to the next is done. */
function walk(
  atSec: Float64Array,
  { fromTick, ticks }: Readonly<{ fromTick: number; ticks: number }>,
  visit: (tick: number, point: number, share: number) => void,
): void {
  let point = 0;
  for (let tick = 0; tick < ticks; tick += 1) {
    const at = (fromTick + tick) * TICK_SEC;
    while ((atSec[point + 1] ?? Infinity) <= at) point += 1;
    const from = atSec[point] ?? 0;
    const until = atSec[point + 1] ?? Infinity;
    visit(tick, point, until === Infinity ? 0 : (at - from) / (until - from));
  }
}
