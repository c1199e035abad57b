// Whether the agent is alive, and whether it knows its VMs. Pure: what is asked is passed in.
import { type RunnerStatus } from "../shell/vm-runner.ts";

/** An event loop later than this does nobody's work in time: health checks of monitors are due every five seconds. */
export const MAX_LAG_MS = 5_000;

/** One sentence per problem; none: all is well. */
export type Problems = readonly string[];

type Vm = Pick<RunnerStatus, "name" | "loop" | "problems">;

/** What only a new process could help against. `worstLagMs`: of the last seconds. */
export function livenessProblems(vms: readonly Vm[], worstLagMs: number): Problems {
  const broken = vms.filter(({ loop }) => loop.isBroken);
  const problems = broken.map(({ name }) => `the loop of ${name} died and begins anew`);
  if (worstLagMs > MAX_LAG_MS) {
    problems.push(`the event loop was ${Math.round(worstLagMs)} ms late`);
  }
  return problems;
}

/** What is missing until every VM was looked at once, or is known not to run. */
export function readinessProblems(vms: readonly Vm[]): Problems {
  return vms
    .filter(({ loop }) => loop.sight === "not-yet")
    .map(({ name, problems }) => `${name} was not looked at yet: ${problems[0] ?? "it begins"}`);
}
