// Whole stories of a guest and its monitor, word for word. After a wanted change: vitest -u, and read the diff of scenarios/.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { replay } from "../testing/transcript.ts";
import { monitorStage } from "./testing/stage.ts";

const FOLDER = join(import.meta.dirname, "scenarios");

test.for(readdirSync(FOLDER))("%s", async (name) => {
  const path = join(FOLDER, name);
  const played = replay(readFileSync(path, "utf8"), monitorStage());
  await expect(played).toMatchFileSnapshot(path);
});
