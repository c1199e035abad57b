// The commands that print: replay and clairvoyant.
import { clairvoyantSchedule, type Score } from "@selfscale/evaluation";
import { type ClairvoyantOptions, type ReplayOptions } from "./options.ts";
import { alignedTable, figure } from "./table.ts";
import { perform, runOptionsOf, type TaskResult } from "./task.ts";
import { load, UnusableTraceError } from "./workloads.ts";

/** Exit code: a trace can't be used. */
const UNUSABLE = 1;

/** Runs a command of this folder; what is wrong with a trace goes to stderr. */
export async function orComplain(command: () => Promise<void> | void): Promise<number> {
  try {
    await command();
    return 0;
  } catch (error) {
    if (!(error instanceof UnusableTraceError)) throw error;
    process.stderr.write(`selfscale-lab: ${error.message}\n`);
    return UNUSABLE;
  }
}

/** Prints a table per trace; returns the exit code. */
export function replay({ traces, seed, isJson, ...rest }: ReplayOptions): Promise<number> {
  return orComplain(() => {
    const results = traces.map((file) => {
      const result = perform({ source: { kind: "trace", file, seed }, ...rest });
      sayNotes(file, result.notes);
      if (!isJson) process.stdout.write(`${traces[0] === file ? "" : "\n"}${shownReplay(result)}`);
      return result;
    });
    if (isJson) process.stdout.write(`${JSON.stringify({ runs: results }, null, 2)}\n`);
  });
}

export function sayNotes(file: string, notes: readonly string[]): void {
  for (const note of notes) process.stderr.write(`${file}: ${note}\n`);
}

function shownReplay({ workload, seed, clairvoyant, scores }: TaskResult): string {
  const head = `${workload}, seed ${seed}, ${figure(clairvoyant.hours)} h; costs in CU·h\n`;
  const all = [...scores, { policy: "clairvoyant", score: clairvoyant }];
  const rows = all.map(({ policy, score }) => [
    policy,
    ...scoreCells(score),
    figure(score.cost / clairvoyant.cost),
  ]);
  return head + alignedTable({ head: ["policy", ...SCORE_HEAD, "× clairvoyant"], rows });
}

const SCORE_HEAD = [
  ...["paid", "unit bill", "J", "OOM", "resizes/h"],
  ...["delay ms", "p99 ms", "refault GiB", "swap s"],
];

const SEC_PER_HOUR = 3_600;

function scoreCells(score: Score): readonly string[] {
  return [
    figure(score.provisioned / SEC_PER_HOUR),
    figure(score.unitBill / SEC_PER_HOUR),
    figure(score.cost / SEC_PER_HOUR),
    String(score.oomKills),
    figure(score.resizesPerHour),
    figure(score.meanDelaySec * 1000),
    figure(score.p99DelaySec * 1000),
    figure(score.missGib),
    figure(score.swapSec),
  ];
}

/** Prints what the reference costs and does. */
export function clairvoyant(options: ClairvoyantOptions): Promise<number> {
  const { traces, machine, seed, isJson } = options;
  return orComplain(() => {
    const told = traces.map((file) => {
      const source = { kind: "trace", file, seed } as const;
      const result = perform({ source, policies: [], machine });
      sayNotes(file, result.notes);
      const { workload } = load(source, machine);
      const schedule = clairvoyantSchedule(workload, runOptionsOf(machine).prices);
      const sizes = { cpu: spanOf(schedule.cpu), memGib: spanOf(schedule.memGib) };
      return { workload: workload.name, seed, score: result.clairvoyant, sizes };
    });
    if (isJson) process.stdout.write(`${JSON.stringify({ runs: told }, null, 2)}\n`);
    else process.stdout.write(shownReference(told));
  });
}

type Span = Readonly<{ least: number; mean: number; most: number }>;
type Told = Readonly<{ workload: string; score: Score; sizes: { cpu: Span; memGib: Span } }>;

function spanOf(values: Float32Array): Span {
  let [least, most, sum] = [Infinity, -Infinity, 0];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
    sum += value;
  }
  return { least, mean: sum / values.length, most };
}

function shownReference(told: readonly Told[]): string {
  const rows = told.map(({ workload, score, sizes: { cpu, memGib } }) => [
    ...[workload, figure(score.hours), figure(score.provisioned / SEC_PER_HOUR)],
    ...[figure(score.cost / SEC_PER_HOUR), figure(score.resizesPerHour)],
    ...[cpu.least, cpu.mean, cpu.most, memGib.least, memGib.mean, memGib.most].map(figure),
  ]);
  const head = ["trace", "hours", "paid CU·h", "J CU·h", "resizes/h"];
  const spans = ["vCPU least", "mean", "most", "GiB least", "mean", "most"];
  return alignedTable({ head: [...head, ...spans], rows });
}
