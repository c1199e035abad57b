// What the run says at its end, and whether it is good enough.
import { KINDS, type Fate, type Verdict } from "./mutant.ts";
import { oneLine } from "./sites.ts";
import { type Survivor } from "./survivors.ts";

/** Of every hundred mutants, so many must die. */
export const LEAST_SHARE = 0.9;

export type Outcome = Readonly<{
  killedShare: number;
  /** They live, and nobody has said why they may. */
  unexplained: readonly Verdict[];
  /** Listed as survivors, yet killed in this run. */
  outdated: readonly Verdict[];
  isGood: boolean;
}>;

export function isKilled({ fate }: Readonly<{ fate: Fate }>): boolean {
  return fate === "killed" || fate === "hung";
}

export function outcomeOf(
  verdicts: readonly Verdict[],
  survivors: readonly Survivor[],
  problems: readonly string[],
): Outcome {
  const explained = new Set(survivors.map(({ id }) => id));
  const dead = verdicts.filter(isKilled);
  const alive = verdicts.filter((verdict) => !isKilled(verdict));
  const killedShare = verdicts.length === 0 ? 0 : dead.length / verdicts.length;
  const unexplained = alive.filter(({ mutant }) => !explained.has(mutant.id));
  const outdated = dead.filter(({ mutant }) => explained.has(mutant.id));
  const isGood = killedShare >= LEAST_SHARE && unexplained.length === 0 && problems.length === 0;
  return { killedShare, unexplained, outdated, isGood };
}

export function reportOf(
  verdicts: readonly Verdict[],
  survivors: readonly Survivor[],
  problems: readonly string[],
): string {
  const { killedShare, unexplained, outdated } = outcomeOf(verdicts, survivors, problems);
  const why = new Map(survivors.map((survivor) => [survivor.id, survivor.why]));
  const alive = verdicts.filter((verdict) => !isKilled(verdict));
  return [
    ...table("kind", KINDS, verdicts, ({ mutant }) => mutant.kind),
    "",
    ...table("file", filesOf(verdicts), verdicts, ({ mutant }) => mutant.file),
    "",
    ...alive.flatMap((verdict) => [
      lineOf(verdict),
      `    ${why.get(verdict.mutant.id) ?? "NO REASON: write the test that kills it, or say why none can"}`,
    ]),
    ...outdated.map(({ mutant, by }) => `warning: ${mutant.id} is listed, yet killed by ${by}`),
    ...problems.map((problem) => `error: ${problem}`),
    `${percent(killedShare)} of ${verdicts.length} killed (at least ${percent(LEAST_SHARE)} wanted), ` +
      `${alive.length} live, ${unexplained.length} of them without a reason`,
  ].join("\n");
}

/** `agent/cpu.ts:92 boundary …`, the code and the mutant. */
export function lineOf({ mutant, fate }: Verdict): string {
  const change = `${clip(mutant.was)} → ${clip(oneLine(mutant.becomes))}`;
  return `${fate.padEnd(9)} ${mutant.id} (line ${mutant.line}): ${change}`;
}

function table(
  heading: string,
  rows: readonly string[],
  verdicts: readonly Verdict[],
  rowOf: (verdict: Verdict) => string,
): readonly string[] {
  const line = (name: string, of: readonly Verdict[]): string => {
    const count = (fate: Fate): string =>
      String(of.filter((verdict) => verdict.fate === fate).length).padStart(10);
    const share = of.length === 0 ? "–" : percent(of.filter(isKilled).length / of.length);
    const counts = (["killed", "hung", "survived", "unreached"] as const).map(count).join("");
    return `${name.padEnd(30)}${counts}${share.padStart(10)}`;
  };
  return [
    `${heading.padEnd(30)}    killed      hung  survived unreached     share`,
    ...rows.map((row) =>
      line(
        row,
        verdicts.filter((verdict) => rowOf(verdict) === row),
      ),
    ),
    line("all", verdicts),
  ];
}

function filesOf(verdicts: readonly Verdict[]): readonly string[] {
  return [...new Set(verdicts.map(({ mutant }) => mutant.file))].sort();
}

function percent(share: number): string {
  return `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
}

function clip(code: string): string {
  return code.length > 90 ? `${code.slice(0, 89)}…` : code;
}
