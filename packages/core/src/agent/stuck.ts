// What a VM waits for, in words for people: why it does not have the size it wants, for how long, and when it is tried again.
import { actualOf } from "./actual.ts";
import { sayCpu, sayMem } from "./explain.ts";
import { takeObstacle } from "./obstacle.ts";
import { paceOf } from "./pace.ts";
import { stopProblem } from "./run-state.ts";
import { mayResize, type Direction, type Resource, type VmState } from "./vm-state.ts";

/** A resource that was tried and fell short, as of the machine's last step. */
export type Stuck = Readonly<{
  resource: Resource;
  direction: Direction;
  /** Why the last try fell short. */
  problem: string;
  failures: number;
  /** Since the first try of this row fell short. */
  forMs: number;
  /** Until the next one; 0: only something else holds it up. */
  retryInMs: number;
}>;

const RESOURCES: readonly Resource[] = ["memory", "cpu"];

/** Only what still matters: a growth that is wanted, a shrink that is wanted. */
export function stuckOf(state: VmState): Stuck[] {
  return RESOURCES.flatMap((resource) => {
    const direction = wantedDirection(state, resource);
    if (direction === null) return [];
    const { failures, problem, since, retryAt } = paceOf(state, resource)[direction];
    if (failures === 0 || problem === null) return [];
    const forMs = state.steppedAt - (since ?? state.steppedAt);
    const retryInMs = Math.max(0, retryAt - state.steppedAt);
    return [{ resource, direction, problem, failures, forMs, retryInMs }];
  });
}

/** What keeps each resource from the size it should have; empty: nothing, or it is on its way. */
export function waitsFor(state: VmState): string[] {
  const { facts, want } = state;
  if (facts === null || want === null || state.hypervisorProblem !== null) return [];
  const stopped = stopProblem(facts);
  const stuck = stuckOf(state);
  return RESOURCES.flatMap((resource) => {
    const direction = wantedDirection(state, resource);
    if (direction === null || isMoving(state, resource)) return [];
    const to = resource === "memory" ? sayMem(want.memBytes) : sayCpu(want.milliCpu);
    const goal = `${direction === "growth" ? "to grow" : "to shrink"} to ${to}`;
    const failure = stuck.find((one) => one.resource === resource);
    const cause =
      stopped ??
      state.refusal ??
      (direction === "shrink" ? takeObstacle(state, state.steppedAt) : null) ??
      (direction === "growth" && state.isNodeFull ? "the node is full" : null) ??
      sayTokens(state, resource) ??
      (failure === undefined ? null : sayFailure(failure)) ??
      sayAsked(state, resource) ??
      (mayResize(state) ? null : "nothing may be resized now");
    return cause === null ? [] : [`${resource} ${goal}: ${cause}`];
  });
}

function wantedDirection(state: VmState, resource: Resource): Direction | null {
  const { facts, want } = state;
  if (facts === null || want === null) return null;
  const actual = actualOf(facts);
  const [has, should] =
    resource === "memory"
      ? [actual.memBytes, want.memBytes]
      : [state.advisedMilli ?? actual.milliCpu, want.milliCpu];
  if (has === should) return null;
  return has < should ? "growth" : "shrink";
}

function isMoving(state: VmState, resource: Resource): boolean {
  const { kind } = resource === "memory" ? state.memory : state.cpu;
  return kind === "growing" || kind === "shrinking";
}

function sayTokens({ budgets, steppedAt }: VmState, resource: Resource): string | null {
  const { waitsUntil } = budgets[resource];
  if (waitsUntil === null || waitsUntil <= steppedAt) return null;
  return `it went up and down too often, next in ${sayMs(waitsUntil - steppedAt)}`;
}

function sayFailure({ problem, failures, forMs, retryInMs }: Stuck): string {
  const times = failures === 1 ? "once" : `${failures} times`;
  return `${problem}; stuck for ${sayMs(forMs)}, tried ${times}, again in ${sayMs(retryInMs)}`;
}

function sayAsked(state: VmState, resource: Resource): string | null {
  const move = resource === "memory" ? state.memory : state.cpu;
  return move.kind === "asking" ? "the monitor was asked and has not answered yet" : null;
}

function sayMs(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
