// Many runs → one row per policy: geometric means of ratios and means of everything else, within a source first and then
// over sources; and the difference to a baseline on the same workloads, with its interval.
import {
  geometricMean,
  pairedDifferenceInterval,
  pairedRatioInterval,
  type Interval,
  type Score,
} from "@selfscale/evaluation";
import { type Billing } from "./options.ts";
import { type TaskResult } from "./task.ts";

/** Of one run. */
const MEASURES = {
  provisioned: (score: Score) => score.provisioned,
  unitBill: (score: Score) => score.unitBill,
  oomKills: (score: Score) => score.oomKills,
  resizesPerHour: (score: Score) => score.resizesPerHour,
  meanDelayMs: (score: Score) => score.meanDelaySec * 1000,
  p99DelayMs: (score: Score) => score.p99DelaySec * 1000,
  missGib: (score: Score) => score.missGib,
  averageSlack: (score: Score) => score.averageSlack,
  averageInsufficient: (score: Score) => score.averageInsufficient,
} as const;

type Measure = (score: Score) => number;

export type Row = Readonly<{
  policy: string;
  /** × clairvoyant: money per dimension, per whole unit, and all of it with the chosen bill. */
  provisioned: number;
  unitBill: number;
  cost: number;
  /** All runs together. */
  oomKills: number;
  /** Means of runs. */
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
  cost: Interval;
  provisioned: Interval;
  unitBill: Interval;
  oomKills: Interval;
  resizesPerHour: Interval;
  meanDelayMs: Interval;
  p99DelayMs: Interval;
  missGib: Interval;
}>;

export function summarize(
  results: readonly TaskResult[],
  policies: readonly string[],
  { baseline, billing }: Readonly<{ baseline: string; billing: Billing }>,
): readonly Row[] {
  const cost: Measure = (score) => (billing === "dimension" ? score.cost : score.unitCost);
  return policies.map((policy) => {
    const ratio = (measure: Measure) =>
      geometricMean(
        results.map((one) => ({
          source: one.source,
          value: measure(scoreOf(one, policy)) / measure(one.clairvoyant),
        })),
      );
    const mean = (measure: Measure) => meanOverSources(results, policy, measure);
    return {
      policy,
      provisioned: ratio(MEASURES.provisioned),
      unitBill: ratio(MEASURES.unitBill),
      cost: ratio(cost),
      oomKills: results.reduce((sum, one) => sum + scoreOf(one, policy).oomKills, 0),
      resizesPerHour: mean(MEASURES.resizesPerHour),
      meanDelayMs: mean(MEASURES.meanDelayMs),
      p99DelayMs: mean(MEASURES.p99DelayMs),
      missGib: mean(MEASURES.missGib),
      averageSlack: mean(MEASURES.averageSlack),
      averageInsufficient: mean(MEASURES.averageInsufficient),
      versus: policy === baseline ? null : versusOf(results, { policy, baseline, cost }),
    };
  });
}

function versusOf(
  results: readonly TaskResult[],
  { policy, baseline, cost }: Readonly<{ policy: string; baseline: string; cost: Measure }>,
): Versus {
  const pairs = (measure: Measure) =>
    results.map((one) => ({
      source: one.source,
      mine: measure(scoreOf(one, policy)),
      theirs: measure(scoreOf(one, baseline)),
    }));
  const ratio = (measure: Measure) => pairedRatioInterval(pairs(measure));
  const difference = (measure: Measure) => pairedDifferenceInterval(pairs(measure));
  return {
    cost: ratio(cost),
    provisioned: ratio(MEASURES.provisioned),
    unitBill: ratio(MEASURES.unitBill),
    oomKills: difference(MEASURES.oomKills),
    resizesPerHour: difference(MEASURES.resizesPerHour),
    meanDelayMs: difference(MEASURES.meanDelayMs),
    p99DelayMs: difference(MEASURES.p99DelayMs),
    missGib: difference(MEASURES.missGib),
  };
}

function meanOverSources(results: readonly TaskResult[], policy: string, measure: Measure): number {
  const sources = new Map<string, number[]>();
  for (const one of results) {
    const values = sources.get(one.source) ?? [];
    values.push(measure(scoreOf(one, policy)));
    sources.set(one.source, values);
  }
  return mean([...sources.values()].map(mean));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

function scoreOf(result: TaskResult, policy: string): Score {
  const found = result.scores.find((one) => one.policy === policy);
  if (found === undefined) throw new Error(`${policy} did not run on ${result.workload}`);
  return found.score;
}
