// From want and permit to the next target, and whether a shrink may even be asked for. Pure arithmetic on the state.
import { type Size } from "@selfscale/protocol";
import { least } from "../node/amounts.ts";
import { actualOf } from "./actual.ts";
import { cpuCellDown, gridOf, memCellDown } from "./grid.ts";
import { type VmState } from "./vm-state.ts";

/**
 * What is wanted, less what the node asks back: the level stays wanted, and is taken up again when it may be. Who has
 * nobody to decide for it is not asked.
 */
export function aimOf({ want, recall, mode }: VmState): Size | null {
  if (want === null || recall === null || mode === "held") return want;
  return least(want, recall);
}

/**
 * Where to go now: growth as far as the node permits (rounded down to the grid), shrinking all the
 * way. null until the node has answered once.
 */
export function targetOf(state: VmState): Size | null {
  const { facts, permit } = state;
  const want = aimOf(state);
  if (facts === null || want === null || permit === null) return null;
  const actual = actualOf(facts);
  const grid = gridOf(facts, state.spec.hasQuota);
  const permitMem = memCellDown(permit.memBytes, grid);
  const permitCpu = cpuCellDown(permit.milliCpu, grid);
  return {
    memBytes:
      want.memBytes <= actual.memBytes
        ? want.memBytes
        : Math.max(actual.memBytes, Math.min(want.memBytes, permitMem)),
    milliCpu:
      want.milliCpu <= actual.milliCpu
        ? want.milliCpu
        : Math.max(actual.milliCpu, Math.min(want.milliCpu, permitCpu)),
  };
}

/**
 * How far down memory is asked for next. Who refused what the node asks back may still give what it does not want itself, and is asked for
 * that until a shrink went well.
 */
export function askedMemOf({ memoryPace, want }: VmState, target: number, has: number): number {
  const wanted = want?.memBytes ?? target;
  return memoryPace.shrink.failures > 0 && wanted < has ? Math.max(target, wanted) : target;
}

/** Why nothing may be taken from this VM now; null when it may be asked. */
export function shrinkObstacle(state: VmState): string | null {
  if (state.operatorPaused !== null) return "the operator holds the size";
  if (state.link.kind !== "up") return "no monitor to ask";
  if (state.identity === "mismatched") return "the monitor belongs to another VM";
  if (state.identity !== "proven") return "nothing proves that the monitor lives in this VM";
  if (state.link.wantsReports && state.reported === null) return "the monitor knows no size yet";
  return null;
}
