// Pieces that synthetic workloads are made of.
import { logNormalNoise, Random } from "../random.ts";
import {
  blank,
  NO_TROUBLE,
  TICK_SEC,
  type Blank,
  type LabSize,
  type Workload,
} from "../workload.ts";

export const MIB_PER_GIB = 1024;
export const HOUR_SEC = 3_600;

const MIN: LabSize = { cpu: 0.25, memGib: 1 };
const MAX: LabSize = { cpu: 8, memGib: 32 };

/** A generator at work: the arrays it fills, its chance, and what else it knows. */
export type Canvas = Blank & Readonly<{ ticks: number; random: Random }>;

export type Extras = Partial<Pick<Workload, "hints" | "trouble">>;

/** Of one kind: its name, its length, and how a canvas is filled. */
export type Generator = Readonly<{
  name: string;
  hours: number;
  /** One of the published ten, whose mean is the headline; the others are told apart. */
  isHeadline: boolean;
  paint: (canvas: Canvas) => Extras | undefined;
}>;

/** The workload of a seed. */
export function generate({ name, hours, paint }: Generator, seed: number): Workload {
  const ticks = Math.round((hours * HOUR_SEC) / TICK_SEC);
  const arrays = blank(ticks);
  const extras = paint({ ...arrays, ticks, random: new Random(seed, name) });
  return {
    name,
    source: name,
    seed,
    ticks,
    min: MIN,
    max: MAX,
    ...arrays,
    hints: extras?.hints ?? [],
    trouble: extras?.trouble ?? NO_TROUBLE,
  };
}

export function toTicks(sec: number): number {
  return Math.round(sec / TICK_SEC);
}

/** Calls for each tick of a time span, with the seconds since its start. */
export function during(
  { ticks }: Canvas,
  fromSec: number,
  lastsSec: number,
  each: (tick: number, sinceSec: number) => void,
): void {
  const from = Math.max(0, toTicks(fromSec));
  const until = Math.min(ticks, toTicks(fromSec + lastsSec));
  for (let tick = from; tick < until; tick += 1) each(tick, (tick - from) * TICK_SEC);
}

/** Calls for each tick, with its time in seconds. */
export function always({ ticks }: Canvas, each: (tick: number, atSec: number) => void): void {
  for (let tick = 0; tick < ticks; tick += 1) each(tick, tick * TICK_SEC);
}

/** Multiplies the CPU demand by noise that remembers for `tauSec`. */
export function roughen(canvas: Canvas, cv: number, tauSec: number): void {
  const noise = logNormalNoise(canvas.random, { cv, tauSec, tickSec: TICK_SEC });
  always(canvas, (tick) => (canvas.cpu[tick] = (canvas.cpu[tick] ?? 0) * noise()));
}

export function add(array: Float32Array, tick: number, more: number): void {
  array[tick] = (array[tick] ?? 0) + more;
}

/** A steady start: CPU, processes, working set and how fast it is read. */
export function base(
  canvas: Canvas,
  steady: Readonly<{ cpu: number; anonGib: number; workingSetGib: number; readMibPerSec: number }>,
): void {
  canvas.cpu.fill(steady.cpu);
  canvas.anonGib.fill(steady.anonGib);
  canvas.workingSetGib.fill(steady.workingSetGib);
  canvas.readGibPerSec.fill(steady.readMibPerSec / MIB_PER_GIB);
}
