// The gate: what was released keeps being understood, and what we write is taken by what was released. That the gate can
// fail is shown in testing/breaking-changes.test.ts and testing/golden-gate.test.ts.
//
// A release adds its own folder, once, and no folder is ever edited again. For version 3, in packages/protocol:
//   mkdir released/v3 && cp schema/*.json released/v3/
//   cd golden && find v* wire-v1.json -type f | LC_ALL=C sort | xargs sha256sum > ../released/v3/golden.sha256
// Before that its frames get a folder golden/v3, which this gate lets through: nothing that was released changes.
import * as fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { encodeFromAgent, encodeFromMonitor } from "./encode.ts";
import { isSpoken } from "./messages.ts";
import { SEED, anyFromAgent, anyFromMonitor } from "./testing/arbitrary.ts";
import { breakingChanges } from "./testing/breaking-changes.ts";
import { digestsOf, goldenProblems, readDigests } from "./testing/golden-gate.ts";
import { FOLDERS, goldenBytes, goldenFrames } from "./testing/golden.ts";
import { WIRE_SCHEMAS, type JsonSchema, type WireSchemaName } from "./testing/json-schema.ts";

const PACKAGE = join(import.meta.dirname, "..");
const RELEASED = join(PACKAGE, "released");
const NAMES = Object.keys(WIRE_SCHEMAS) as WireSchemaName[];
const releases = readdirSync(RELEASED);

function releasedSchema(release: string, file: string): JsonSchema {
  return JSON.parse(readFileSync(join(RELEASED, release, file), "utf8")) as JsonSchema;
}

/** A released reader, from its schema alone. */
function releasedReader(release: string, name: WireSchemaName) {
  const schema = z.fromJSONSchema(
    releasedSchema(release, `${name}.json`) as z.core.JSONSchema.JSONSchema,
  );
  return (text: string) => schema.safeParse(JSON.parse(text)).success;
}

test.for(NAMES)("schema/%s.json is what our reader takes (-u writes it)", async (name) => {
  const text = `${JSON.stringify(WIRE_SCHEMAS[name], null, 2)}\n`;
  await expect(text).toMatchFileSnapshot(join(PACKAGE, "schema", `${name}.json`));
});

test("version 2 was released, with a schema of everything", () => {
  expect(releases).toContain("v2");
  expect(readdirSync(join(RELEASED, "v2")).sort()).toEqual([
    "from-agent.json",
    "from-monitor.json",
    "golden.sha256",
    "handshake-range.json",
    "handshake-reply.json",
  ]);
});

describe.for(releases)("release %s", (release) => {
  const files = readdirSync(join(RELEASED, release)).filter((file) => file.endsWith(".json"));

  test.for(files)("%s: our reader takes what it took", (file) => {
    const name = file.replace(/\.json$/, "");
    const current: JsonSchema | undefined = new Map<string, JsonSchema>(
      Object.entries(WIRE_SCHEMAS),
    ).get(name);
    const changes =
      current === undefined
        ? [`${name}: is gone`]
        : breakingChanges(releasedSchema(release, file), current, name);
    expect(changes).toEqual([]);
  });

  test("its golden frames are there, unchanged", () => {
    const list = readFileSync(join(RELEASED, release, "golden.sha256"), "utf8");
    expect(goldenProblems(readDigests(list), digestsOf(goldenBytes()))).toEqual([]);
  });
});

describe.for(releases)("what we write is taken by release %s", (release) => {
  const version = Number(release.slice(1));
  const takesAgents = releasedReader(release, "from-agent");
  const takesMonitors = releasedReader(release, "from-monitor");

  test("its reader refuses what is wrong", () => {
    expect(takesAgents('{"type":"HealthCheck","id":2}')).toBe(false);
    expect(takesMonitors('{"type":"ScaleRequest","target":{"cpu":1,"mem":"1"},"id":3}')).toBe(
      false,
    );
  });

  test("every valid golden frame of its versions", () => {
    const offered = FOLDERS.filter((folder) => Number(folder.slice(1, 2)) <= version);
    for (const folder of offered) {
      for (const [name, text] of goldenFrames(folder, "valid")) {
        const side = folder.slice(3);
        const takes = releasedReader(
          release,
          side !== "handshake"
            ? (side as WireSchemaName)
            : name.startsWith("range")
              ? "handshake-range"
              : "handshake-reply",
        );
        expect(takes(text), `${folder}/${name}`).toBe(true);
      }
    }
  });

  test(`every message that it speaks, SEED=${SEED}`, () => {
    const spoken = (message: { type: Parameters<typeof isSpoken>[0] }) =>
      isSpoken(message.type, version);
    fc.assert(
      fc.property(anyFromAgent.filter(spoken), (message) => takesAgents(encodeFromAgent(message))),
      { seed: SEED, numRuns: 500 },
    );
    fc.assert(
      fc.property(anyFromMonitor.filter(spoken), (message) =>
        takesMonitors(encodeFromMonitor(message)),
      ),
      { seed: SEED, numRuns: 500 },
    );
  });
});
