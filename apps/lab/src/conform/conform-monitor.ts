import { EXIT_USAGE, type ConformOptions } from "../cli.ts";
import { Broken } from "./check.ts";
import { MONITOR_CHECKS } from "./monitor-checks.ts";
import { MonitorSubject } from "./monitor-subject.ts";
import { profileNamed } from "./profile.ts";
import { countVerdicts, reportJson, showCounts, showResult } from "./report.ts";
import { emptyChoice, runChecks } from "./run.ts";

/** Exit codes: 1 a rule was broken, 2 there is no such check, 3 there is no monitor to check. */
const FAILED = 1;
const UNREACHABLE = 3;

/** Plays an agent against the monitor at `url`. Prints as it goes; returns the exit code. */
export async function conformMonitor(url: string, options: ConformOptions): Promise<number> {
  const unknown = emptyChoice(MONITOR_CHECKS, options.only);
  if (unknown !== null) {
    process.stderr.write(`selfscale-lab: no check's id begins with ${unknown}\n`);
    return EXIT_USAGE;
  }
  const subject = new MonitorSubject({ url, token: options.token, patience: options.patience });
  const say = (text: string) => {
    if (!options.isJson) process.stdout.write(text);
  };
  try {
    await subject.connect();
    await subject.tidy();
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    process.stderr.write(`selfscale-lab: ${error.message}\n`);
    return UNREACHABLE;
  }
  say(`monitor at ${url}, profile ${options.profile}\n`);
  const results = await runChecks(subject, MONITOR_CHECKS, {
    only: options.only,
    mayBeDangerous: options.mayBeDangerous,
    profile: profileNamed(options.profile, "monitor"),
    onResult: (result) => say(showResult(result)),
  });
  say(showCounts(results));
  if (options.isJson)
    process.stdout.write(reportJson({ monitor: url, profile: options.profile }, results));
  return countVerdicts(results).fail === 0 ? 0 : FAILED;
}
