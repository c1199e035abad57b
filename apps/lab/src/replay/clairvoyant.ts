// `clairvoyant`: what the reference costs and does; on request also OPT*, which may let work wait.
import {
  clairvoyantSchedule,
  optStar,
  optStarInput,
  scheduleCost,
  TICK_SEC,
  type Score,
  type Workload,
} from "@selfscale/evaluation";
import { orComplain, sayNotes, SEC_PER_HOUR } from "./commands.ts";
import { type ClairvoyantOptions } from "./options.ts";
import { alignedTable, figure } from "./table.ts";
import { perform, runOptionsOf } from "./task.ts";
import { load } from "./workloads.ts";

type Span = Readonly<{ least: number; mean: number; most: number }>;

/** CPU alone on a grid of seconds, CU·s. No schedule costs less than `bound`. */
type Star = Readonly<{ optZero: number; optStar: number; bound: number }>;

type Told = Readonly<{
  workload: string;
  seed: number;
  score: Score;
  sizes: Readonly<{ cpu: Span; memGib: Span }>;
  star: Star | null;
}>;

/** Prints a table; returns the exit code. */
export function clairvoyant(options: ClairvoyantOptions): Promise<number> {
  const { traces, machine, seed, isJson, hasStar } = options;
  return orComplain(() => {
    const told = traces.map((file): Told => {
      const source = { kind: "trace", file, seed } as const;
      const result = perform({ source, policies: [], machine });
      sayNotes(file, result.notes);
      const { workload } = load(source, machine);
      const schedule = clairvoyantSchedule(workload, runOptionsOf(machine).prices);
      const sizes = { cpu: spanOf(schedule.cpu), memGib: spanOf(schedule.memGib) };
      const star = hasStar ? starOf(workload, schedule.cpu) : null;
      return { workload: workload.name, seed, score: result.clairvoyant, sizes, star };
    });
    if (isJson) process.stdout.write(`${JSON.stringify({ runs: told }, null, 2)}\n`);
    else process.stdout.write(shown(told));
  });
}

function spanOf(values: Float32Array): Span {
  let [least, most, sum] = [Infinity, -Infinity, 0];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
    sum += value;
  }
  return { least, mean: sum / values.length, most };
}

function starOf(workload: Workload, cpu: Float32Array): Star {
  const input = optStarInput(workload);
  const { cost, bound } = optStar(input);
  const perSecond = 1 / TICK_SEC;
  const levels = Float64Array.from(input.work, (_, second) =>
    cpu.subarray(second * perSecond, (second + 1) * perSecond).reduce((a, b) => Math.max(a, b), 0),
  );
  return { optZero: scheduleCost(input, levels), optStar: cost, bound };
}

function shown(told: readonly Told[]): string {
  const rows = told.map(({ workload, score, sizes: { cpu, memGib } }) => [
    ...[workload, figure(score.hours), figure(score.provisioned / SEC_PER_HOUR)],
    ...[figure(score.cost / SEC_PER_HOUR), figure(score.resizesPerHour)],
    ...[cpu.least, cpu.mean, cpu.most, memGib.least, memGib.mean, memGib.most].map(figure),
  ]);
  const head = ["trace", "hours", "paid CU·h", "J CU·h", "resizes/h"];
  const spans = ["vCPU least", "mean", "most", "GiB least", "mean", "most"];
  return alignedTable({ head: [...head, ...spans], rows }) + shownStars(told);
}

function shownStars(told: readonly Told[]): string {
  const rows = told.flatMap(({ workload, star }) =>
    star === null
      ? []
      : [
          [
            workload,
            ...[star.optZero, star.optStar, star.bound].map((one) => figure(one / SEC_PER_HOUR)),
          ],
        ],
  );
  if (rows.length === 0) return "";
  const head = ["CPU alone, by the second", "OPT₀ CU·h", "OPT* CU·h", "no less than"];
  return `\n${alignedTable({ head, rows })}`;
}
