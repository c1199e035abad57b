// Every recorded row of the deployed functions, and the places where we differ on purpose.
import { describe, expect, test } from "vitest";
import { WORKING_SET_ROWS, type WorkingSetRow } from "./testing/vectors.ts";
import { estimateWorkingSet, projectNextHighest } from "./working-set.ts";

function run(row: WorkingSetRow): number {
  if (row.kind === "project") return projectNextHighest(row.series, row.projectLen);
  const { initialOffset, windowSize, maxAllowedIncreaseFactor: maxIncreaseFactor } = row;
  return estimateWorkingSet(row.series, { initialOffset, windowSize, maxIncreaseFactor });
}

const sound = WORKING_SET_ROWS.filter(({ expect: wanted }) => "value" in wanted);

describe("equals the deployed functions", () => {
  test.for(sound)("$name", (row) => {
    expect(row.expect).toEqual({ value: run(row) });
  });
});

describe("where the deployed functions panic", () => {
  test("the vectors have three such rows", () => {
    expect(WORKING_SET_ROWS.length - sound.length).toBe(3);
  });

  // A configuration like these never gets here: see config-problem.test.ts.
  test.for([
    { name: "est/panic-window-1", truth: "a window has at least 2 points, not 1" },
    { name: "est/panic-offset", truth: "a window of 5 points fits before point 1" },
  ])("$name: our own mistake, so an assertion", ({ name, truth }) => {
    expect(() => run(rowNamed(name))).toThrow(truth);
  });

  test("proj/panic-len1: a guest can cause it, so it is the point itself", () => {
    expect(run(rowNamed("proj/panic-len1"))).toBe(1);
  });
});

function rowNamed(name: string): WorkingSetRow {
  const row = WORKING_SET_ROWS.find((candidate) => candidate.name === name);
  if (row === undefined) throw new Error(`the vectors have no row ${name}`);
  return row;
}
