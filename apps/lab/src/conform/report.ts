// How results are shown: a line a check, the frames that show a failure, counts at the end; or all of it as JSON.
import { clip, type Check, type Line, type Verdict } from "./check.ts";
import { type Result } from "./run.ts";

const MARKS = {
  pass: "pass",
  fail: "FAIL",
  deviation: "known",
  "not-applicable": "n/a",
} as const satisfies Record<Verdict["kind"], string>;

/** The last lines of the conversation are those that show it. */
const SHOWN_LINES = 30;

/** One check, when it is done. Several lines when it failed. */
export function showResult({ id, rule, verdict, tookMs, place }: Result): string {
  const seconds = `${(tookMs / 1000).toFixed(1)} s`;
  const at = `${place.number}/${place.total}`.padStart(7);
  const head = `${MARKS[verdict.kind].padEnd(5)}${at}  ${id.padEnd(36)} ${seconds.padStart(7)}  ${rule}`;
  if (verdict.kind === "pass") return `${head}\n`;
  if (verdict.kind !== "fail") return `${head}\n       ${verdict.why}\n`;
  return `${head}\n       ${verdict.why}\n${verdict.lines.slice(-SHOWN_LINES).map(showLine(verdict.lines)).join("")}`;
}

function showLine(lines: readonly Line[]): (line: Line) => string {
  const from = lines[0]?.atMs ?? 0;
  const arrows = { kit: "→", subject: "←", note: "·" } as const;
  return ({ atMs, who, text }) =>
    `       ${((atMs - from) / 1000).toFixed(3).padStart(8)} ${arrows[who]} ${clip(text).trimEnd()}\n`;
}

export type Counts = Readonly<Record<Verdict["kind"], number>>;

export function countVerdicts(results: readonly Result[]): Counts {
  const counts = { pass: 0, fail: 0, deviation: 0, "not-applicable": 0 };
  for (const { verdict } of results) counts[verdict.kind]++;
  return counts;
}

export function showCounts(results: readonly Result[]): string {
  const counts = countVerdicts(results);
  return `${counts.pass} passed, ${counts.fail} failed, ${counts.deviation} known deviations, ${counts["not-applicable"]} not applicable\n`;
}

/** What would be checked, as a table in Markdown. */
export function showChecks(checks: readonly Omit<Check<never>, "run">[]): string {
  const rows = checks.map(({ id, group, rule, isDangerous }) => {
    const note = isDangerous === true ? " (only with `--dangerous`)" : "";
    return `| \`${id}\` | ${group} | ${rule.replaceAll("|", "\\|")}${note} |\n`;
  });
  return `| check | group | rule |\n| --- | --- | --- |\n${rows.join("")}`;
}

/** Everything, for programs. */
export function reportJson(
  subject: Readonly<Record<string, unknown>>,
  results: readonly Result[],
): string {
  const shown = results.map(({ id, group, rule, verdict, tookMs }) => ({
    id,
    group,
    rule,
    ...plain(verdict),
    tookMs,
  }));
  return `${JSON.stringify({ ...subject, counts: countVerdicts(results), checks: shown }, null, 2)}\n`;
}

function plain(verdict: Verdict): object {
  const { kind, ...rest } = verdict;
  if (!("lines" in rest)) return { verdict: kind, ...rest };
  const lines = rest.lines.map((line) => ({ ...line, text: clip(line.text) }));
  return { verdict: kind, ...rest, lines };
}
