import { expect, test } from "vitest";
import { livenessProblems, MAX_LAG_MS, readinessProblems } from "./health.ts";

const vm = (name: string, isBroken: boolean, sight: "not-yet" | "seen" | "absent") => ({
  name,
  problems: sight === "seen" ? [] : ["nothing within 4000 ms", "no monitor"],
  loop: { isBroken, sight, isAttached: sight === "seen" },
});

test.for([
  { name: "all turn", vms: [vm("a", false, "seen")], lagMs: MAX_LAG_MS, problems: [] },
  {
    name: "a dead loop is named",
    vms: [vm("a", false, "seen"), vm("b", true, "seen")],
    lagMs: 0,
    problems: ["the loop of b died and begins anew"],
  },
  {
    name: "a late event loop",
    vms: [],
    lagMs: MAX_LAG_MS + 1,
    problems: ["the event loop was 5001 ms late"],
  },
  { name: "a QEMU that is not there is no death", vms: [vm("a", false, "absent")], problems: [] },
])("alive: $name", ({ vms, lagMs = 0, problems }) => {
  expect(livenessProblems(vms, lagMs)).toEqual(problems);
});

test("ready: every VM was looked at, or is known not to run", () => {
  const known = [vm("a", false, "seen"), vm("b", false, "absent")];
  expect(readinessProblems(known)).toEqual([]);
  expect(readinessProblems([...known, vm("c", false, "not-yet")])).toEqual([
    "c was not looked at yet: nothing within 4000 ms",
  ]);
});
