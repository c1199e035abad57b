// Does this connection's monitor live in this QEMU? A wrong guess would shrink one VM on another's word.
import { actualOf } from "./actual.ts";
import { note, sayMem, warning } from "./explain.ts";
import { type HypervisorFacts, type MonoMs, type VmAction } from "./types.ts";
import { type VmState } from "./vm-state.ts";

/** Without a UUID, the monitor's view of memory must be this near to QEMU's. */
const MEMORY_VIEW_TOLERANCE = 0.25;

type Identity = VmState["identity"];

export function identityOf(state: VmState, facts: HypervisorFacts): Identity {
  if (state.link.kind !== "up") return "unknown";
  const claimed = state.link.vm;
  if (claimed !== null && facts.uuid !== null) {
    return claimed === facts.uuid ? "proven" : "mismatched";
  }
  // Once it was near, it stays proven for this connection: later both move, not at one instant.
  if (state.identity === "proven") return "proven";
  const truth = actualOf(facts).memBytes;
  const isNear = (view: number) => Math.abs(view - truth) <= truth * MEMORY_VIEW_TOLERANCE;
  return viewsOf(state).some(isNear) ? "proven" : "unproven";
}

/** What the guest is known to think that it has: by the handshake, which ages, and by its metrics. */
function viewsOf({ monitorMemBytes, metrics }: VmState): number[] {
  return [monitorMemBytes, metrics?.system?.memTotalBytes ?? null].filter((view) => view !== null);
}

/** Stage: compare, and say so once when it changes for the worse. */
export function identityStage(
  state: VmState,
  _now: MonoMs,
): readonly [VmState, readonly VmAction[]] {
  if (state.facts === null) return [state, []];
  const identity = identityOf(state, state.facts);
  if (identity === state.identity) return [state, []];
  const actions: VmAction[] = [];
  if (identity === "mismatched" && state.link.kind === "up") {
    const data = { monitor: state.link.vm, qemu: state.facts.uuid };
    actions.push(
      warning(
        "identity-mismatch",
        "The monitor's UUID is not this QEMU's: nothing is resized.",
        data,
      ),
    );
  }
  if (identity === "unproven") {
    const view = viewsOf(state)[0] ?? null;
    const qemu = sayMem(actualOf(state.facts).memBytes);
    const text =
      view === null
        ? "No UUID and no view of the guest's memory yet: it may grow, not shrink."
        : `The guest says ${sayMem(view)}, QEMU gives ${qemu}: it may grow, not shrink.`;
    actions.push(note("identity-unproven", text));
  }
  return [{ ...state, identity }, actions];
}
