// Many runs → one row per policy: geometric means of ratios and means of everything else, within a source first and then
// over sources; and the difference to a baseline on the same workloads, with its interval.
import { type Score } from "@selfscale/evaluation";
import { interval95, meanOfMeans } from "./interval.ts";
import { type Billing } from "./options.ts";
import { type TaskResult } from "./task.ts";

export type Row = Readonly<{
  policy: string;
  /** × clairvoyant: money per dimension, per whole unit, and all of it with the chosen bill. */
  provisioned: number;
  unitBill: number;
  cost: number;
  /** All runs together. */
  oomKills: number;
  resizesPerHour: number;
  meanDelayMs: number;
  p99DelayMs: number;
  missGib: number;
  averageSlack: number;
  averageInsufficient: number;
  /** Against the baseline; null for the baseline itself. */
  versus: Versus | null;
}>;

/** 95 % intervals. Ratios: below 1 is better than the baseline. The rest are differences: below 0 is better. */
export type Versus = Readonly<{
  cost: Estimate;
  provisioned: Estimate;
  unitBill: Estimate;
  oomKills: Estimate;
  resizesPerHour: Estimate;
  meanDelayMs: Estimate;
  p99DelayMs: Estimate;
  missGib: Estimate;
}>;

export type Estimate = Readonly<{ value: number; low: number; high: number }>;

type Measure = (score: Score) => number;

export function summarize(
  results: readonly TaskResult[],
  policies: readonly string[],
  { baseline, billing }: Readonly<{ baseline: string; billing: Billing }>,
): readonly Row[] {
  const sources = bySource(results);
  const bill: Measure = ({ cost, unitCost }) => (billing === "dimension" ? cost : unitCost);
  return policies.map((policy) => {
    const ratio = (measure: Measure) =>
      Math.exp(
        meanOfMeans(
          each(sources, (one) => logRatio(measure, scoreOf(one, policy), one.clairvoyant)),
        ),
      );
    const mean = (measure: Measure) =>
      meanOfMeans(each(sources, (one) => measure(scoreOf(one, policy))));
    return {
      policy,
      provisioned: ratio((score) => score.provisioned),
      unitBill: ratio((score) => score.unitBill),
      cost: ratio(bill),
      oomKills: results.reduce((sum, one) => sum + scoreOf(one, policy).oomKills, 0),
      resizesPerHour: mean((score) => score.resizesPerHour),
      meanDelayMs: mean((score) => score.meanDelaySec * 1000),
      p99DelayMs: mean((score) => score.p99DelaySec * 1000),
      missGib: mean((score) => score.missGib),
      averageSlack: mean((score) => score.averageSlack),
      averageInsufficient: mean((score) => score.averageInsufficient),
      versus: policy === baseline ? null : versusOf(sources, { policy, baseline, bill }),
    };
  });
}

function versusOf(
  sources: readonly (readonly TaskResult[])[],
  { policy, baseline, bill }: Readonly<{ policy: string; baseline: string; bill: Measure }>,
): Versus {
  const ratio = (measure: Measure) =>
    estimate(
      each(sources, (one) => logRatio(measure, scoreOf(one, policy), scoreOf(one, baseline))),
      Math.exp,
    );
  const difference = (measure: Measure) =>
    estimate(
      each(sources, (one) => measure(scoreOf(one, policy)) - measure(scoreOf(one, baseline))),
      (value) => value,
    );
  return {
    cost: ratio(bill),
    provisioned: ratio((score) => score.provisioned),
    unitBill: ratio((score) => score.unitBill),
    oomKills: difference((score) => score.oomKills),
    resizesPerHour: difference((score) => score.resizesPerHour),
    meanDelayMs: difference((score) => score.meanDelaySec * 1000),
    p99DelayMs: difference((score) => score.p99DelaySec * 1000),
    missGib: difference((score) => score.missGib),
  };
}

function estimate(
  groups: readonly (readonly number[])[],
  shown: (value: number) => number,
): Estimate {
  const [low, high] = interval95(groups);
  return { value: shown(meanOfMeans(groups)), low: shown(low), high: shown(high) };
}

function logRatio(measure: Measure, score: Score, to: Score): number {
  return Math.log(measure(score) / measure(to));
}

function scoreOf(result: TaskResult, policy: string): Score {
  const found = result.scores.find((one) => one.policy === policy);
  if (found === undefined) throw new Error(`${policy} did not run on ${result.workload}`);
  return found.score;
}

function each(
  sources: readonly (readonly TaskResult[])[],
  value: (one: TaskResult) => number,
): readonly (readonly number[])[] {
  return sources.map((results) => results.map(value));
}

function bySource(results: readonly TaskResult[]): readonly (readonly TaskResult[])[] {
  const groups = new Map<string, TaskResult[]>();
  for (const one of results) groups.set(one.source, [...(groups.get(one.source) ?? []), one]);
  return [...groups.values()];
}
