// Where a workload comes from: a file, or a generator. A source can be sent to another thread, a workload need not be.
import { readFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import {
  cut,
  generate,
  generatorByName,
  inventedOf,
  parseTrace,
  SYNTHETIC,
  TICK_SEC,
  workloadFromTrace,
  type Trace,
  type Workload,
} from "@selfscale/evaluation";
import { type MachineOptions } from "./options.ts";

/** What can't be replayed; the message is for people and names the file. */
export class UnusableTraceError extends Error {
  override readonly name = "UnusableTraceError";
  readonly code = "TRACE_UNUSABLE";
}

export type Source =
  | Readonly<{ kind: "trace"; file: string; seed: number }>
  | Readonly<{ kind: "synthetic"; name: string; seed: number }>;

/** `notes`: what was repaired or invented. */
export type Loaded = Readonly<{ workload: Workload; notes: readonly string[] }>;

const STDIN = 0;
const TICKS_PER_HOUR = 3_600 / TICK_SEC;

/** Throws UnusableTraceError. */
export function load(source: Source, machine: MachineOptions): Loaded {
  if (source.kind === "synthetic") return { workload: synthetic(source, machine), notes: [] };
  const { trace, notes } = readTrace(source.file);
  const workload = workloadFromTrace(trace, {
    name: basename(source.file).replace(/\.(csv|jsonl)$/, ""),
    // Files of one folder were measured by the same people.
    source: basename(dirname(resolve(source.file))),
    cpus: machine.cpus ?? cpusOf(trace, source.file),
    maxMemGib: machine.maxMemGib,
    seed: source.seed,
    isBursty: machine.isBursty,
    dayTicks: Math.round(machine.hours * TICKS_PER_HOUR),
  });
  const guessed = machine.cpus === null ? [`taken as a machine of ${workload.max.cpu} vCPU`] : [];
  return { workload, notes: [...notes, ...guessed, ...inventedOf(trace, machine.isBursty)] };
}

/** A trace in vCPUs needs at least its peak, in whole vCPUs. */
function cpusOf({ cpu, cpuUnit }: Trace, file: string): number {
  if (cpuUnit === "vcpus") return Math.max(1, Math.ceil(cpu.reduce((a, b) => Math.max(a, b), 0)));
  throw new UnusableTraceError(
    `${nameOf(file)}: its CPU is a share of a machine; say of how many vCPUs: --cpus`,
  );
}

function synthetic({ name, seed }: { name: string; seed: number }, { hours }: MachineOptions) {
  const generator = generatorByName(name);
  if (generator === null) throw new UnusableTraceError(noGenerator(name));
  const workload = generate(generator, seed);
  return hours * TICKS_PER_HOUR < workload.ticks
    ? cut(workload, 0, Math.round(hours * TICKS_PER_HOUR))
    : workload;
}

export function noGenerator(name: string): string {
  return `there is no synthetic workload ${name}; there are ${SYNTHETIC.map((one) => one.name).join(", ")}`;
}

function readTrace(file: string): Readonly<{ trace: Trace; notes: readonly string[] }> {
  let text: string;
  try {
    text = readFileSync(file === "-" ? STDIN : file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UnusableTraceError(`${nameOf(file)}: can't be read (${code ?? "unknown error"})`, {
      cause: error,
    });
  }
  const parsed = parseTrace(text);
  if (parsed.ok) return parsed;
  const { line, column, problem } = parsed;
  const where = column === null ? `line ${line}` : `line ${line}, ${column}`;
  throw new UnusableTraceError(`${nameOf(file)}: ${where}: ${problem}`);
}

function nameOf(file: string): string {
  return file === "-" ? "standard input" : file;
}
