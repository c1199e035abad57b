// How often one VM may make us resize it. An honest monitor never meets these limits: need is met by one jump, and less is
// asked for after it held low for a while. A hostile one that goes up and down all the time is slowed, and harms nobody else.
import { warning } from "./explain.ts";
import { draw, nextTokenAt, type Limit } from "./bucket.ts";
import { countLimited } from "./message-limits.ts";
import { type MonoMs, type VmAction } from "./types.ts";
import { type Resource, type VmState } from "./vm-state.ts";

/** Growths of one resource. The legal rate of wishes is ten a second: six seconds of it at once, one a second in the long run. */
export const GROWTHS: Limit = { burst: 60, everyMs: 1_000 };
/** Shrinks that follow a growth of the same resource. Slice after slice is one; undone and begun again is another. */
export const TURNS: Limit = { burst: 6, everyMs: 10_000 };

type Asked = Readonly<{ state: VmState; isGranted: boolean; actions: readonly VmAction[] }>;

/** May it grow now? Undoing a shrink does not ask: a guest in need never waits for a token. */
export function mayGrow(state: VmState, resource: Resource, now: MonoMs): Asked {
  return spend(state, resource, "growths", GROWTHS, now);
}

/** May a shrink begin now? */
export function mayTurn(state: VmState, resource: Resource, now: MonoMs): Asked {
  if (state.budgets[resource].last !== "growth") return { state, isGranted: true, actions: [] };
  return spend(state, resource, "turns", TURNS, now);
}

export function began(
  state: VmState,
  resource: Resource,
  last: "growth" | "shrink",
): VmState["budgets"] {
  return { ...state.budgets, [resource]: { ...state.budgets[resource], last, waitsUntil: null } };
}

/** When something that waits for a token is looked at again. */
export function budgetWakeAt(state: VmState, resource: Resource): MonoMs | null {
  const { waitsUntil } = state.budgets[resource];
  return waitsUntil !== null && waitsUntil > state.steppedAt ? waitsUntil : null;
}

function spend(
  state: VmState,
  resource: Resource,
  of: "growths" | "turns",
  limit: Limit,
  now: MonoMs,
): Asked {
  const before = state.budgets[resource];
  const { bucket, isGranted } = draw(before[of], limit, now);
  const waitsUntil = isGranted ? null : nextTokenAt(bucket, limit, now);
  const budgets = { ...state.budgets, [resource]: { ...before, [of]: bucket, waitsUntil } };
  // Said and counted once for each wait, not each time somebody looks.
  const isNews = !isGranted && (before.waitsUntil === null || before.waitsUntil <= now);
  if (!isNews) return { state: { ...state, budgets }, isGranted, actions: [] };
  const limited = countLimited(state.limited, "resizes");
  const what = `${resource === "cpu" ? "CPU" : "memory"} ${of === "turns" ? "went up and down" : "grew"}`;
  return {
    state: { ...state, budgets, limited },
    isGranted,
    actions: [warning("resize-limited", `${what} too often: the next one waits.`)],
  };
}
