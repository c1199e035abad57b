import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { REPOSITORY } from "../guest/cache.ts";
import { written } from "./document.ts";
import { STEPS } from "./steps.ts";

const PAGE =
  "# Page\n\n<!-- walk: first -->\n\n```\nold\nolder\n```\n\nText.\n\n<!-- walk: second -->\n```sql\n\n```\n";

test("each block is written where its name stands, and nothing else changes", () => {
  const blocks = new Map([
    ["first", "$ a\n$& and $1"],
    ["second", "b"],
  ]);
  expect(written(PAGE, blocks)).toBe(
    PAGE.replace("old\nolder", () => "$ a\n$& and $1").replace("```sql\n\n", "```sql\nb\n"),
  );
});

test("a step without a place, and a place without a step, are named", () => {
  const first = ["first", "a"] as const;
  const all = [first, ["second", "b"], ["third", "c"]] as const;
  expect(() => written(PAGE, new Map(all))).toThrow("the document has no place for third");
  expect(() => written(PAGE, new Map([first]))).toThrow("the walk has no step second");
});

test("docs/postgres.md has a place for each step of the walk, and no other", () => {
  const page = readFileSync(`${REPOSITORY}/docs/postgres.md`, "utf8");
  const blocks = new Map(STEPS.map(({ name }) => [name, name]));
  expect(blocks.size).toBe(STEPS.length);
  expect(() => written(page, blocks)).not.toThrow();
});
