// A few hosts working side by side: measures the sound code once, then tries mutant after mutant.
import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { type Numbered } from "./instrument.ts";
import { type Fate, type Verdict } from "./mutant.ts";
import { HUNG, type Answer, type Order } from "./orders.ts";
import { type Workspace } from "./workspace.ts";

/** What a test file costs on the sound code, and the mutants it comes by. */
export type Measured = Readonly<{
  file: string;
  passed: number;
  cpuMs: number;
  tookMs: number;
  reached: ReadonlySet<number>;
}>;

/** Files that take less than this together are run in one go. */
const BATCH_MS = 1_500;
/** A mutant may be slower than the sound code before it counts as hung. Processor time, so that a busy machine does not matter. */
const SLOWER_FACTOR = 4;
const SLOWER_MS = 3_000;
/** Waiting, not computing: only the tests' own time limits are that slow. */
const WALL_FACTOR = 20;
const WALL_MS = 300_000;

/** `run` gives null when the mutant hung, and the process is gone. */
type Host = Readonly<{ run: (order: Order) => Promise<Answer | null>; end: () => void }>;

/** A process that starts when first needed, and anew after a mutant hung in it. */
function hostIn(folder: string): Host {
  let running: ChildProcess | null = null;
  const run = async (order: Order): Promise<Answer | null> => {
    const host = (running ??= await launch(folder));
    return new Promise((resolve, reject) => {
      const answered = (answer: Answer): void => {
        host.off("exit", exited);
        resolve(answer);
      };
      const exited = (code: number | null): void => {
        host.off("message", answered);
        running = null;
        if (code === HUNG) resolve(null);
        else reject(new Error(`a test process ended with ${code} under mutant ${order.mutant}`));
      };
      host.once("exit", exited);
      host.once("message", answered);
      host.send(order);
    });
  };
  return { run, end: () => void running?.kill("SIGKILL") };
}

function launch(folder: string): Promise<ChildProcess> {
  // SEED would have the simulations play that one seed only.
  const env = { ...process.env };
  delete env["SEED"];
  const host = fork(join(import.meta.dirname, "host.ts"), [folder], {
    execArgv: ["--import", "tsx"],
    env,
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  return new Promise((resolve, reject) => {
    host.once("message", () => {
      host.removeAllListeners("exit");
      resolve(host);
    });
    host.once("exit", (code) => reject(new Error(`a test process did not start: ${code}`)));
  });
}

export type Crew = Readonly<{
  measure: () => Promise<readonly Measured[]>;
  judge: (
    mutants: readonly Numbered[],
    measured: readonly Measured[],
    tell: (verdict: Verdict) => void,
  ) => Promise<readonly Verdict[]>;
  end: () => void;
}>;

export function hire(workspace: Workspace, size: number): Crew {
  const hosts = Array.from({ length: size }, () => hostIn(workspace.folder));
  return {
    measure: () => share(hosts, workspace.testFiles, measure),
    judge: (mutants, measured, tell) =>
      share(hosts, mutants, async (host, numbered) => {
        const verdict = await judge(host, numbered, measured);
        tell(verdict);
        return verdict;
      }),
    end: () => hosts.forEach((host) => host.end()),
  };
}

/** Every free host takes the next piece of work. The results are in the order of the work. */
async function share<Work, Result>(
  hosts: readonly Host[],
  work: readonly Work[],
  carryOut: (host: Host, piece: Work) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const queue = work.entries();
  const serve = async (host: Host): Promise<void> => {
    for (const [index, piece] of queue) results[index] = await carryOut(host, piece);
  };
  await Promise.all(hosts.map(serve));
  return results;
}

async function measure(host: Host, file: string): Promise<Measured> {
  const limits = { cpuLimitMs: WALL_MS, wallLimitMs: WALL_MS };
  const answer = await host.run({ mutant: -1, files: [file], ...limits });
  if (answer === null) throw new Error(`${file} takes too long even on the sound code`);
  if (answer.failure !== null) throw new Error(`fails on the sound code: ${answer.failure}`);
  return { ...answer, file, reached: new Set(answer.reached) };
}

async function judge(
  host: Host,
  { number, mutant }: Numbered,
  measured: readonly Measured[],
): Promise<Verdict> {
  const startedAt = performance.now();
  const verdict = (fate: Fate, by: string | null): Verdict => {
    return { mutant, fate, by, tookMs: performance.now() - startedAt };
  };
  const batches = batchesOf(measured.filter(({ reached }) => reached.has(number)));
  if (batches.length === 0) return verdict("unreached", null);
  for (const batch of batches) {
    const sum = (value: (file: Measured) => number): number =>
      batch.reduce((total, file) => total + value(file), 0);
    const files = batch.map(({ file }) => file);
    const answer = await host.run({
      mutant: number,
      files,
      cpuLimitMs: SLOWER_FACTOR * sum(({ cpuMs }) => cpuMs) + SLOWER_MS,
      wallLimitMs: WALL_FACTOR * sum(({ tookMs }) => tookMs) + WALL_MS,
    });
    if (answer === null) return verdict("hung", files.join(", "));
    if (answer.failure !== null) return verdict("killed", answer.failure);
    // Not a kill: the tool would be blind, and must not call that a survivor either.
    const expected = sum(({ passed }) => passed);
    if (answer.passed !== expected)
      throw new Error(`${mutant.id}: ${answer.passed} of ${expected} tests ran`);
  }
  return verdict("survived", null);
}

/** The quickest first; quick ones together, for a run has a price of its own. */
function batchesOf(files: readonly Measured[]): readonly (readonly Measured[])[] {
  const batches: Measured[][] = [];
  let batchMs = Infinity;
  for (const file of [...files].sort((a, b) => a.cpuMs - b.cpuMs)) {
    batchMs += file.cpuMs;
    if (batchMs > BATCH_MS) {
      batches.push([]);
      batchMs = file.cpuMs;
    }
    batches.at(-1)?.push(file);
  }
  return batches;
}
