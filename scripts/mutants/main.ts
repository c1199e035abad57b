// make mutants: breaks packages/core in a seeded sample of small ways, and demands that the tests notice.
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { lineOf, outcomeOf, reportOf } from "./report.ts";
import { runMutants } from "./run.ts";
import { sample } from "./sample.ts";
import { problemsOf, readSurvivors } from "./survivors.ts";
import { allMutants, type Project } from "./workspace.ts";

const root = join(import.meta.dirname, "../..");
const PROJECT: Project = {
  root,
  mutated: "packages/core/src",
  tested: ["packages/core", "packages/simulator", "packages/evaluation"],
};

const { values } = parseArgs({
  options: {
    sample: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: String(availableParallelism()) },
    /** Only mutants whose id begins so, such as agent/ or one whole id. */
    only: { type: "string", default: "" },
  },
});

function wholeNumber(name: "sample" | "seed" | "jobs"): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < (name === "seed" ? 0 : 1))
    throw new Error(`--${name} must be a whole number, not ${values[name]}`);
  return value;
}

async function main(): Promise<number> {
  const startedAt = performance.now();
  const all = allMutants(PROJECT);
  const survivors = readSurvivors(join(import.meta.dirname, "survivors.json"));
  const problems = problemsOf(survivors, all);
  const candidates = all.filter(({ id }) => id.startsWith(values.only));
  const chosen = sample(candidates, wholeNumber("sample"), wholeNumber("seed"));
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  say(`${chosen.length} of ${all.length} mutants, seed ${values.seed}; measuring the sound code`);
  let judged = 0;
  const verdicts = await runMutants(PROJECT, chosen, wholeNumber("jobs"), {
    measured: (files, tookMs) => say(`${files} test files took ${seconds(tookMs)}`),
    judged: (verdict) => {
      judged += 1;
      const by = verdict.by === null ? "" : ` by ${verdict.by}`;
      say(`[${judged}/${chosen.length}] ${seconds(verdict.tookMs)} ${lineOf(verdict)}${by}`);
    },
  });
  console.log(reportOf(verdicts, survivors, problems));
  console.log(`took ${seconds(performance.now() - startedAt)}`);
  mkdirSync(join(root, ".cache/results"), { recursive: true });
  writeFileSync(join(root, ".cache/results/mutants.json"), JSON.stringify(verdicts, null, 1));
  return outcomeOf(verdicts, survivors, problems).isGood ? 0 : 1;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

process.exitCode = await main();
