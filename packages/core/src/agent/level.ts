// The size that a monitor named on this connection. Pure.
import { type Size } from "@selfscale/protocol";
import { heldOf } from "./actual.ts";
import { type HypervisorFacts } from "./types.ts";
import { type VmState } from "./vm-state.ts";

type Target = Readonly<{ milliCpu: number | null; memBytes: number | null }>;
type Level = Pick<NonNullable<VmState["level"]>, "size" | "isNamed">;

/** What the VM keeps while nobody may decide for it. */
export function holdOf(state: VmState, facts: HypervisorFacts): Size {
  const held = heldOf(facts);
  return { milliCpu: state.advisedMilli ?? held.milliCpu, memBytes: held.memBytes };
}

/**
 * A refused resource (null) leaves its level as it was; without one, the VM keeps what it holds. null: nothing was named, or
 * what is held is not known.
 */
export function levelAfter(state: VmState, { milliCpu, memBytes }: Target): Level | null {
  const { level, facts } = state;
  const before = level?.size ?? (facts === null ? null : holdOf(state, facts));
  const size = {
    milliCpu: milliCpu ?? before?.milliCpu ?? null,
    memBytes: memBytes ?? before?.memBytes ?? null,
  };
  if (milliCpu === null && memBytes === null) return null;
  if (size.milliCpu === null || size.memBytes === null) return null;
  const isNamed = {
    milliCpu: milliCpu !== null || level?.isNamed.milliCpu === true,
    memBytes: memBytes !== null || level?.isNamed.memBytes === true,
  };
  return { size: { milliCpu: size.milliCpu, memBytes: size.memBytes }, isNamed };
}

/** What nobody named and the VM gave back, because the node asked for it, is not wanted back. */
export function levelSunk(state: VmState, facts: HypervisorFacts): VmState["level"] {
  const { level } = state;
  if (level === null || (level.isNamed.milliCpu && level.isNamed.memBytes)) return level;
  const hold = holdOf(state, facts);
  const sunk = (of: keyof Size) =>
    level.isNamed[of] ? level.size[of] : Math.min(level.size[of], hold[of]);
  return { ...level, size: { milliCpu: sunk("milliCpu"), memBytes: sunk("memBytes") } };
}
