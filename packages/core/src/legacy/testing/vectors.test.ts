// That the recorded rows are whole, and that each is judged by itself: goal.test.ts and desired.test.ts have one test per
// row of goal-cu.json, working-set.test.ts of working-set.json, config-problem.test.ts of those that crash.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { GOAL_ROWS, WORKING_SET_ROWS } from "./vectors.ts";

type File = Readonly<{
  meta: Readonly<{ source: string }>;
  cases: readonly Readonly<{ name: string; origin: string }>[];
}>;

const read = (name: string): File =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8")) as File;

test.for([
  { name: "goal-cu.json", rows: GOAL_ROWS, upstream: 23, edge: 46, random: 100 },
  { name: "working-set.json", rows: WORKING_SET_ROWS, upstream: 4, edge: 20, random: 40 },
])("$name: $upstream rows of the deployed tests, $edge edges, $random random", (file) => {
  const { meta, cases } = read(file.name);
  expect(meta.source).toMatch(/^neondatabase\/autoscaling @ [0-9a-f]{40} /);
  const upstream = cases.filter(({ origin }) => origin.startsWith("go-test:"));
  const random = cases.filter(({ name }) => name.startsWith("fuzz/"));
  expect([upstream.length, random.length]).toEqual([file.upstream, file.random]);
  expect(cases.length).toBe(file.upstream + file.edge + file.random);
  expect(file.rows.map(({ name }) => name)).toEqual(cases.map(({ name }) => name));
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
});
