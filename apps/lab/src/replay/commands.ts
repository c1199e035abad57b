// `replay`: what policies would have cost, a table for each trace.
import { writeFileSync } from "node:fs";
import { type Score } from "@selfscale/evaluation";
import { type ReplayOptions } from "./options.ts";
import { alignedTable, figure } from "./table.ts";
import { perform, type TaskResult } from "./task.ts";
import { UnusableTraceError } from "./workloads.ts";

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

/** Throws UnusableTraceError. */
export function writeOrComplain(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UnusableTraceError(`${file}: can't be written (${code ?? "unknown error"})`, {
      cause: error,
    });
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

export const SEC_PER_HOUR = 3_600;

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
