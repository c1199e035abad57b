// One VM on the agent: step(state, event, now) → [state, actions]. The shell performs the actions and feeds results back.
// It decides what this VM should be told; how the node is divided is the arbiter's, how QEMU is spoken to is the shell's.
import { actualOf, requestedMemOf } from "./actual.ts";
import { absorb } from "./absorb.ts";
import { cpuStage, cpuWakeAt } from "./cpu.ts";
import { deadlineStage, deadlinesWakeAt } from "./deadlines.ts";
import { noticeGap } from "./gap.ts";
import { identityStage } from "./identity.ts";
import { assertInvariants } from "./invariants.ts";
import { overridesWakeAt } from "../legacy/overrides.ts";
import { linkWakeAt } from "./link.ts";
import { memoryStage, memoryWakeAt } from "./memory.ts";
import { noteTold } from "./told.ts";
import { modeStage, modeWakeAt } from "./mode.ts";
import { operatorStage, operatorWakeAt } from "./operator.ts";
import { answerStage, notifyStage, reportStage, reportWakeAt } from "./report.ts";
import { wantStage } from "./want.ts";
import { type MonoMs, type VmAction, type VmEvent } from "./types.ts";
import { runStages, type Stage, type VmState } from "./vm-state.ts";

/** Growth before shrinking, quota before memory, answers before reports. */
const STAGES: readonly Stage[] = [
  deadlineStage,
  identityStage,
  modeStage,
  operatorStage,
  wantStage,
  cpuStage,
  memoryStage,
  answerStage,
  notifyStage,
  reportStage,
  observeStage,
];

/** Pure: same arguments, same answer. */
export function stepVm(before: VmState, event: VmEvent, now: MonoMs): [VmState, VmAction[]] {
  const [awake, waking] = noticeGap(before, now);
  const [learned, first] = absorb(awake, event, now);
  const [decided, second] = runStages(learned, now, STAGES);
  const actions = [...waking, ...first, ...second];
  const after: VmState = { ...noteTold(decided, second, now), steppedAt: now };
  assertInvariants(after, actions);
  return [after, actions];
}

/** When the machine wants a `tick`, if nothing else comes first. null: only events matter. */
export function vmWakeAt(state: VmState): MonoMs | null {
  const candidates = [
    linkWakeAt(state.link, state.timers),
    modeWakeAt(state),
    overridesWakeAt(state.overrides, state.spec.legacy, state.steppedAt),
    memoryWakeAt(state),
    cpuWakeAt(state),
    reportWakeAt(state),
    operatorWakeAt(state),
    observeDueAt(state),
    deadlinesWakeAt(state),
  ].filter((at) => at !== null);
  return candidates.length === 0 ? null : Math.min(...candidates);
}

/** Stage: look at QEMU often while something moves, now and then otherwise. */
function observeStage(state: VmState, now: MonoMs): readonly [VmState, readonly VmAction[]] {
  const dueAt = observeDueAt(state);
  if (dueAt === null || now < dueAt) return [state, []];
  return [{ ...state, observeAskedAt: now }, [{ kind: "observe" }]];
}

function observeDueAt(state: VmState): MonoMs | null {
  if (state.facts === null || state.hypervisorProblem !== null) return null;
  if (state.observeAskedAt !== null) return null; // one at a time; its answer or loss ends it
  const device = state.facts.memoryDevice;
  const isMoving =
    state.memory.kind === "growing" ||
    state.memory.kind === "shrinking" ||
    state.memory.kind === "settling" ||
    state.cpu.kind === "growing" ||
    state.cpu.kind === "shrinking" ||
    (device !== null && actualOf(state.facts).memBytes !== requestedMemOf(state.facts));
  const { observeBusyMs, observeIdleMs } = state.timers;
  return state.observedAt + (isMoving ? observeBusyMs : observeIdleMs);
}
