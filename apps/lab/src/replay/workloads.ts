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
import { UnreadableRecordingError } from "@selfscale/recording";
import { looksLikeRecording, traceFromRecording } from "../record/from-recording.ts";
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
    `${file}: its CPU is a share of a machine; say of how many vCPUs: --cpus`,
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
  const { csv, notes, isMade } = csvOf(file, textOf(file));
  const parsed = parseTrace(csv);
  if (parsed.ok) return { trace: parsed.trace, notes: [...notes, ...parsed.notes] };
  const { line, column, problem } = parsed;
  const where = column === null ? `line ${line}` : `line ${line}, ${column}`;
  const made = isMade ? "the trace that selfscale-lab record makes of it: " : "";
  throw new UnusableTraceError(`${file}: ${made}${where}: ${problem}`);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UnusableTraceError(`${file}: can't be read (${code ?? "unknown error"})`, {
      cause: error,
    });
  }
}

type Csv = Readonly<{ csv: string; notes: readonly string[]; isMade: boolean }>;

function csvOf(file: string, text: string): Csv {
  if (!looksLikeRecording(text)) return { csv: text, notes: [], isMade: false };
  try {
    return { ...traceFromRecording(text), isMade: true };
  } catch (error) {
    if (!(error instanceof UnreadableRecordingError)) throw error;
    throw new UnusableTraceError(`${file}: ${error.message}`, { cause: error });
  }
}
