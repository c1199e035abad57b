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
import { linkWakeAt, waitingSince } from "./link.ts";
import { memoryStage, memoryWakeAt } from "./memory.ts";
import { noteTold } from "./told.ts";
import { modeStage, modeWakeAt } from "./mode.ts";
import { operatorStage, operatorWakeAt } from "./operator.ts";
import { answerStage, notifyStage, reportStage, reportWakeAt } from "./report.ts";
import { wantStage } from "./want.ts";
import { type HypervisorFacts, type MonoMs, type VmAction, type VmEvent } from "./types.ts";
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
    cpuReadDueAt(state),
  ].filter((at) => at !== null);
  return candidates.length === 0 ? null : Math.min(...candidates);
}

/** Stage: look at QEMU often while something moves, now and then otherwise; at the CPU where it matters. */
function observeStage(state: VmState, now: MonoMs): readonly [VmState, readonly VmAction[]] {
  const dueAt = observeDueAt(state);
  if (dueAt !== null && now >= dueAt) {
    return [{ ...state, observeAskedAt: now }, [{ kind: "observe" }]];
  }
  const cpuDueAt = cpuReadDueAt(state);
  if (cpuDueAt === null || now < cpuDueAt) return [state, []];
  return [{ ...state, cpuReadAt: now }, [{ kind: "read-cpu" }]];
}

function observeDueAt(state: VmState): MonoMs | null {
  if (state.facts === null || state.hypervisorProblem !== null) return null;
  if (state.observeAskedAt !== null) return null; // one at a time; its answer or loss ends it
  const { observeBusyMs, observeIdleMs } = state.timers;
  return state.observedAt + (isMoving(state, state.facts) ? observeBusyMs : observeIdleMs);
}

/** A size changes, is about to, or was told and may arrive yet. */
function isMoving({ memory, cpu, told }: VmState, facts: HypervisorFacts): boolean {
  return (
    memory.kind === "growing" ||
    memory.kind === "shrinking" ||
    memory.kind === "settling" ||
    cpu.kind === "growing" ||
    cpu.kind === "shrinking" ||
    told.memory.length + told.cpu.length > 0 ||
    (facts.memoryDevice !== null && actualOf(facts).memBytes !== requestedMemOf(facts))
  );
}

/**
 * Under a quota the guest can't measure its CPU itself; and a monitor that does not answer may be starved, which only
 * its QEMU's CPU use shows. Nobody else needs it between two observations.
 */
function cpuReadDueAt(state: VmState): MonoMs | null {
  if (state.facts === null || state.hypervisorProblem !== null) return null;
  if (state.observeAskedAt !== null) return null; // it reads the CPU as well
  const since = state.spec.hasQuota ? state.cpuReadAt : waitingSince(state.link);
  if (since === null) return null;
  return Math.max(since, state.cpuReadAt) + state.timers.readCpuMs;
}
