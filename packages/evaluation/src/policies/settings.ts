// What can be set of a policy: every setting is a number with a unit, a default and a range, so that a command line can
// explain it and refuse nonsense.

export type SettingSpec = Readonly<{
  /** "s", "share", "vCPU"; "0 or 1" for a switch. */
  unit: string;
  default: number;
  /** Both included. */
  min: number;
  max: number;
  /** One line. */
  help: string;
  /** True: only whole numbers. */
  isWhole?: boolean;
}>;

export type SettingSpecs = Readonly<Record<string, SettingSpec>>;

/** The values, by name. */
export type SettingsOf<Specs extends SettingSpecs> = { readonly [Name in keyof Specs]: number };

/** Every setting as it is if nobody says otherwise. */
export function defaultsOf<Specs extends SettingSpecs>(specs: Specs): SettingsOf<Specs> {
  const pairs = Object.entries(specs).map(([name, spec]) => [name, spec.default] as const);
  return Object.fromEntries(pairs) as SettingsOf<Specs>;
}

/** A switch: on is 1. */
export function switchSpec(isOn: boolean, help: string): SettingSpec {
  return { unit: "0 or 1", default: isOn ? 1 : 0, min: 0, max: 1, help, isWhole: true };
}

/** "neon" or "neon:blend=0.25,lfc=0": only what was set, in the order of the specs. */
export function nameWith(
  name: string,
  specs: SettingSpecs,
  settings: Readonly<Record<string, number>>,
): string {
  const set = Object.entries(specs)
    .filter(([key, spec]) => settings[key] !== spec.default)
    .map(([key]) => `${key}=${settings[key] ?? NaN}`);
  return set.length === 0 ? name : `${name}:${set.join(",")}`;
}

/** null: the value is fine. */
export function valueProblem(spec: SettingSpec, text: string): string | null {
  const value = text.trim() === "" ? NaN : Number(text);
  const kind = spec.isWhole === true ? "a whole number" : "a number";
  const isFine =
    value >= spec.min && value <= spec.max && (spec.isWhole !== true || Number.isInteger(value));
  return isFine ? null : `is "${text}", expected ${kind} from ${spec.min} to ${spec.max}`;
}
