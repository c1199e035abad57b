import { type Check } from "../conform/check.ts";
import { MonitorSubject } from "../conform/monitor-subject.ts";
import { runChecks, type Profile, type Result } from "../conform/run.ts";

type How = Readonly<{
  token?: string;
  profile?: Profile;
  mayBeDangerous?: boolean;
  patience?: number;
}>;

/** Runs these checks against the monitor at `url`, as the command does. */
export async function judgeMonitor(
  url: string,
  checks: readonly Check<MonitorSubject>[],
  { token, profile, mayBeDangerous = true, patience = 1 }: How = {},
): Promise<readonly Result[]> {
  const subject = new MonitorSubject({ url, token: token ?? null, patience });
  const options = { only: null, mayBeDangerous, onResult: () => undefined };
  return await runChecks(subject, checks, { ...options, profile: profile ?? null });
}

/** "verdict id: why" of whatever did not pass. */
export function notPassed(results: readonly Result[]): readonly string[] {
  return results.flatMap(({ id, verdict }) =>
    verdict.kind === "pass" ? [] : [`${verdict.kind} ${id}: ${verdict.why}`],
  );
}

/** The ids of those with this verdict. */
export function idsOf(
  results: readonly Result[],
  kind: Result["verdict"]["kind"],
): readonly string[] {
  return results.filter(({ verdict }) => verdict.kind === kind).map(({ id }) => id);
}
