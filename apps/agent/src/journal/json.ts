// Events and states as JSON and back, so that what is read is what was written: JSON alone makes null of NaN and {} of a
// Map, and a machine that gets those decides otherwise.

/** No key of an event or a state begins so. */
const NUMBER = "$number";
const MAP = "$map";

/** One line. */
export function toJson(value: unknown): string {
  // Asked for each value, a replacer costs ten times what writing does; hardly ever is there something to replace.
  return isPlain(value) ? JSON.stringify(value) : withReplacements(value);
}

function isPlain(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  if (value instanceof Map) return false;
  for (const key in value) {
    if (!isPlain((value as Readonly<Record<string, unknown>>)[key])) return false;
  }
  return true;
}

function withReplacements(value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) => {
    if (typeof one === "number" && !Number.isFinite(one)) return { [NUMBER]: String(one) };
    if (one instanceof Map) return { [MAP]: [...one] };
    return one;
  });
}

/** Throws SyntaxError when it is no JSON. */
export function fromJson(text: string): unknown {
  return JSON.parse(text, (_key, one: unknown) => {
    if (typeof one !== "object" || one === null) return one;
    if (NUMBER in one) return Number(one[NUMBER]);
    return MAP in one ? new Map(one[MAP] as [unknown, unknown][]) : one;
  });
}
