// One VM's ladder and why, as plain data: for `status`, the demo's table and whoever asks.
import { type Bounds, type Size } from "@selfscale/protocol";
import { type Verdict } from "../node/types.ts";
import { actualOf, heldOf } from "./actual.ts";
import { permitOf, reasonOf, requestedOf } from "./report.ts";
import { type Limited } from "./message-limits.ts";
import { stopProblem } from "./run-state.ts";
import { stuckOf, waitsFor, type Stuck } from "./stuck.ts";
import { type ControlMode, type VmState } from "./vm-state.ts";

export type VmStatus = Readonly<{
  name: string;
  mode: ControlMode;
  /** The ladder. null where nothing is known yet. */
  desired: Size | null;
  permit: Size | null;
  requested: Size | null;
  actual: Size | null;
  held: Size | null;
  bounds: Bounds;
  /** The monitor's own word for its last wish. */
  wishReason: string | null;
  /** What binds: one of the agent's reasons; null while simply on its way. */
  reason: string | null;
  moving: Readonly<{ memory: string; cpu: string }>;
  /** Why the node gives no more, and who holds what; null: it gives what is wanted. */
  verdict: Verdict | null;
  /** What the node asks it to come down to. */
  recall: Size | null;
  /** What went wrong last, for people. Empty when nothing did. */
  problems: readonly string[];
  /** What was tried and fell short: for how long, and when it is tried again. */
  stuck: readonly Stuck[];
  /** Why it does not have what it should, one sentence per resource. Empty: it has, or is on its way. */
  waitsFor: readonly string[];
  /** How often each limit on this VM's monitor was met. */
  limited: Limited;
  link: Readonly<{ state: string; version: number | null; identity: string }>;
  legacyGoal: number | null;
  cpuUsedMilli: number | null;
  throttledShare: number | null;
}>;

/** What binds, in one word; null while simply on its way. */
export function vmWhy(state: VmState): string | null {
  return state.facts === null ? "stuck" : reasonOf(state, state.facts);
}

export function vmStatus(state: VmState): VmStatus {
  const { facts, link } = state;
  const level = state.mode === "compute-controlled" ? (state.level?.size ?? null) : null;
  const stuck = stuckOf(state);
  const problems = [
    state.refusal,
    state.hypervisorProblem,
    state.linkProblem,
    facts === null ? null : stopProblem(facts),
    ...stuck.map(({ problem }) => problem),
  ].filter((problem) => problem !== null);
  return {
    name: state.spec.name,
    mode: state.mode,
    desired: level ?? state.want,
    permit: facts === null ? null : permitOf(state, facts),
    requested: facts === null ? null : requestedOf(state, facts),
    actual: facts === null ? null : actualOf(facts),
    held: facts === null ? null : heldOf(facts),
    bounds: state.spec.bounds,
    wishReason: state.level?.reason ?? null,
    reason: vmWhy(state),
    moving: { memory: state.memory.kind, cpu: state.cpu.kind },
    verdict: facts === null ? null : state.verdict,
    recall: facts === null ? null : state.recall,
    problems,
    stuck,
    waitsFor: waitsFor(state),
    limited: state.limited,
    link: {
      state: link.kind,
      version: link.kind === "up" ? link.version : null,
      identity: state.identity,
    },
    legacyGoal: state.legacyGoal,
    cpuUsedMilli: facts?.cpuUsedMilli ?? null,
    throttledShare: facts?.throttledShare ?? null,
  };
}
