// How large the machine must be for everybody's reservations: what was in use before them, and all they asked for. What
// they use themselves is not counted twice: the base stands while any of them is active.
import { type Size } from "@selfscale/protocol";
import { withKernel, withoutKernel } from "../../policy/kernel.ts";
import { type Base, type Reservation } from "./types.ts";

const MIB = 1024 ** 2;

type Amounts = readonly Readonly<{ memBytes: number; milliCpu: number }>[];

/** The size that holds the base and these amounts: memory adds up, of CPUs the most counts. No memory asked: none kept. */
export function floorFor(base: Base | null, amounts: Amounts): Size {
  const memBytes = sumBytes(amounts);
  const milliCpu = amounts.reduce((most, one) => Math.max(most, one.milliCpu), 0);
  if (base === null || memBytes === 0) return { milliCpu, memBytes: 0 };
  return { milliCpu, memBytes: sizeOf(base, base.usedBytes + memBytes) };
}

/**
 * Bytes that a machine of `toldBytes` has for reservations beyond these amounts; below zero: it lacks so much. Whole
 * mebibytes, so that no rounding makes it more than there is.
 */
export function roomIn(base: Base, toldBytes: number, amounts: Amounts): number {
  const bytes = withoutKernel(toldBytes, base.kernelBytes, base.toldBytes);
  return Math.floor((bytes - base.usedBytes - sumBytes(amounts)) / MIB) * MIB;
}

/**
 * One more comes. What is in use beyond all that was granted is somebody else's: the base rises with it, so that the
 * newcomer comes on top of what is in use now.
 */
export function rebased(
  base: Base | null,
  now: Base | null,
  active: readonly Reservation[],
): Base | null {
  if (base === null || now === null) return base ?? now;
  const granted = active.filter((one) => one.state === "granted").map((one) => one.request);
  return { ...base, usedBytes: Math.max(base.usedBytes, now.usedBytes - sumBytes(granted)) };
}

/** The size of a machine whose kernel hands out so many bytes. */
export function sizeOf({ kernelBytes, toldBytes }: Base, usableBytes: number): number {
  return Math.ceil(withKernel(usableBytes, kernelBytes, toldBytes));
}

function sumBytes(amounts: Amounts): number {
  return amounts.reduce((sum, one) => sum + one.memBytes, 0);
}
