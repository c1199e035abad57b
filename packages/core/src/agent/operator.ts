// What an operator may order for one VM by hand: hold its size, or keep it at least so large, each until a deadline.
// Orders bind sizes and nothing else: links stay open and levels are heard, so that their end finds everything as it is.
import { type Size } from "@selfscale/protocol";
import { note, sayCpu, sayMem } from "./explain.ts";
import { type MonoMs, type VmAction, type VmEvent } from "./types.ts";
import { type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

/** The size is held from now on, or no longer. Said again, the new deadline counts. */
export function pauseOrdered(
  state: VmState,
  { isPaused, until }: VmEvent & { kind: "operator-paused" },
): Result {
  const was = state.operatorPaused;
  if (!isPaused) {
    if (was === null) return [state, []];
    const text = "The operator lets it go on; the last level counts again.";
    return [{ ...state, operatorPaused: null }, [note("operator-resumed", text)]];
  }
  const paused: VmState = { ...state, operatorPaused: { until } };
  if (was !== null) return [paused, []];
  return [paused, [note("operator-paused", "The operator holds the size: nothing is resized.")]];
}

/** A floor takes the place of the one before it. */
export function floorOrdered(
  state: VmState,
  { floor, until }: VmEvent & { kind: "operator-floor" },
): Result {
  if (floor === null) {
    if (state.operatorFloor === null) return [state, []];
    return [{ ...state, operatorFloor: null }, [note("operator-floor", "The floor is cleared.")]];
  }
  const text = `At least ${sayCpu(floor.milliCpu)}, ${sayMem(floor.memBytes)} from now on.`;
  const say = note("operator-floor", text, { ...floor });
  return [{ ...state, operatorFloor: { size: floor, until } }, [say]];
}

/** Stage: an order ends when its time is over. */
export function operatorStage(state: VmState, now: MonoMs): Result {
  const actions: VmAction[] = [];
  let { operatorPaused, operatorFloor } = state;
  if (operatorPaused !== null && now >= (operatorPaused.until ?? Infinity)) {
    operatorPaused = null;
    actions.push(note("operator-resumed", "The pause is over; the last level counts again."));
  }
  if (operatorFloor !== null && now >= operatorFloor.until) {
    operatorFloor = null;
    actions.push(note("operator-floor", "The floor's time is over."));
  }
  if (actions.length === 0) return [state, []];
  return [{ ...state, operatorPaused, operatorFloor }, actions];
}

/** When the next order ends. null: none does by itself. */
export function operatorWakeAt({ operatorPaused, operatorFloor }: VmState): MonoMs | null {
  const pauseEnds = operatorPaused?.until ?? Infinity;
  const at = Math.min(pauseEnds, operatorFloor?.until ?? Infinity);
  return at === Infinity ? null : at;
}

/** The same VM, known anew: what was ordered for it still stands. */
export function withOrdersOf(fresh: VmState, before: VmState): VmState {
  const { operatorPaused, operatorFloor } = before;
  return { ...fresh, operatorPaused, operatorFloor };
}

/** What the operator wants it to have at least; nothing of both for no floor. */
export function operatorFloorOf({ operatorFloor }: VmState): Size | null {
  return operatorFloor?.size ?? null;
}
