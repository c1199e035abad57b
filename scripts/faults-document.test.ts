// docs/faults.md names a test for each fault. Each of them exists, in the file that is named, word for word.
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const ROOT = path.join(import.meta.dirname, "..");
const SHOWN = /^`([^`]+\.test\.ts)`: (.+)$/;
const NOTES = /`([a-z]+(?:-[a-z]+)+)`/g;

/** The last cell of each row of each table, and its first. */
const rows = fs
  .readFileSync(path.join(ROOT, "docs/faults.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("|") && !/^\|[\s|:-]+$/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map((cells) => ({ fault: cells[1] ?? "", seen: cells[3] ?? "", shown: cells.at(-2) ?? "" }))
  .filter(({ fault }) => fault !== "fault");

test("there are rows", () => {
  expect(rows.length).toBeGreaterThan(20);
});

test.for(rows)("the test of: $fault", ({ shown }) => {
  const [, file, name] = SHOWN.exec(shown) ?? [];
  expect(file, `"${shown}" names a test file and a test`).toBeDefined();
  const text = fs.readFileSync(path.join(ROOT, file ?? ""), "utf8");
  expect(text.includes(`"${name}"`), `${file} has no test "${name}"`).toBe(true);
});

test.for(rows)("the words for: $fault", ({ seen }) => {
  const lists = ["packages/core/src/agent/explain.ts", "packages/protocol/src/reasons.ts"]
    .map((file) => fs.readFileSync(path.join(ROOT, file), "utf8"))
    .join("\n");
  for (const [, word] of seen.matchAll(NOTES)) expect(lists).toContain(`"${word}"`);
});
