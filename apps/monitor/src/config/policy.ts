// The sizing policy that a file describes: a preset, or a place on the knob `calm`, and single numbers on top.
import {
  type CpuPolicy,
  type MemoryPolicy,
  type PolicyConfig,
  PRESET_CALM,
  type PresetName,
  PRESETS,
  withCalm,
} from "@selfscale/core";
import { ConfigError } from "./problem.ts";

/** As the file has them; what it does not say is undefined. */
type Given<T> = { [Key in keyof T]?: number | undefined };
type PolicyNumbers = Readonly<{
  preset: PresetName;
  calm: number | null;
  cpu: Given<CpuPolicy>;
  memory: Given<MemoryPolicy>;
}> &
  Given<Omit<PolicyConfig, "cpu" | "memory">>;

/** Of these the first may not be more than the second: what would come of it is neither. */
const ORDERED = {
  cpu: [
    ["busyTargetShare", "busyLimitShare"],
    ["busyKeepShare", "busyLimitShare"],
    ["holdMinMs", "holdMaxMs"],
    ["jumpSure", "jumpMax"],
  ],
  memory: [
    ["holdMinMs", "holdMaxMs"],
    ["growMinBytes", "growMaxMinBytes"],
    ["reserveMinBytes", "reserveMaxBytes"],
    ["cacheHoldMs", "cacheHoldMaxMs"],
    ["oomKeepMs", "oomKeepMaxMs"],
    ["retryMinMs", "retryMaxMs"],
  ],
} as const satisfies {
  cpu: readonly (readonly [keyof CpuPolicy, keyof CpuPolicy])[];
  memory: readonly (readonly [keyof MemoryPolicy, keyof MemoryPolicy])[];
};

/** `where`: the file, `group`: what the keys are below, for messages. Throws ConfigError. */
export function policyOf(given: PolicyNumbers, where: string, group: string): PolicyConfig {
  const { preset, calm, cpu, memory, ...holds } = given;
  if (calm !== null) refuseBoth(preset, calm, `${where}: ${group}calm`);
  const base = namedPolicy(preset, calm);
  const policy = {
    ...override(base, holds),
    cpu: override(base.cpu, cpu),
    memory: override(base.memory, memory),
  };
  checkOrder(policy.cpu, ORDERED.cpu, where, `${group}cpu`);
  checkOrder(policy.memory, ORDERED.memory, where, `${group}memory`);
  return policy;
}

/** Without numbers of its own. */
export function namedPolicy(preset: PresetName, calm: number | null): PolicyConfig {
  return calm === null ? PRESETS[preset] : withCalm(PRESETS.default, calm);
}

/** "preset frugal, calm 0", "preset demo": for people. */
export function sayPolicy(preset: PresetName, calm: number | null): string {
  const place = calm ?? PRESET_CALM[preset];
  return place === null ? `preset ${preset}` : `preset ${preset}, calm ${place}`;
}

/** `defaults` with what is given in its place. */
export function override<T extends object>(defaults: T, given: { [Key in keyof T]?: unknown }): T {
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(said) };
}

/** Both say how patient it is: what would count if they said different things? */
function refuseBoth(preset: PresetName, calm: number, place: string): void {
  if (preset === "default") return;
  const fixed = PRESET_CALM[preset];
  const why = fixed === null ? "has a patience of its own" : `is calm ${fixed}`;
  throw new ConfigError(
    `${place}: ${calm} is not accepted beside preset ${preset}, which ${why}: expected one of both`,
  );
}

function checkOrder<T extends Readonly<Record<keyof T, number>>>(
  numbers: T,
  pairs: readonly (readonly [keyof T & string, keyof T & string])[],
  where: string,
  group: string,
): void {
  for (const [low, high] of pairs) {
    if (numbers[low] <= numbers[high]) continue;
    const problem = `${numbers[low]} is not accepted: expected at most ${group}.${high}`;
    throw new ConfigError(`${where}: ${group}.${low}: ${problem} (${numbers[high]})`);
  }
}
