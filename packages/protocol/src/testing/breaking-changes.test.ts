// The gate's judgement, on small examples: each shows that a kind of change is found, or that a harmless one is let through.
import { describe, expect, test } from "vitest";
import { breakingChanges } from "./breaking-changes.ts";
import { type JsonSchema } from "./json-schema.ts";

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
/** The handshake's answer: alternatives that no `type` tells apart. */
const accepted: JsonSchema = {
  type: "object",
  properties: { version: { type: "integer", minimum: 0, maximum: 2 }, vm: { type: "string" } },
  required: ["version"],
};
const refused: JsonSchema = {
  type: "object",
  properties: { error: { type: "string" } },
  required: ["error"],
};
const reply: JsonSchema = { anyOf: [accepted, refused] };

const pingWith = (change: JsonSchema): JsonSchema => ({ oneOf: [{ ...ping, ...change }, wrapped] });
const pingField = (name: string, field: JsonSchema) =>
  pingWith({ properties: { ...ping.properties, [name]: field } });
const grantOf = (content: JsonSchema): JsonSchema => ({
  oneOf: [ping, { ...wrapped, properties: { ...wrapped.properties, content } }],
});
const acceptedWith = (change: JsonSchema): JsonSchema => ({
  anyOf: [{ ...accepted, ...change }, refused],
});

function without(name: string, { properties = {} }: JsonSchema) {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => key !== name));
}

type Breaking = Readonly<{ name: string; current: JsonSchema; finds: readonly string[] }>;
type Pair = Readonly<{ name: string; released: JsonSchema; current: JsonSchema }>;

describe("a change that a released peer would notice", () => {
  const withoutNote = without("note", ping);
  const flat = { ...without("content", wrapped), cpu: { type: "number" } };
  const anyType = { ...ping.properties, type: { type: "string" } };
  test.for<Breaking>([
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
      name: "a renamed field that is required",
      current: grantOf({
        type: "object",
        properties: { vcpu: { type: "number" } },
        required: ["vcpu"],
      }),
      finds: ["frame.Grant.content.cpu: is gone", "frame.Grant.content.vcpu: is required now"],
    },
    {
      name: "a message that is gone",
      current: { oneOf: [ping] },
      finds: ["frame.Grant: is gone"],
    },
    {
      name: "all messages but one gone",
      current: ping,
      finds: ["frame.Grant: is gone"],
    },
    {
      name: "a renamed message",
      current: pingField("type", { type: "string", const: "Knock" }),
      finds: ["frame.Ping: is gone"],
    },
    {
      name: "a message whose type can't be told any more",
      current: pingWith({ properties: anyType }),
      finds: ["frame.Ping: is gone"],
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
      name: "a narrower type, further in",
      current: grantOf({ ...size, properties: { cpu: { type: "integer" } } }),
      finds: ["frame.Grant.content.cpu: is integer now, was number"],
    },
    {
      name: "narrower limits",
      current: pingField("id", { type: "integer", minimum: 1, maximum: 255 }),
      finds: ["frame.Ping.id: minimum is 1 now", "frame.Ping.id: maximum is 255 now"],
    },
    {
      name: "a limit that is not part of it any more",
      current: pingField("id", { type: "integer", exclusiveMinimum: 0 }),
      finds: ["frame.Ping.id: exclusiveMinimum is 0 now"],
    },
    {
      name: "a list of words where any were taken",
      current: pingField("note", { type: "string", enum: ["a"] }),
      finds: ['frame.Ping.note: takes "anything else" no more'],
    },
    {
      name: "one word where any were taken",
      current: pingField("note", { type: "string", const: "a" }),
      finds: ['frame.Ping.note: takes "anything else" no more'],
    },
    {
      name: "a pattern",
      current: pingField("note", { type: "string", pattern: "^a" }),
      finds: ['frame.Ping.note: pattern is "^a" now'],
    },
    {
      name: "a format",
      current: pingField("note", { type: "string", format: "uuid" }),
      finds: ['frame.Ping.note: format is "uuid" now'],
    },
    {
      name: "a keyword that this gate knows nothing of",
      current: pingField("id", { ...count, multipleOf: 2 } as JsonSchema),
      finds: ["frame.Ping.id: multipleOf is 2 now"],
    },
    {
      name: "a condition on the whole union",
      current: { ...wire, required: ["id"] },
      finds: ['frame: required is ["id"] now'],
    },
    {
      name: "unknown fields refused",
      current: pingWith({ additionalProperties: false }),
      finds: ["frame.Ping: takes no unknown fields now"],
    },
    {
      name: "unknown fields narrowed",
      current: pingWith({ additionalProperties: { type: "string" } }),
      finds: ["frame.Ping.*: is string now, was anything"],
    },
    {
      name: "an envelope taken off",
      current: { oneOf: [ping, { ...wrapped, properties: flat, required: ["type", "cpu"] }] },
      finds: ["frame.Grant.content: is gone", "frame.Grant.cpu: is required now"],
    },
    {
      name: "an envelope put on",
      current: {
        oneOf: [
          {
            type: "object",
            properties: { type: { const: "Ping" }, content: { type: "object" }, id: count },
            required: ["type", "content", "id"],
          },
          wrapped,
        ],
      },
      finds: ["frame.Ping.note: is gone", "frame.Ping.content: is required now"],
    },
    {
      name: "everything in a list",
      current: { type: "array", items: wire },
      finds: ["frame.Ping: is gone", "frame.Grant: is gone"],
    },
  ])("$name fails", ({ current, finds }) => {
    expect(breakingChanges(wire, current)).toEqual(finds);
  });

  test.for<Breaking>([
    {
      name: "the refusal is gone",
      current: accepted,
      finds: ["frame.error.error: is gone", "frame.error.version: is required now"],
    },
    {
      name: "the acceptance asks for more",
      current: acceptedWith({ required: ["version", "vm"] }),
      finds: ["frame.version.vm: is required now"],
    },
    {
      name: "a version less",
      current: acceptedWith({
        properties: { ...accepted.properties, version: { type: "integer", maximum: 1 } },
      }),
      finds: ["frame.version.version: maximum is 1 now"],
    },
  ])("in the handshake's answer: $name", ({ current, finds }) => {
    expect(breakingChanges(reply, current)).toEqual(finds);
  });

  const list = (items: JsonSchema): JsonSchema => ({ type: "array", items });
  test.for<Pair & { finds: readonly string[] }>([
    {
      name: "the items of a list",
      released: list({ type: "string" }),
      current: list({ type: "string", maxLength: 5 }),
      finds: ["frame[]: maxLength is 5 now"],
    },
    {
      name: "items where anything was one",
      released: { type: "array" },
      current: list({ type: "string" }),
      finds: ["frame[]: is string now, was anything"],
    },
    {
      name: "a list made a tuple",
      released: list({}),
      current: { type: "array", prefixItems: [{ type: "string" }] } as JsonSchema,
      finds: ['frame: prefixItems is [{"type":"string"}] now'],
    },
    {
      name: "a word less",
      released: { type: "string", enum: ["a", "b"] },
      current: { type: "string", const: "a" },
      finds: ['frame: takes "b" no more'],
    },
    {
      name: "null no more",
      released: { anyOf: [{ type: "string" }, { type: "null" }] },
      current: { type: "string" },
      finds: ["frame.alternative 2: is string now, was null"],
    },
    {
      name: "a type where anything was taken",
      released: {},
      current: { type: "object" },
      finds: ["frame: is object now, was anything"],
    },
    {
      name: "what a map holds",
      released: { type: "object", additionalProperties: { type: "number" } },
      current: { type: "object", additionalProperties: { type: "integer" } },
      finds: ["frame.*: is integer now, was number"],
    },
    {
      name: "one key of a map",
      released: { type: "object", additionalProperties: { type: "number" } },
      current: { type: "object", properties: { cpu: { type: "integer" } } },
      finds: ["frame.cpu: is integer now, was number"],
    },
    {
      name: "a field named like what objects inherit",
      released: { type: "object", properties: { constructor: { type: "string" } } },
      current: { type: "object", properties: {} },
      finds: ["frame.constructor: is gone"],
    },
    {
      name: "a message of two types that lost one",
      released: { ...ping, properties: { type: { type: "string", enum: ["Ping", "Pong"] } } },
      current: { ...ping, properties: { type: { type: "string", const: "Ping" } } },
      finds: ["frame.Pong: is gone"],
    },
  ])("$name fails", ({ released, current, finds }) => {
    expect(breakingChanges(released, current)).toEqual(finds);
  });
});

