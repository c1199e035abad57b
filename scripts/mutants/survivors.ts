// The committed list of mutants that no test kills, each with one line that says why none has to. A
// reason is checked: it must belong to a mutant that the code still offers.
import { readFileSync } from "node:fs";
import { type Mutant } from "./mutant.ts";
import { oneLine } from "./sites.ts";

/** `was` and `becomes` are for the reader; `why` begins with "equivalent:" or "harmless:". */
export type Survivor = Readonly<{ id: string; was: string; becomes: string; why: string }>;

const WHY = /^(equivalent|harmless): .{10,}/;

export function readSurvivors(path: string): readonly Survivor[] {
  return JSON.parse(readFileSync(path, "utf8")) as readonly Survivor[];
}

/** What is wrong with the list itself. Empty: nothing. */
export function problemsOf(
  survivors: readonly Survivor[],
  mutants: readonly Mutant[],
): readonly string[] {
  const byId = new Map(mutants.map((mutant) => [mutant.id, mutant]));
  const seen = new Set<string>();
  return survivors.flatMap(({ id, was, becomes, why }) => {
    const problems: string[] = [];
    const mutant = byId.get(id);
    if (mutant === undefined) problems.push(`${id}: a reason for a mutant that no longer exists`);
    else if (mutant.was !== was || oneLine(mutant.becomes) !== becomes)
      problems.push(`${id}: is "${mutant.was}" → "${oneLine(mutant.becomes)}", not what is listed`);
    if (!WHY.test(why))
      problems.push(`${id}: the reason must say "equivalent: …" or "harmless: …"`);
    if (seen.has(id)) problems.push(`${id}: listed twice`);
    seen.add(id);
    return problems;
  });
}
