// Whether a reader still takes everything that a released one took: the other side of a link is upgraded years later, or
// never. Fields and message types may be added; nothing that was there may go, change or be asked for. What it can't
// judge, it calls a change. Rules in code, such as min ≤ max, are in no schema: the golden frames hold those.
import { type JsonSchema } from "./json-schema.ts";

/** What changed in a way that a released peer would notice, one line each: "where: what". */
export function breakingChanges(
  released: JsonSchema,
  current: JsonSchema,
  where = "frame",
): readonly string[] {
  const before = alternativesOf(released);
  const after = alternativesOf(current);
  if (before === null && after === null) return changesOfOne(released, current, where);
  return [
    ...(before ?? [released]).flatMap((one, index) => {
      const place = before === null ? where : `${where}.${nameOf(one, index)}`;
      return changesOfAlternative(one, after ?? [current], place);
    }),
    ...(after === null ? [] : changedKeywords(released, current, UNIONS, where)),
  ];
}

const UNIONS: ReadonlySet<string> = new Set(["oneOf", "anyOf"]);
/** Words for people. */
const PROSE: ReadonlySet<string> = new Set(["$schema", "title", "description", "examples"]);
const JUDGED: ReadonlySet<string> = new Set([
  ...["type", "const", "enum", "properties", "required", "additionalProperties", "items"],
  ...["minimum", "exclusiveMinimum", "minLength", "minItems"],
  ...["maximum", "exclusiveMaximum", "maxLength", "maxItems"],
]);

/** A message of several types counts once for each. */
function alternativesOf(schema: JsonSchema): readonly JsonSchema[] | null {
  const branches = schema.oneOf ?? schema.anyOf ?? null;
  const types = typesOf(schema);
  if (branches !== null) return branches.flatMap((branch) => alternativesOf(branch) ?? [branch]);
  if (types.length < 2) return null;
  return types.map((type) => ({
    ...schema,
    properties: { ...schema.properties, type: { type: "string", const: type } },
  }));
}

/** Messages are told apart by `type`. */
function typesOf({ properties = {} }: JsonSchema): readonly string[] {
  const type = Object.hasOwn(properties, "type") ? properties["type"] : undefined;
  return (type === undefined ? [] : (wordsOf(type) ?? [])).filter(
    (word) => typeof word === "string",
  );
}

/** Other alternatives are called by what they must have. */
function nameOf(branch: JsonSchema, index: number): string {
  return typesOf(branch)[0] ?? branch.required?.join("+") ?? `alternative ${index + 1}`;
}

/** A message has to stay itself; any other alternative is fine as long as somebody takes it. */
function changesOfAlternative(
  released: JsonSchema,
  after: readonly JsonSchema[],
  where: string,
): readonly string[] {
  const [type] = typesOf(released);
  const candidates =
    type === undefined ? after : after.filter((one) => typesOf(one).includes(type));
  const changes = candidates.map((one) => breakingChanges(released, one, where));
  const [closest] = changes.sort((a, b) => a.length - b.length);
  return closest ?? [`${where}: is gone`];
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
    ...changedKeywords(released, current, JUDGED, where),
  ];
}

function changesOfFields(released: JsonSchema, current: JsonSchema, where: string): string[] {
  const before = new Map(Object.entries(released.properties ?? {}));
  const after = new Map(Object.entries(current.properties ?? {}));
  const wasRequired = released.required ?? [];
  const asked = (current.required ?? []).filter((name) => !wasRequired.includes(name));
  const added = [...after].filter(([name]) => !before.has(name));
  const { additionalProperties: others = true } = released;
  return [
    ...[...before].flatMap(([name, field]) => {
      const now = after.get(name);
      const place = `${where}.${name}`;
      return now === undefined ? [`${place}: is gone`] : breakingChanges(field, now, place);
    }),
    // The keys of a map had a meaning. Other unknown fields had none: a new field may take them.
    ...(typeof others === "boolean"
      ? []
      : added.flatMap(([name, field]) => breakingChanges(others, field, `${where}.${name}`))),
    ...asked.map((name) => `${where}.${name}: is required now`),
    ...changesOfUnknownFields(others, current.additionalProperties ?? true, where),
  ];
}

function changesOfUnknownFields(
  released: boolean | JsonSchema,
  current: boolean | JsonSchema,
  where: string,
): readonly string[] {
  if (released === false || current === true) return [];
  if (current === false) return [`${where}: takes no unknown fields now`];
  return breakingChanges(released === true ? {} : released, current, `${where}.*`);
}

function changesOfWords(released: JsonSchema, current: JsonSchema, where: string): string[] {
  const taken = wordsOf(current);
  if (taken === null) return [];
  const lost = (wordsOf(released) ?? ["anything else"]).filter((word) => !taken.includes(word));
  return lost.map((word) => `${where}: takes ${JSON.stringify(word)} no more`);
}

/** The only values taken; null: it is not a matter of a list. */
function wordsOf(schema: JsonSchema): readonly unknown[] | null {
  return schema.enum ?? ("const" in schema ? [schema.const] : null);
}

function narrowedLimits(released: JsonSchema, current: JsonSchema, where: string): string[] {
  const { minimum = -Infinity, exclusiveMinimum = -Infinity } = released;
  const { maximum = Infinity, exclusiveMaximum = Infinity } = released;
  const { minLength = 0, maxLength = Infinity, minItems = 0, maxItems = Infinity } = released;
  /** Whether everything that was taken is still within this limit. */
  const holds: Record<string, (limit: number) => boolean> = {
    minimum: (limit) => minimum >= limit || exclusiveMinimum >= limit,
    exclusiveMinimum: (limit) => minimum > limit || exclusiveMinimum >= limit,
    maximum: (limit) => maximum <= limit || exclusiveMaximum <= limit,
    exclusiveMaximum: (limit) => maximum < limit || exclusiveMaximum <= limit,
    minLength: (limit) => minLength >= limit,
    maxLength: (limit) => maxLength <= limit,
    minItems: (limit) => minItems >= limit,
    maxItems: (limit) => maxItems <= limit,
  };
  const limits = new Map<string, unknown>(Object.entries(current));
  return Object.entries(holds).flatMap(([key, isWithin]) => {
    const limit = limits.get(key);
    return typeof limit !== "number" || isWithin(limit) ? [] : [`${where}: ${key} is ${limit} now`];
  });
}

/** Patterns, formats, tuples and whatever next year's zod writes: the same, or it is a change. */
function changedKeywords(
  released: JsonSchema,
  current: JsonSchema,
  judged: ReadonlySet<string>,
  where: string,
): string[] {
  const before = new Map<string, unknown>(Object.entries(released));
  return Object.entries(current)
    .filter(([key]) => !judged.has(key) && !PROSE.has(key))
    .map(([key, now]) => [key, JSON.stringify(before.get(key)), JSON.stringify(now)] as const)
    .filter(([, was, now]) => was !== now)
    .map(([key, , now]) => `${where}: ${key} is ${now} now`);
}
