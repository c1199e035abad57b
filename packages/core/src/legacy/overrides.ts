// What a version-1 monitor said lately that outweighs the metrics: "I am running out" and "I can't give that back".
// Both are forgotten with the connection; the caller starts from INITIAL_OVERRIDES then.
import { type Size } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { type LegacyConfig } from "./types.ts";

/** "One compute unit more than `base`, in these resources". */
export type RequestedUpscale = Readonly<{ base: Size; cpu: boolean; memory: boolean }>;

/** The VM had `current`, was asked to shrink to `requested`, and refused. */
export type DeniedDownscale = Readonly<{ current: Size; requested: Size }>;

/** What counts at one instant. */
export type ActiveOverrides = Readonly<{
  requested: RequestedUpscale | null;
  denied: DeniedDownscale | null;
}>;

/** What was said, and when. */
export type LegacyOverrides = Readonly<{
  requested: (RequestedUpscale & Readonly<{ at: MonoMs }>) | null;
  denied: (DeniedDownscale & Readonly<{ at: MonoMs }>) | null;
}>;

/** How long each counts. */
export type OverrideTimes = Pick<
  LegacyConfig,
  "requestedUpscaleValidSeconds" | "retryDeniedDownscaleSeconds"
>;

export const INITIAL_OVERRIDES: LegacyOverrides = { requested: null, denied: null };

/**
 * The monitor sent UpscaleRequest while the VM had `base`. The message names no resource; deployed agents take it for
 * memory. Every request counts from its own base and time, so a VM that goes on asking goes on growing.
 */
export function upscaleRequested(
  overrides: LegacyOverrides,
  base: Size,
  now: MonoMs,
): LegacyOverrides {
  return { ...overrides, requested: { base, cpu: false, memory: true, at: now } };
}

/** The monitor refused to shrink the VM from `current` to `requested`. */
export function downscaleDenied(
  overrides: LegacyOverrides,
  current: Size,
  requested: Size,
  now: MonoMs,
): LegacyOverrides {
  return { ...overrides, denied: { current, requested, at: now } };
}

/** What still counts at `now`. */
export function activeOverrides(
  overrides: LegacyOverrides,
  times: OverrideTimes,
  now: MonoMs,
): ActiveOverrides {
  const { requestedUntil, deniedUntil } = endsOf(overrides, times);
  return {
    requested: now < requestedUntil ? overrides.requested : null,
    denied: now < deniedUntil ? overrides.denied : null,
  };
}

/** When the next one ends to count, and the VM may want less. null: none counts. */
export function overridesWakeAt(
  overrides: LegacyOverrides,
  times: OverrideTimes,
  now: MonoMs,
): MonoMs | null {
  const { requestedUntil, deniedUntil } = endsOf(overrides, times);
  const ends = [requestedUntil, deniedUntil].filter((end) => end > now);
  return ends.length === 0 ? null : Math.min(...ends);
}

/** When each ends to count; what was not said ended long ago. */
function endsOf(
  { requested, denied }: LegacyOverrides,
  times: OverrideTimes,
): Readonly<{ requestedUntil: MonoMs; deniedUntil: MonoMs }> {
  return {
    requestedUntil: (requested?.at ?? -Infinity) + times.requestedUpscaleValidSeconds * 1000,
    deniedUntil: (denied?.at ?? -Infinity) + times.retryDeniedDownscaleSeconds * 1000,
  };
}

/** The goal that an override asks for. Compute units; 0 when there is none. */
export function unitsByOverrides(
  { requested, denied }: ActiveOverrides,
  computeUnit: Size,
): number {
  const wanted = [0];
  if (requested?.cpu === true) wanted.push(nextUnits(requested.base, computeUnit).milliCpu);
  if (requested?.memory === true) wanted.push(nextUnits(requested.base, computeUnit).memBytes);
  if (denied !== null) {
    const next = nextUnits(denied.requested, computeUnit);
    wanted.push(next.milliCpu, next.memBytes);
  }
  return Math.max(...wanted);
}

/** What a refused shrink leaves at least: one unit more than was asked for, never more than there was. */
export function keptByDenial({ current, requested }: DeniedDownscale, computeUnit: Size): Size {
  const next = nextUnits(requested, computeUnit);
  return {
    milliCpu: Math.min(current.milliCpu, computeUnit.milliCpu * next.milliCpu),
    memBytes: Math.min(current.memBytes, computeUnit.memBytes * next.memBytes),
  };
}

/** The fewest whole units that are more than `size`, per resource. */
function nextUnits(size: Size, computeUnit: Size): Size {
  return {
    milliCpu: 1 + Math.floor(size.milliCpu / computeUnit.milliCpu),
    memBytes: 1 + Math.floor(size.memBytes / computeUnit.memBytes),
  };
}
