// How patiently a resource is tried again: growing pauses after what fell short, none after what went well. Growth and
// shrinking each have their own: a refused shrink must not hold up growth, nor a growth make us ask again at once.
import { retryPauseMs } from "./timers.ts";
import { type MonoMs } from "./types.ts";
import {
  initialPace,
  type Direction,
  type Pace,
  type Resource,
  type Tries,
  type VmState,
} from "./vm-state.ts";

export function paceOf(state: VmState, resource: Resource): Pace {
  return resource === "memory" ? state.memoryPace : state.cpuPace;
}

export function withPace(state: VmState, resource: Resource, pace: Pace): VmState {
  return resource === "memory" ? { ...state, memoryPace: pace } : { ...state, cpuPace: pace };
}

/** It got where it was to go: the next try of this kind waits for nothing. */
export function wentWell(state: VmState, resource: Resource, direction: Direction): VmState {
  const pace = paceOf(state, resource);
  const easy = initialPace();
  // What a monitor would have agreed to before the VM grew says nothing now.
  const next =
    direction === "growth"
      ? { growth: easy.growth, shrink: { ...pace.shrink, lowest: null } }
      : { ...pace, shrink: easy.shrink };
  return withPace(state, resource, next);
}

/** May it be tried now, as far as earlier failures go? */
export function mayRetry({ retryAt }: Tries, now: MonoMs): boolean {
  return now >= retryAt;
}

/** One more failure in a row. */
export function fellShort(
  state: VmState,
  resource: Resource,
  direction: Direction,
  problem: string,
  now: MonoMs,
): VmState {
  const pace = paceOf(state, resource);
  const before = pace[direction];
  const { retryMaxMs } = state.timers;
  // One that comes so long after the last is another story.
  const isFirst = before.failures === 0 || now >= before.retryAt + retryMaxMs;
  const failures = isFirst ? 1 : before.failures + 1;
  const seed = `${state.spec.name} ${resource} ${direction}`;
  const tries: Tries = {
    failures,
    retryAt: now + retryPauseMs(failures, state.timers, seed),
    since: isFirst ? now : before.since,
    problem,
  };
  return withPace(state, resource, { ...pace, [direction]: { ...before, ...tries } });
}

/** When a resource that fell short is tried again; null once only an event can unblock it. */
export function retryWakeAt(pace: Pace, state: VmState): MonoMs | null {
  const due = [pace.growth, pace.shrink]
    .filter(({ failures, retryAt }) => failures > 0 && retryAt > state.steppedAt)
    .map(({ retryAt }) => retryAt);
  return due.length === 0 ? null : Math.min(...due);
}
