// Whether what is kept of each release can be used. What it does with today's other side: compatibility-matrix.test.ts.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { REPOSITORY } from "../guest/cache.ts";
import { run } from "../guest/run.ts";
import { buildNextYear, releases, unpackRelease } from "./releases.ts";

const README = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
/** Written so that it does not match itself. */
const MACHINE_PATH = /(?<![\w.~*-])\/(?:work|root|tmp|Users|home\/[a-z][\w-]*)\/[\w.-]+/g;

test("each release is listed, and nothing is listed that is not here", () => {
  const listed = [...README.matchAll(/^\| (\d+\.\d+\.\d+) /gm)].map(([, release]) => release);
  expect(listed).toEqual(releases());
  expect(releases().length).toBeGreaterThan(0);
});

describe.for(releases())("release %s", (release) => {
  test("has both sides and what they said, and nothing else", () => {
    expect(readdirSync(join(import.meta.dirname, release)).sort()).toEqual([
      "conversations",
      "selfscale-agent.cjs.gz",
      "selfscale-monitor.cjs.gz",
    ]);
  });

  test.for(["agent", "monitor"] as const)("its %s says that it is", async (side) => {
    const path = unpackRelease(release)[side];
    expect((await run(process.execPath, [path, "--version"])).trim()).toBe(release);
    expect(readFileSync(path, "utf8").match(MACHINE_PATH)).toBe(null);
  });
});

test("next year's peers can be built from today's code, and speak one version more", async () => {
  const { agent, monitor } = await buildNextYear();
  const today = join(REPOSITORY, "package.json");
  const { version } = JSON.parse(readFileSync(today, "utf8")) as { version: string };
  expect((await run(process.execPath, [agent, "--version"])).trim()).toBe(version);
  expect(await run(process.execPath, [monitor, "--help"])).toContain("--protocol-max 1|2|3");
});
