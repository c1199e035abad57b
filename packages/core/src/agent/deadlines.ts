// What must be answered by somebody who never fails to, and still may not be: a command, a look at QEMU, the node's permit.
// The shell and the arbiter have deadlines of their own; these are for the day on which one of them is wrong.
import { warning } from "./explain.ts";
import { noteLost } from "./told.ts";
import { type MonoMs, type VmAction } from "./types.ts";
import { type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

/** Stage: what is overdue is asked again. */
export function deadlineStage(before: VmState, now: MonoMs): Result {
  const actions: VmAction[] = [];
  let state = before;
  const lost = noteLost(state, now);
  if (lost.attempts.length > 0) {
    const text = `QEMU or the kernel did not answer in ${state.timers.commandMs} ms.`;
    actions.push(warning("command-lost", text, { attempts: lost.attempts.join() }));
    state = { ...lost.state, observeAskedAt: now };
    if (state.hypervisorProblem === null) actions.push({ kind: "observe" });
  }
  const lookAt = lookEndsAt(state);
  if (lookAt !== null && now >= lookAt) {
    const text = `A look at QEMU did not come back in ${state.timers.observeMs} ms.`;
    actions.push(warning("look-lost", text), { kind: "observe" });
    state = { ...state, observeAskedAt: now };
  }
  const permitAt = permitEndsAt(state);
  if (permitAt !== null && now >= permitAt) {
    const text = `The node did not answer in ${state.timers.permitMs} ms; it is asked again.`;
    if (!state.isPermitLate) actions.push(warning("permit-late", text));
    // What was not answered was never asked: the next stage asks again.
    state = { ...state, sought: null, isPermitLate: true };
  }
  return [state, actions];
}

export function deadlinesWakeAt(state: VmState): MonoMs | null {
  const { memory, cpu } = state.told;
  const open = [...memory, ...cpu].filter(({ looksLeft }) => looksLeft === null);
  const ends = [
    ...open.map(({ at }) => at + state.timers.commandMs),
    ...[lookEndsAt(state), permitEndsAt(state)].filter((at) => at !== null),
  ];
  return ends.length === 0 ? null : Math.min(...ends);
}

function lookEndsAt({ observeAskedAt, hypervisorProblem, facts, timers }: VmState): MonoMs | null {
  if (observeAskedAt === null || hypervisorProblem !== null || facts === null) return null;
  return observeAskedAt + timers.observeMs;
}

function permitEndsAt(state: VmState): MonoMs | null {
  const { isPermitPending, sought, hypervisorProblem, refusal, timers } = state;
  if (!isPermitPending || sought === null) return null;
  if (hypervisorProblem !== null || refusal !== null) return null;
  return state.permitAskedAt + timers.permitMs;
}
