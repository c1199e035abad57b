// The wire as JSON Schema, for people and programs that speak it without our code. Exported from the
// readers' zod schemas: what they take, before words that they do not know are mapped.
import * as z from "zod";
import { Acceptance, Range, Refusal } from "../handshake.ts";
import { FromAgent, FromMonitor } from "../messages.ts";

/** As much of JSON Schema as zod writes for us. */
export type JsonSchema = Readonly<{
  type?: string;
  const?: unknown;
  enum?: readonly unknown[];
  properties?: Readonly<Record<string, JsonSchema>>;
  required?: readonly string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  oneOf?: readonly JsonSchema[];
  anyOf?: readonly JsonSchema[];
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  format?: string;
}>;

/** The two frames of the handshake, and what follows in each direction. By name of the file. */
export const WIRE_SCHEMAS = {
  "handshake-range": exported(Range),
  "handshake-reply": exported(z.union([Acceptance, Refusal])),
  "from-agent": exported(FromAgent),
  "from-monitor": exported(FromMonitor),
} as const;
export type WireSchemaName = keyof typeof WIRE_SCHEMAS;

function exported(schema: z.core.$ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: "input" }) as JsonSchema;
}
