// `compare`: all workloads under all policies on all cores, one table for synthetic ones and one for traces.
import { orComplain, sayNotes, writeOrComplain } from "./commands.ts";
import { type Group, showGroups } from "./compare-report.ts";
import { type CompareOptions } from "./options.ts";
import { performAll } from "./pool.ts";
import { summarize } from "./summary.ts";
import { type Task, type TaskResult } from "./task.ts";
import { type Source } from "./workloads.ts";

/** Progress is told so often, milliseconds. */
const PROGRESS_EVERY_MS = 2_000;

/** Prints the tables; returns the exit code. `script`: the running one, see pool.ts. */
export function compare(options: CompareOptions, script: string): Promise<number> {
  return orComplain(async () => {
    const { policies, machine, jobs, isJson, isMarkdown, baseline, billing } = options;
    const tasks = tasksOf(options);
    const results = await performAll(tasks, { jobs, script, onDone: progress(tasks.length) });
    sayTraceNotes(tasks, results);
    const groups = (["synthetic", "trace"] as const).flatMap((kind) =>
      groupOf(kind, results, options),
    );
    const how = { policies, machine, seeds: options.seeds, baseline, billing };
    const json = `${JSON.stringify({ ...how, groups, runs: results }, null, 1)}\n`;
    if (options.saveFile !== null) writeOrComplain(options.saveFile, json);
    const table = () => showGroups(groups, { baseline, billing, isMarkdown });
    process.stdout.write(isJson ? json : table());
  });
}

function tasksOf({ traces, synthetic, seeds, policies, machine }: CompareOptions): Task[] {
  const tasks: Task[] = [];
  for (let seed = seeds.from; seed <= seeds.to; seed += 1) {
    const sources: Source[] = [
      ...(synthetic ?? []).map((name) => ({ kind: "synthetic", name, seed }) as const),
      ...traces.map((file) => ({ kind: "trace", file, seed }) as const),
    ];
    for (const source of sources) tasks.push({ source, policies, machine });
  }
  return tasks;
}

function groupOf(
  kind: Source["kind"],
  all: readonly TaskResult[],
  { policies, baseline, billing }: CompareOptions,
): Group[] {
  const results = all.filter((one) => one.kind === kind);
  if (results.length === 0) return [];
  const group = {
    name: kind === "trace" ? "traces" : kind,
    workloads: results.length,
    sources: new Set(results.map((one) => one.source)).size,
    hours: results.reduce((sum, one) => sum + one.clairvoyant.hours, 0),
  };
  return [{ ...group, rows: summarize(results, policies, { baseline, billing }) }];
}

/** The same for every seed, so once per file. */
function sayTraceNotes(tasks: readonly Task[], results: readonly TaskResult[]): void {
  const told = new Set<string>();
  for (const [index, { source }] of tasks.entries()) {
    if (source.kind !== "trace" || told.has(source.file)) continue;
    told.add(source.file);
    sayNotes(source.file, results[index]?.notes ?? []);
  }
}

function progress(total: number): (done: number) => void {
  const startedAt = performance.now();
  let toldAt = startedAt;
  return (done) => {
    const now = performance.now();
    if (now - toldAt < PROGRESS_EVERY_MS && done < total) return;
    toldAt = now;
    const leftSec = ((now - startedAt) / done) * (total - done);
    const left = done < total ? `, about ${Math.ceil(leftSec / 1000)} s left` : "";
    process.stderr.write(`${done} of ${total} workloads${left}\n`);
  };
}
