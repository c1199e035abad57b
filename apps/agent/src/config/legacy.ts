import { DEPLOYED_LEGACY_CONFIG, type LegacyConfig } from "@selfscale/core";
import { type LegacyOverrides } from "./schema.ts";

/** The deployed factors, under the file's `legacy`, under the VM's own. */
export function legacyOf(
  shared: LegacyOverrides | undefined,
  own: LegacyOverrides | undefined,
): LegacyConfig {
  const { computeUnit, ...factors } = { ...shared, ...own };
  const given = Object.entries(factors).filter(([, value]) => value !== undefined);
  return {
    ...DEPLOYED_LEGACY_CONFIG,
    ...(Object.fromEntries(given) as Partial<LegacyConfig>),
    ...(computeUnit === undefined
      ? {}
      : { computeUnit: { milliCpu: computeUnit.cpu, memBytes: computeUnit.mem } }),
  };
}
