// Runs checks one after another and tells how each fared. Nothing is skipped silently: what can't be judged says why.
import { NotApplicable, Broken, type Check, type Line, type Verdict } from "./check.ts";

export type Result = Readonly<{
  id: string;
  group: string;
  rule: string;
  verdict: Verdict;
  tookMs: number;
  /** Which of how many, for whoever waits. */
  place: Readonly<{ number: number; total: number }>;
}>;

/** What is known of a kind of peer. */
export type Profile = Readonly<{
  name: string;
  /** Which rules it breaks, by check id, and how. */
  deviations: Readonly<Record<string, string>>;
}>;

export type RunOptions = Readonly<{
  /** Checks whose id begins so; null: all. */
  only: readonly string[] | null;
  mayBeDangerous: boolean;
  profile: Profile | null;
  onResult: (result: Result) => void;
}>;

/** A subject of a check: gathers what was said during it, and lets go of what the check left open. */
export type Stand = Readonly<{
  /** Everything said since the last call, over all connections, in order of time. */
  takeLines: () => readonly Line[];
  /** Closes what a check left open. Called after each check. */
  tidy: () => Promise<void>;
}>;

export async function runChecks<Subject extends Stand>(
  subject: Subject,
  checks: readonly Check<Subject>[],
  options: RunOptions,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const chosen = checks.filter(({ id }) => isChosen(id, options.only));
  for (const check of chosen) {
    const startedAt = performance.now();
    const verdict = await judge(subject, check, options);
    const tookMs = Math.round(performance.now() - startedAt);
    const { id, group, rule } = check;
    const place = { number: results.length + 1, total: chosen.length };
    const result = { id, group, rule, verdict, tookMs, place };
    results.push(result);
    options.onResult(result);
  }
  return results;
}

function isChosen(id: string, only: readonly string[] | null): boolean {
  return only === null || only.some((prefix) => id.startsWith(prefix));
}

/** The first prefix that chooses nothing; null when each chooses something. */
export function emptyChoice(
  checks: readonly Readonly<{ id: string }>[],
  only: readonly string[] | null,
): string | null {
  const isEmpty = (prefix: string) => !checks.some(({ id }) => isChosen(id, [prefix]));
  return only?.find(isEmpty) ?? null;
}

async function judge<Subject extends Stand>(
  subject: Subject,
  check: Check<Subject>,
  { mayBeDangerous, profile }: RunOptions,
): Promise<Verdict> {
  if (check.isDangerous === true && !mayBeDangerous) {
    return { kind: "not-applicable", why: "crashes deployed peers; --dangerous does it" };
  }
  try {
    await check.run(subject);
    return { kind: "pass" };
  } catch (error) {
    if (error instanceof NotApplicable) return { kind: "not-applicable", why: error.message };
    if (!(error instanceof Broken)) throw error;
    const lines = error.lines ?? subject.takeLines();
    const known = profile?.deviations[check.id];
    if (known !== undefined) return { kind: "deviation", why: known, lines };
    return { kind: "fail", why: error.message, lines };
  } finally {
    await subject.tidy();
    subject.takeLines();
  }
}
