// What QEMU does with the guest now. While it does not run it, nothing is told to it: not to a guest that stands still, and
// least of all to one that is being moved to another machine.
import { note, warning } from "./explain.ts";
import { type HypervisorFacts, type VmAction } from "./types.ts";

/** QEMU's own words (query-status), for people. */
const MEANINGS: Readonly<Record<string, string>> = {
  paused: "it is paused",
  prelaunch: "it was not started yet",
  inmigrate: "it is being migrated here",
  "finish-migrate": "it is being migrated away",
  postmigrate: "it was migrated away; this QEMU only keeps its memory",
  "restore-vm": "its state is being restored",
  "save-vm": "its state is being saved",
  suspended: "the guest is suspended",
  shutdown: "the guest was shut down",
  watchdog: "its watchdog stopped it",
  "guest-panicked": "its kernel panicked",
  "io-error": "it stopped at an I/O error",
  "internal-error": "QEMU stopped it at an internal error",
  debug: "a debugger stopped it",
  colo: "it is replicated",
};

/** Why the guest does not run; null when it does. */
export function stopProblem({ runState }: HypervisorFacts): string | null {
  if (runState === "running") return null;
  const meaning = MEANINGS[runState] ?? "it does not run";
  return `${meaning} (QEMU: ${runState.slice(0, 40)}); nothing is told to it`;
}

/** Said once when it changes. */
export function noteRunState(before: HypervisorFacts | null, after: HypervisorFacts): VmAction[] {
  const was = before?.runState ?? "running";
  if (was === after.runState) return [];
  const data = { runState: after.runState, before: was };
  const problem = stopProblem(after);
  if (problem !== null) return [warning("vm-stopped", `The VM stands still: ${problem}.`, data)];
  return [note("vm-running", "The VM runs again; its sizes were read anew.", data)];
}

/**
 * The guest was reset: all that was plugged is gone at once, and QEMU still asks for some. Unplugging never goes below what
 * was requested, so nothing else looks like this.
 */
export function isReset(before: HypervisorFacts | null, after: HypervisorFacts): boolean {
  const [was, is] = [before?.memoryDevice ?? null, after.memoryDevice];
  if (was === null || is === null || before?.process !== after.process) return false;
  return was.sizeBytes > 0 && was.requestedBytes > 0 && is.sizeBytes === 0 && is.requestedBytes > 0;
}
