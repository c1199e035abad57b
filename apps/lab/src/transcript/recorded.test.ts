// The story of every conversation that was recorded with a release, as today's transcript tells it.
import fs from "node:fs";
import path from "node:path";
import { readRecordings } from "@selfscale/recording";
import { expect, test } from "vitest";
import { showStories } from "./show.ts";
import { tellStories } from "./transcript.ts";

const FOLDER = path.join(import.meta.dirname, "../../../../test-e2e/compat");
const names = fs
  .readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((name) => /conversations[/][^/]+[.]jsonl$/.test(name))
  .sort();

test.for(names)("%s", async (name) => {
  const recordings = readRecordings(fs.readFileSync(path.join(FOLDER, name), "utf8"));
  const stories = tellStories(recordings, { vm: null, link: null, isRaw: false });
  expect(stories.flatMap(({ remarks }) => remarks)).toEqual([]);
  const golden = `golden/${name.replace("conversations/", "").replace(/jsonl$/, "txt")}`;
  await expect(showStories(stories)).toMatchFileSnapshot(path.join(import.meta.dirname, golden));
});
