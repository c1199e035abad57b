// No message without golden frames: in each version that speaks it a valid one and an invalid one, and one with and one
// without whatever may be left out. A file's name begins with its message's.
import { describe, expect, test } from "vitest";
import { isSpoken } from "./messages.ts";
import { FOLDERS, goldenFrames, type Folder } from "./testing/golden.ts";
import { WIRE_SCHEMAS, type JsonSchema } from "./testing/json-schema.ts";

type Type = Parameters<typeof isSpoken>[0];
type Kind = Readonly<{ name: string; schema: JsonSchema }>;

/** Every field was required when version 1 was all there was. */
const OPTIONAL_SINCE = 2;

const versionOf = (folder: Folder) => Number(folder.slice(1, folder.indexOf("/")));
const kebab = (type: string) => type.replace(/(?!^)[A-Z]/g, "-$&").toLowerCase();
const branches = ({ oneOf, anyOf }: JsonSchema) => oneOf ?? anyOf ?? [];

/** What a folder must hold, by the first part of the file's name. */
function kindsOf(folder: Folder): Kind[] {
  const version = versionOf(folder);
  if (folder.endsWith("/handshake")) {
    const [accepted = {}] = branches(WIRE_SCHEMAS["handshake-reply"]);
    return [
      { name: "range", schema: WIRE_SCHEMAS["handshake-range"] },
      { name: "reply", schema: accepted },
    ];
  }
  const side = folder.endsWith("/from-agent") ? "from-agent" : "from-monitor";
  return branches(WIRE_SCHEMAS[side])
    .map((schema) => ({ type: schema.properties?.["type"]?.const as Type, schema }))
    .filter(({ type }) => isSpoken(type, version))
    .map(({ type, schema }) => ({ name: kebab(type), schema }));
}

/** Paths of the fields that may be left out: "content.resources.cpu.reason". */
function optionalPaths(schema: JsonSchema, above = ""): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${above}${name}`;
    const own = schema.required?.includes(name) === true ? [] : [path];
    return [...own, ...optionalPaths(field, `${path}.`)];
  });
}

function has(json: unknown, path: string): boolean {
  let at = json;
  for (const name of path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return false;
    at = (at as Record<string, unknown>)[name];
  }
  return true;
}

function framesOf(folder: Folder, group: "valid" | "invalid", { name }: Kind): string[] {
  const frames = [...goldenFrames(folder, group)];
  return frames
    .filter(([file]) => file === name || file.startsWith(`${name}-`))
    .map(([, text]) => text);
}

test("optional fields are found, nested ones too", () => {
  const [response] = kindsOf("v2/from-agent").filter(({ name }) => name === "scale-response");
  expect(optionalPaths(response?.schema ?? {})).toEqual([
    "content.resources.cpu.reason",
    "content.resources.mem.reason",
    "content.etaMs",
  ]);
});

describe.for(FOLDERS)("%s", (folder) => {
  const kinds = kindsOf(folder);

  test("every file's name begins with a message's", () => {
    const names = [...kinds.map(({ name }) => name), "frame"];
    for (const group of ["valid", "lenient", "invalid"] as const) {
      for (const file of goldenFrames(folder, group).keys()) {
        expect(
          names.some((name) => file === name || file.startsWith(`${name}-`)),
          file,
        ).toBe(true);
      }
    }
  });

  test.for(kinds)("$name", (kind) => {
    const valid = framesOf(folder, "valid", kind).map((text) => JSON.parse(text) as unknown);
    expect(valid).not.toHaveLength(0);
    expect(framesOf(folder, "invalid", kind)).not.toHaveLength(0);
    const optional = optionalPaths(kind.schema);
    const holding = valid.map((json) => optional.filter((path) => has(json, path)));
    expect(holding, "a minimal frame").toContainEqual([]);
    if (versionOf(folder) >= OPTIONAL_SINCE) {
      expect(holding, "a full frame").toContainEqual(optional);
    } else {
      expect(holding.flat(), "nothing that version 1 lacks").toEqual([]);
    }
  });
});
