// The gate: what was released keeps being understood. First on examples, to show that it can fail; then on the wire itself.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { breakingChanges } from "./testing/breaking-changes.ts";
import { WIRE_SCHEMAS, type JsonSchema, type WireSchemaName } from "./testing/json-schema.ts";

const PACKAGE = join(import.meta.dirname, "..");
const RELEASED = join(PACKAGE, "released");
const NAMES = Object.keys(WIRE_SCHEMAS) as WireSchemaName[];

const count: JsonSchema = { type: "integer", minimum: 0 };
const size: JsonSchema = {
  type: "object",
  properties: { cpu: { type: "number" } },
  required: ["cpu"],
};
const ping: JsonSchema = {
  type: "object",
  properties: { type: { type: "string", const: "Ping" }, id: count, note: { type: "string" } },
  required: ["type", "id"],
};
const wrapped: JsonSchema = {
  type: "object",
  properties: { type: { type: "string", const: "Grant" }, content: size },
  required: ["type", "content"],
};
const wire: JsonSchema = { oneOf: [ping, wrapped] };

const pingWith = (change: JsonSchema): JsonSchema => ({ oneOf: [{ ...ping, ...change }, wrapped] });
const pingField = (name: string, field: JsonSchema) =>
  pingWith({ properties: { ...ping.properties, [name]: field } });

function without(name: string, { properties = {} }: JsonSchema) {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => key !== name));
}

describe("a change that a released peer would notice", () => {
  const withoutNote = without("note", ping);
  const flat = { ...without("content", wrapped), cpu: { type: "number" } };
  test.for<{ name: string; current: JsonSchema; finds: readonly string[] }>([
    {
      name: "a removed field",
      current: pingWith({ properties: withoutNote }),
      finds: ["frame.Ping.note: is gone"],
    },
    {
      name: "a renamed field",
      current: pingWith({ properties: { ...withoutNote, remark: { type: "string" } } }),
      finds: ["frame.Ping.note: is gone"],
    },
    {
      name: "a message that is gone",
      current: { oneOf: [ping] },
      finds: ["frame.Grant: is gone"],
    },
    {
      name: "an optional field made required",
      current: pingWith({ required: ["type", "id", "note"] }),
      finds: ["frame.Ping.note: is required now"],
    },
    {
      name: "a new field that is required",
      current: pingWith({
        properties: { ...ping.properties, at: count },
        required: ["type", "id", "at"],
      }),
      finds: ["frame.Ping.at: is required now"],
    },
    {
      name: "another type",
      current: pingField("note", { type: "number" }),
      finds: ["frame.Ping.note: is number now, was string"],
    },
    {
      name: "a narrower type",
      current: {
        oneOf: [
          ping,
          {
            ...wrapped,
            properties: {
              ...wrapped.properties,
              content: { ...size, properties: { cpu: { type: "integer" } } },
            },
          },
        ],
      },
      finds: ["frame.Grant.content.cpu: is integer now, was number"],
    },
    {
      name: "narrower limits",
      current: pingField("id", { type: "integer", minimum: 1, maximum: 255 }),
      finds: ["frame.Ping.id: minimum is 1 now", "frame.Ping.id: maximum is 255 now"],
    },
    {
      name: "a list of words where any were taken",
      current: pingField("note", { type: "string", enum: ["a"] }),
      finds: ['frame.Ping.note: takes "anything else" no more'],
    },
    {
      name: "a pattern",
      current: pingField("note", { type: "string", pattern: "^a" }),
      finds: ["frame.Ping.note: must match ^a now"],
    },
    {
      name: "unknown fields refused",
      current: pingWith({ additionalProperties: false }),
      finds: ["frame.Ping: takes no unknown fields now"],
    },
    {
      name: "another envelope",
      current: { oneOf: [ping, { ...wrapped, properties: flat, required: ["type", "cpu"] }] },
      finds: ["frame.Grant.content: is gone", "frame.Grant.cpu: is required now"],
    },
  ])("$name fails", ({ current, finds }) => {
    expect(breakingChanges(wire, current)).toEqual(finds);
  });

  test.for<{ name: string; current: JsonSchema }>([
    { name: "no change", current: wire },
    { name: "a new optional field", current: pingField("at", count) },
    {
      name: "a new message",
      current: {
        oneOf: [
          ping,
          { ...ping, properties: { ...ping.properties, type: { const: "Pong" } } },
          wrapped,
        ],
      },
    },
    { name: "wider limits", current: pingField("id", { type: "integer", minimum: -1 }) },
    { name: "a wider type", current: pingField("id", { type: "number", minimum: 0 }) },
    { name: "a required field that may be missing now", current: pingWith({ required: ["type"] }) },
  ])("$name passes", ({ current }) => {
    expect(breakingChanges(wire, current)).toEqual([]);
  });
});

describe("the wire of this repository", () => {
  test.for(NAMES)("schema/%s.json is what our reader takes (-u writes it)", async (name) => {
    const text = `${JSON.stringify(WIRE_SCHEMAS[name], null, 2)}\n`;
    await expect(text).toMatchFileSnapshot(join(PACKAGE, "schema", `${name}.json`));
  });

  const releases = readdirSync(RELEASED);

  test("something was released", () => {
    expect(releases).toContain("v2");
  });

  test.for(releases.flatMap((release) => NAMES.map((name) => ({ release, name }))))(
    "$name takes what it took in release $release",
    ({ release, name }) => {
      const text = readFileSync(join(RELEASED, release, `${name}.json`), "utf8");
      const changes = breakingChanges(JSON.parse(text) as JsonSchema, WIRE_SCHEMAS[name], name);
      expect(changes).toEqual([]);
    },
  );

  test.for(releases)("the golden frames of release %s are there, unchanged", (release) => {
    const list = readFileSync(join(RELEASED, release, "golden.sha256"), "utf8")
      .trim()
      .split("\n");
    expect(list.length).toBeGreaterThan(0);
    for (const line of list) {
      const [digest, file = ""] = line.split("  ");
      const bytes = readFileSync(join(PACKAGE, "golden", file));
      expect(createHash("sha256").update(bytes).digest("hex"), file).toBe(digest);
    }
  });
});
