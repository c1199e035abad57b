// Whole conversations of the agent, word for word. After a wanted change: vitest -u, and read the diff of scenarios/.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { replay } from "../testing/transcript.ts";
import { agentStage } from "./testing/stage.ts";

const FOLDER = join(import.meta.dirname, "scenarios");
const NAMES = readdirSync(FOLDER, { recursive: true, encoding: "utf8" });

test.for(NAMES.filter((name) => name.endsWith(".txt")))("%s", async (name) => {
  const path = join(FOLDER, name);
  const played = replay(readFileSync(path, "utf8"), agentStage());
  await expect(played).toMatchFileSnapshot(path);
});
