import { type VmEvent } from "@selfscale/core";
import {
  QmpBusyError,
  QmpCommandError,
  QmpTimeoutError,
  QmpUnexpectedReplyError,
} from "@selfscale/qmp";
import { CgroupError } from "./cgroup.ts";
import { QemuSetupError } from "./qemu.ts";

type Outcome = Extract<VmEvent, { kind: "command-settled" }>["outcome"];

/** How a command that failed ended, in the machine's words. */
export function outcomeOf(error: unknown): Outcome {
  // QEMU or the kernel is fine and said no; the next command may succeed.
  if (
    error instanceof QmpCommandError ||
    error instanceof QmpUnexpectedReplyError ||
    error instanceof QmpBusyError ||
    error instanceof CgroupError ||
    error instanceof QemuSetupError
  ) {
    return "refused";
  }
  return error instanceof QmpTimeoutError || isAbort(error) ? "timed-out" : "lost";
}

/** After these the connection is good for the next command. */
export function isConnectionGood(error: unknown): boolean {
  return outcomeOf(error) === "refused";
}

export function sayError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message !== ""
    ? error.message
    : ((error as NodeJS.ErrnoException).code ?? error.name);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
}
