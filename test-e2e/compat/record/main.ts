// Records conversations of this release: real agent, real monitor, real guest. `make record-fixtures` runs it; what it leaves
// in test-e2e/compat/<release>/conversations/ is replayed by every later release.
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { REPOSITORY } from "../../guest/cache.ts";
import { startGuest } from "../../harness/guest.ts";
import { NONSENSE } from "./nonsense.ts";
import { Studio } from "./studio.ts";
import { VERSION_1 } from "./version-1.ts";
import { VERSION_2 } from "./version-2.ts";

const STORIES = [...VERSION_2, ...VERSION_1, ...NONSENSE];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { replace: { type: "boolean" }, only: { type: "string" } },
  });
  const { version } = JSON.parse(await readFile(join(REPOSITORY, "package.json"), "utf8")) as {
    version: string;
  };
  const folder = join(REPOSITORY, "test-e2e/compat", version, "conversations");
  if (existsSync(folder) && values.replace !== true) {
    console.error(`${folder} is there: what was said by a release that is out stays as it was.`);
    console.error("Until then: make record-fixtures ARGS=--replace");
    return 1;
  }
  await mkdir(folder, { recursive: true });
  const chosen = STORIES.filter(({ name }) => name.startsWith(values.only ?? ""));
  const guest = await startGuest({ name: "pg-1" });
  try {
    const studio = new Studio(guest, folder);
    for (const story of chosen) {
      console.log(`${story.name}: ${story.about}`);
      await story.play(studio);
    }
    studio.done();
  } finally {
    await guest.kill();
  }
  return 0;
}

process.exitCode = await main();
