// A process that keeps one vitest warm and runs test files in it, under whichever mutant it is told. It watches
// its own processor time and memory: a mutant may loop for ever, and then the process ends and is started anew.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createVitest, type Reporter, type TestSpecification, type Vitest } from "vitest/node";
import { HUNG, type Answer, type Order } from "./orders.ts";

const MOST_BYTES = 1_500_000_000;
const POLL_MS = 100;

/** What happened in one run; vitest's own lists are those of all runs so far. */
type Run = { failure: string | null; passed: number };
type Errors = readonly Readonly<{ message: string }>[];

/** Runs files in the order given, not in the one that vitest would think of. */
class AsGiven {
  sort(files: TestSpecification[]): TestSpecification[] {
    return files;
  }
  shard(files: TestSpecification[]): TestSpecification[] {
    return files;
  }
}

function listener(current: () => Run): Reporter {
  const note = (where: string, errors: Errors = []): void => {
    const said = errors[0]?.message.split("\n")[0] ?? "";
    current().failure ??= `${where}: ${said.slice(0, 160)}`;
  };
  return {
    onTestCaseResult: (test) => {
      const { state, errors } = test.result();
      if (state === "passed") current().passed += 1;
      if (state === "failed") note(`${test.module.relativeModuleId} > ${test.fullName}`, errors);
    },
    onTestSuiteResult: (suite) => {
      if (suite.errors().length > 0) note(suite.fullName, suite.errors());
    },
    onTestModuleEnd: (module) => {
      if (module.errors().length > 0) note(module.relativeModuleId, module.errors());
    },
    onTestRunEnd: (_modules, errors) => {
      if (errors.length > 0) note("outside the tests", errors);
    },
  };
}

async function start(folder: string, reporter: Reporter): Promise<Vitest> {
  return createVitest(
    "test",
    {
      config: false,
      root: folder,
      include: ["**/*.test.ts"],
      setupFiles: [join(import.meta.dirname, "switch.ts")],
      pool: "threads",
      isolate: false,
      fileParallelism: false,
      maxWorkers: 1,
      bail: 1,
      watch: false,
      silent: true,
      reporters: [reporter],
      sequence: { sequencer: AsGiven },
      // Fuzzers and simulations play short.
      env: { FUZZ_SECONDS: "1", WORLDS: "50" },
    },
    { server: { fs: { strict: false } } },
  );
}

/** Ends the process when the run takes too much. Gives the means to stop watching, and the time used. */
function watch(order: Order): { stop: () => void; cpuMs: () => number; tookMs: () => number } {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  const cpuMs = (): number => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  const tookMs = (): number => performance.now() - startedAt;
  const timer = setInterval(() => {
    const isLate = cpuMs() > order.cpuLimitMs || tookMs() > order.wallLimitMs;
    if (isLate || process.memoryUsage.rss() > MOST_BYTES) process.exit(HUNG);
  }, POLL_MS);
  return { stop: () => clearInterval(timer), cpuMs, tookMs };
}

function readNumbers(path: string): readonly number[] {
  return JSON.parse(readFileSync(path, "utf8")) as readonly number[];
}

async function main(folder: string): Promise<void> {
  let run: Run = { failure: null, passed: 0 };
  const vitest = await start(
    folder,
    listener(() => run),
  );
  const carryOut = async (order: Order): Promise<Answer> => {
    run = { failure: null, passed: 0 };
    vitest.state.clearErrors();
    const reachedPath = order.mutant < 0 ? join(folder, `.reached-${process.pid}.json`) : "";
    vitest.provide("activeMutant", order.mutant);
    vitest.provide("reachedPath", reachedPath);
    const project = vitest.getRootProject();
    const files = order.files.map((file) => project.createSpecification(join(folder, file)));
    const { stop, cpuMs, tookMs } = watch(order);
    await vitest.runTestSpecifications(files, false);
    stop();
    const reached = reachedPath === "" ? [] : readNumbers(reachedPath);
    return { ...run, cpuMs: cpuMs(), tookMs: tookMs(), reached };
  };
  process.on("message", (order: Order) => {
    carryOut(order).then(
      (answer) => process.send?.(answer),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
  // The crew is gone: nobody waits for the answer.
  process.on("disconnect", () => process.exit(0));
  process.send?.("ready");
}

await main(process.argv[2] ?? ".");
