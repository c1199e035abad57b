// TEMP
import { type Bounds, type Size } from "@selfscale/protocol";
import { type LegacyConfig, type LegacyMetrics } from "../legacy/types.ts";
export type LegacyOverrides = {
  requested: { base: Size; at: number } | null;
  denied: { current: Size; requested: Size; at: number } | null;
};
export const INITIAL_OVERRIDES: LegacyOverrides = { requested: null, denied: null };
export function upscaleRequested(o: LegacyOverrides, base: Size, at: number): LegacyOverrides {
  return { ...o, requested: { base, at } };
}
export function downscaleDenied(
  o: LegacyOverrides,
  current: Size,
  requested: Size,
  at: number,
): LegacyOverrides {
  return { ...o, denied: { current, requested, at } };
}
export function legacyDesired(i: {
  config: LegacyConfig;
  bounds: Bounds;
  using: Size;
  metrics: LegacyMetrics;
  overrides: LegacyOverrides;
  now: number;
}) {
  const cu = i.config.computeUnit;
  let goal = 0;
  const s = i.metrics.system;
  if (s)
    goal = Math.ceil(
      Math.max(
        Math.round(s.load1 / 0.9 / (cu.milliCpu / 1000)),
        s.memUsageBytes / 0.75 / cu.memBytes,
      ),
    );
  if (i.overrides.requested && i.now < i.overrides.requested.at + 10000)
    goal = Math.max(goal, 1 + Math.floor(i.overrides.requested.base.memBytes / cu.memBytes));
  let res = { milliCpu: cu.milliCpu * goal, memBytes: cu.memBytes * goal };
  if (!s)
    res = {
      milliCpu: Math.max(res.milliCpu, i.using.milliCpu),
      memBytes: Math.max(res.memBytes, i.using.memBytes),
    };
  return { desired: res, goalComputeUnits: goal };
}
