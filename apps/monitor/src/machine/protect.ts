import fs from "node:fs";
import os from "node:os";

/** The kernel kills almost anything else first; -1000 would forbid it even when we leak. */
const OOM_SCORE_ADJ = -900;
/** Ahead of everything that is not as careful as we are: a late monitor can't save anybody. */
const NICE = -10;
/**
 * Makes the process the last to be killed and the first to run. Returns what did not work: each is
 * a warning, none stops the start.
 *
 * Growing the heap in advance is not done: V8 gives untouched pages back within ten seconds
 * (measured, Node 20). What can still be lost when memory is short are the pages of the node binary;
 * only whoever starts us can keep those, with memory.min of a cgroup (MemoryMin= of a unit).
 */
export function protectSelf(procRoot: string): string[] {
  const problems: string[] = [];
  const attempt = (what: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      problems.push(`${what}: ${(error as Error).message}`);
    }
  };
  attempt(`oom_score_adj ${OOM_SCORE_ADJ}`, () =>
    fs.writeFileSync(`${procRoot}/self/oom_score_adj`, String(OOM_SCORE_ADJ), { flag: "r+" }),
  );
  attempt(`nice ${NICE}`, () => os.setPriority(0, NICE));
  return problems;
}
