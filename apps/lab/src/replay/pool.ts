// Tasks on all cores: this file's bundle is started again as worker threads, which take a task at a time. With one job
// everything happens in this thread.
import { parentPort, Worker, workerData } from "node:worker_threads";
import { perform, type Task, type TaskResult } from "./task.ts";
import { UnusableTraceError } from "./workloads.ts";

/** How a thread of ours knows what it is for. */
const PURPOSE = "selfscale-lab tasks";

type Answer =
  | Readonly<{ ok: true; result: TaskResult }>
  | Readonly<{ ok: false; message: string; isUnusable: boolean }>;

export type PoolOptions = Readonly<{
  jobs: number;
  /** The script whose main calls `serveTasks`: the one that runs. */
  script: string;
  onDone: (done: number, result: TaskResult) => void;
}>;

/** Results in the order of the tasks, whoever is done first. Rejects at the first that fails. */
export async function performAll(
  tasks: readonly Task[],
  { jobs, script, onDone }: PoolOptions,
): Promise<readonly TaskResult[]> {
  const results = new Map<number, TaskResult>();
  const keep = (index: number, result: TaskResult) => {
    results.set(index, result);
    onDone(results.size, result);
  };
  if (jobs === 1 || tasks.length === 1) {
    for (const [index, task] of tasks.entries()) keep(index, perform(task));
  } else {
    const queue = tasks.map((task, index) => ({ task, index }));
    const count = Math.min(jobs, tasks.length);
    const workers = Array.from({ length: count }, () => {
      return new Worker(script, { workerData: PURPOSE });
    });
    try {
      await Promise.all(workers.map((worker) => drain(worker, queue, keep)));
    } finally {
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  }
  return tasks.flatMap((_, index) => results.get(index) ?? []);
}

/** True in a thread that `performAll` started: it serves, and main has nothing else to do. */
export function serveTasks(): boolean {
  if (workerData !== PURPOSE) return false;
  parentPort?.on("message", (task: Task) => parentPort?.postMessage(answerTo(task)));
  return true;
}

function answerTo(task: Task): Answer {
  try {
    return { ok: true, result: perform(task) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // A clone keeps no class: ours are told by this, and the rest by its stack.
    const isUnusable = error instanceof UnusableTraceError;
    const stack = error instanceof Error ? (error.stack ?? text) : text;
    return { ok: false, message: isUnusable ? text : stack, isUnusable };
  }
}

type Queued = Readonly<{ task: Task; index: number }>;

async function drain(
  worker: Worker,
  queue: Queued[],
  keep: (index: number, result: TaskResult) => void,
): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const answer = await ask(worker, next.task);
    if (!answer.ok) {
      throw answer.isUnusable ? new UnusableTraceError(answer.message) : new Error(answer.message);
    }
    keep(next.index, answer.result);
  }
}

function ask(worker: Worker, task: Task): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
      then();
    };
    const onMessage = (answer: Answer) => settle(() => resolve(answer));
    const onError = (cause: unknown) =>
      settle(() => reject(new Error("a worker thread failed", { cause })));
    const onExit = (code: number) =>
      settle(() => reject(new Error(`a worker thread ended with ${code}`)));
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    worker.postMessage(task);
  });
}
