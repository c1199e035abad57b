import { EXIT_USAGE, type ConformOptions } from "../cli.ts";
import { AGENT_CHECKS } from "./agent-checks.ts";
import { AgentSubject } from "./agent-subject.ts";
import { Broken } from "./check.ts";
import { profileNamed } from "./profile.ts";
import { countVerdicts, reportJson, showCounts, showResult } from "./report.ts";
import { emptyChoice, runChecks } from "./run.ts";

/** Exit codes: 1 a rule was broken, 2 there is no such check, 3 no agent came. */
const FAILED = 1;
const NOBODY_CAME = 3;
/** Time to start the agent after the kit. */
const FIRST_DIAL_WITHIN_MS = 60_000;

export type AgentSetup = Readonly<{ host: string; port: number; vm: string | null }>;

/** Plays a monitor for the agent that dials in. Prints as it goes; returns the exit code. */
export async function conformAgent(setup: AgentSetup, options: ConformOptions): Promise<number> {
  const unknown = emptyChoice(AGENT_CHECKS, options.only);
  if (unknown !== null) {
    process.stderr.write(`selfscale-lab: no check's id begins with ${unknown}\n`);
    return EXIT_USAGE;
  }
  const subject = new AgentSubject({ ...setup, token: options.token, patience: options.patience });
  const say = (text: string) => {
    if (!options.isJson) process.stdout.write(text);
  };
  const port = await subject.listen();
  try {
    const address = `ws://${setup.host}:${port}/monitor`;
    // Not among the JSON; but whoever starts the agent must know it.
    const out = options.isJson ? process.stderr : process.stdout;
    out.write(`waiting for an agent at ${address}, profile ${options.profile}\n`);
    await subject.dialled(FIRST_DIAL_WITHIN_MS);
    await subject.tidy();
    const results = await runChecks(subject, AGENT_CHECKS, {
      only: options.only,
      mayBeDangerous: options.mayBeDangerous,
      profile: profileNamed(options.profile, "agent"),
      onResult: (result) => say(showResult(result)),
    });
    say(showCounts(results));
    if (options.isJson)
      process.stdout.write(
        reportJson({ agent: subject.range?.json ?? null, profile: options.profile }, results),
      );
    return countVerdicts(results).fail === 0 ? 0 : FAILED;
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    process.stderr.write(`selfscale-lab: ${error.message}\n`);
    return NOBODY_CAME;
  } finally {
    await subject.stop();
  }
}
