// `make walk`: does in a real guest what docs/postgres.md tells a DBA to do, and writes what was to be seen into that page.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { format } from "prettier";
import { REPOSITORY } from "../guest/cache.ts";
import { written } from "./document.ts";
import { Stage } from "./stage.ts";
import { STEPS } from "./steps.ts";

const PAGE = join(REPOSITORY, "docs/postgres.md");

const stage = await Stage.set();
try {
  const blocks = new Map<string, string>();
  await stage.furnish();
  for (const { name, take, isFromSmall } of STEPS) {
    if (isFromSmall === true) await stage.untilSmall();
    const block = await take(stage);
    console.log(`== ${name}\n${block}\n`);
    blocks.set(name, block);
  }
  const page = written(readFileSync(PAGE, "utf8"), blocks);
  writeFileSync(PAGE, await format(page, { parser: "markdown", printWidth: 100 }));
} finally {
  await stage.clear();
}
