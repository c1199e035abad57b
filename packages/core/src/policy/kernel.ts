// The kernel's share of a VM's memory: what QEMU gives − MemTotal, as measured while both stand
// still.
import { type MonoMs } from "../agent/types.ts";
import { type MemorySample } from "../monitor/types.ts";

/**
 * Not a setting: `struct page`, 64 bytes for each 4096 that the kernel manages, taken from what was there before.
 */
const BOOKKEEPING_SHARE = 0.016;
/** Not a setting: told size and MemTotal must both have stood still this long before their difference counts. */
const STEADY_MS = 1_000;
/** Not a setting: a larger difference is memory that was plugged and can't be used; asking for more won't help. */
const MOST_SHARE = 0.25;

/** null: not measured yet. */
export type KernelState = Readonly<{
  /** Bytes; null until both stood still. */
  bytes: number | null;
  toldBytes: number;
  totalBytes: number;
  since: MonoMs;
}> | null;

/**
 * While memory comes or goes, told size and MemTotal disagree for a moment: not the kernel's share.
 */
export function learnKernel(
  state: KernelState,
  { totalBytes }: MemorySample,
  toldBytes: number,
  now: MonoMs,
): KernelState {
  if (state === null || state.toldBytes !== toldBytes || state.totalBytes !== totalBytes) {
    return { bytes: state?.bytes ?? null, toldBytes, totalBytes, since: now };
  }
  if (now < state.since + STEADY_MS) return state;
  const bytes = bounded(toldBytes - totalBytes, toldBytes);
  return bytes === state.bytes ? state : { ...state, bytes };
}

/** Bytes; until it was measured, what the difference is now. */
export function kernelShare(state: KernelState, sample: MemorySample, toldBytes: number): number {
  return state?.bytes ?? bounded(toldBytes - sample.totalBytes, toldBytes);
}

/** The share was measured at the present size; a larger one costs some more. Bytes. */
export function withKernel(bytes: number, kernelBytes: number, toldBytes: number): number {
  const total = bytes + kernelBytes;
  return total + Math.max(0, total - toldBytes) * BOOKKEEPING_SHARE;
}

/** What a machine of `sizeBytes` has beside the kernel's share: the inverse of `withKernel`. Bytes. */
export function withoutKernel(sizeBytes: number, kernelBytes: number, toldBytes: number): number {
  const more = Math.max(0, sizeBytes - toldBytes);
  return Math.min(sizeBytes, toldBytes) + more / (1 + BOOKKEEPING_SHARE) - kernelBytes;
}

function bounded(bytes: number, toldBytes: number): number {
  return Math.min(Math.max(0, bytes), MOST_SHARE * toldBytes);
}
