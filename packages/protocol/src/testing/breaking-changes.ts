// Whether a reader still takes everything that a released one took: the other side of a link is upgraded years later, or
// never. Fields and message types may be added; nothing that was there may go, change or be asked for.
import { type JsonSchema } from "./json-schema.ts";

/** What changed in a way that a released peer would notice, one line each: "where: what". */
export function breakingChanges(
  released: JsonSchema,
  current: JsonSchema,
  where = "frame",
): readonly string[] {
  const before = branchesOf(released);
  const after = branchesOf(current);
  if (before === null && after === null) return changesOfOne(released, current, where);
  return (before ?? [released]).flatMap((branch, index) => {
    const name = nameOf(branch, index);
    const match = (after ?? [current]).find((one, at) => nameOf(one, at) === name);
    const place = `${where}.${name}`;
    return match === undefined ? [`${place}: is gone`] : breakingChanges(branch, match, place);
  });
}

function branchesOf({ oneOf, anyOf }: JsonSchema): readonly JsonSchema[] | null {
  return oneOf ?? anyOf ?? null;
}

/** Messages are told apart by `type`; other alternatives by what they must have. */
function nameOf(branch: JsonSchema, index: number): string {
  const type = branch.properties?.["type"]?.const;
  if (typeof type === "string") return type;
  return branch.required?.join("+") ?? `alternative ${index + 1}`;
}

function changesOfOne(released: JsonSchema, current: JsonSchema, where: string): string[] {
  const isWider = released.type === "integer" && current.type === "number";
  if (released.type !== current.type && !isWider && current.type !== undefined) {
    return [`${where}: is ${current.type} now, was ${released.type ?? "anything"}`];
  }
  return [
    ...changesOfFields(released, current, where),
    ...changesOfWords(released, current, where),
    ...narrowedLimits(released, current, where),
    ...(current.items === undefined
      ? []
      : breakingChanges(released.items ?? {}, current.items, `${where}[]`)),
  ];
}

function changesOfFields(released: JsonSchema, current: JsonSchema, where: string): string[] {
  const before = released.properties ?? {};
  const after = current.properties ?? {};
  const wasRequired = released.required ?? [];
  const asked = (current.required ?? []).filter((name) => !wasRequired.includes(name));
  const isClosed =
    current.additionalProperties === false && released.additionalProperties !== false;
  return [
    ...Object.entries(before).flatMap(([name, field]) => {
      const now = after[name];
      const place = `${where}.${name}`;
      return now === undefined ? [`${place}: is gone`] : breakingChanges(field, now, place);
    }),
    ...asked.map((name) => `${where}.${name}: is required now`),
    ...(isClosed ? [`${where}: takes no unknown fields now`] : []),
  ];
}

function changesOfWords(released: JsonSchema, current: JsonSchema, where: string): string[] {
  if ("const" in current && current.const !== released.const) {
    return [`${where}: is ${JSON.stringify(current.const)} only`];
  }
  if (current.enum === undefined) return [];
  const lost = (released.enum ?? ["anything else"]).filter((word) => !current.enum?.includes(word));
  return lost.map((word) => `${where}: takes ${JSON.stringify(word)} no more`);
}

const LOWER = ["minimum", "exclusiveMinimum", "minLength", "minItems"] as const;
const UPPER = ["maximum", "exclusiveMaximum", "maxLength", "maxItems"] as const;

function narrowedLimits(released: JsonSchema, current: JsonSchema, where: string): string[] {
  const say = (key: string, now: number) => `${where}: ${key} is ${now} now`;
  const raised = LOWER.flatMap((key) => {
    const now = current[key];
    return now !== undefined && now > lowerOf(released, key) ? [say(key, now)] : [];
  });
  const cut = UPPER.flatMap((key) => {
    const now = current[key];
    return now !== undefined && now < (released[key] ?? Infinity) ? [say(key, now)] : [];
  });
  const { pattern } = current;
  const isPatternNew = pattern !== undefined && pattern !== released.pattern;
  return [...raised, ...cut, ...(isPatternNew ? [`${where}: must match ${pattern} now`] : [])];
}

/** "At least 1" is no narrower than "above 1", the other way round it is not so. */
function lowerOf(released: JsonSchema, key: (typeof LOWER)[number]): number {
  if (key === "minimum") return released.minimum ?? released.exclusiveMinimum ?? -Infinity;
  return released[key] ?? -Infinity;
}