describe("a change that nobody would notice", () => {
  const pong = { ...ping, properties: { ...ping.properties, type: { const: "Pong" } } };
  test.for<Pair>([
    { name: "no change", released: wire, current: wire },
    { name: "a new optional field", released: wire, current: pingField("at", count) },
    { name: "a new message", released: wire, current: { oneOf: [ping, pong, wrapped] } },
    { name: "a second message", released: ping, current: { oneOf: [pong, ping] } },
    {
      name: "one more type with the same fields",
      released: wire,
      current: pingField("type", { type: "string", enum: ["Ping", "Pong"] }),
    },
    {
      name: "a new version in the handshake",
      released: reply,
      current: acceptedWith({
        properties: {
          ...accepted.properties,
          version: { type: "integer", minimum: 0, maximum: 3 },
        },
      }),
    },
    {
      name: "a new kind of answer in the handshake, in another order",
      released: reply,
      current: {
        anyOf: [
          { ...refused, properties: { retryMs: count }, required: ["retryMs"] },
          refused,
          accepted,
        ],
      },
    },
    {
      name: "wider limits",
      released: wire,
      current: pingField("id", { type: "integer", minimum: -1 }),
    },
    {
      name: "a limit that became part of it",
      released: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 9 },
      current: { type: "number", minimum: 0, maximum: 9 },
    },
    {
      name: "a limit that is not part of it, further out",
      released: { type: "number", minimum: 1, maximum: 9 },
      current: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 10 },
    },
    {
      name: "a wider type",
      released: wire,
      current: pingField("id", { type: "number", minimum: 0 }),
    },
    {
      name: "one more word",
      released: { type: "string", const: "a" },
      current: { type: "string", enum: ["b", "a"] },
    },
    {
      name: "a field that may also be null, in another order",
      released: wire,
      current: pingField("note", { anyOf: [{ type: "null" }, { type: "string" }] }),
    },
    { name: "anything taken where a type was", released: count, current: {} },
    {
      name: "a format given up",
      released: { type: "string", format: "uuid" },
      current: { type: "string" },
    },
    {
      name: "a required field that may be missing now",
      released: wire,
      current: pingWith({ required: ["type"] }),
    },
    {
      name: "words for people",
      released: wire,
      current: pingWith({ description: "is anybody there?", title: "Ping" } as JsonSchema),
    },
  ])("$name passes", ({ released, current }) => {
    expect(breakingChanges(released, current)).toEqual([]);
  });
});
