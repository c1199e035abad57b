// One mutation check from the sample to the verdicts.
import { hire } from "./crew.ts";
import { type Mutant, type Verdict } from "./mutant.ts";
import { buildWorkspace, type Project } from "./workspace.ts";

export type Hearer = Readonly<{
  measured: (testFiles: number, tookMs: number) => void;
  judged: (verdict: Verdict) => void;
}>;

export async function runMutants(
  project: Project,
  mutants: readonly Mutant[],
  jobs: number,
  hearer: Hearer,
): Promise<readonly Verdict[]> {
  const numbered = mutants.map((mutant, number) => ({ number, mutant }));
  const workspace = buildWorkspace(project, numbered);
  const crew = hire(workspace, jobs);
  // Also when somebody gives up waiting: the copy is large, and a host that hangs is loud.
  const cleanUp = (): void => {
    crew.end();
    workspace.remove();
  };
  const interrupted = (): void => {
    cleanUp();
    process.exit(130);
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  try {
    const startedAt = performance.now();
    const measured = await crew.measure();
    hearer.measured(measured.length, performance.now() - startedAt);
    return await crew.judge(numbered, measured, hearer.judged);
  } finally {
    process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
    cleanUp();
  }
}
