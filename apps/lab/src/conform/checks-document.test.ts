// docs/protocol.md lists what the kit checks. UPDATE_CHECKS=1 writes the lists anew.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT_CHECKS } from "./agent-checks.ts";
import { MONITOR_CHECKS } from "./monitor-checks.ts";
import { showChecks } from "./report.ts";

const DOCUMENT = join(import.meta.dirname, "../../../../docs/protocol.md");

test.for([
  { side: "monitor", table: showChecks(MONITOR_CHECKS) },
  { side: "agent", table: showChecks(AGENT_CHECKS) },
])("the checks of a $side are those in the document", ({ side, table }) => {
  const text = readFileSync(DOCUMENT, "utf8");
  const [begin, end] = [`<!-- checks-${side}:begin -->\n`, `<!-- checks-${side}:end -->`];
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end);
  expect(from).toBeGreaterThanOrEqual(begin.length);
  expect(to).toBeGreaterThan(from);
  if (process.env.UPDATE_CHECKS === "1") {
    writeFileSync(DOCUMENT, `${text.slice(0, from)}\n${table}\n${text.slice(to)}`);
    return;
  }
  expect(rowsOf(text.slice(from, to))).toEqual(rowsOf(table));
});

/** Cells without the padding that the formatter gives them. */
function rowsOf(markdown: string): readonly (readonly string[])[] {
  return markdown
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
}
