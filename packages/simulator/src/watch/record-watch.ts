// Invariant 9 at the agent: what is told to QEMU is explained in the same breath, in words of the closed list.
import { AGENT_NOTES, type VmAction } from "@selfscale/core";
import { Broken } from "./broken.ts";

/** Notes that say that, and why, a size is told. */
const ABOUT_SIZES: ReadonlySet<string> = new Set(["resize-begun", "settled", "quota-enforced"]);

export function judgeRecords(vm: number, actions: readonly VmAction[]): void {
  let explained = 0;
  let told = 0;
  const attempts = new Set<number>();
  for (const action of actions) {
    if (action.kind === "explain") {
      const { reason, message } = action.note;
      if (!(reason in AGENT_NOTES) || message === "") {
        throw new Broken(9, vm, `"${reason}" is not in the list of notes, or says nothing`);
      }
      if (ABOUT_SIZES.has(reason)) explained += 1;
    } else if ("attempt" in action && !attempts.has(action.attempt)) {
      attempts.add(action.attempt);
      told += 1;
    }
  }
  // A move that was given up for the next one has two.
  if (told > explained) throw new Broken(9, vm, `${told} sizes told, ${explained} explained`);
}
