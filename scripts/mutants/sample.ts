// The seeded sample. Each mutant draws a lot from the seed and its own name, and the lowest lots are
// taken: an edit of the code changes the sample only by the mutants that came and went.
import { createHash } from "node:crypto";
import { type Mutant } from "./mutant.ts";

export function sample(mutants: readonly Mutant[], size: number, seed: number): readonly Mutant[] {
  const lot = ({ id }: Mutant): string =>
    createHash("sha256").update(`${seed}\n${id}`).digest("hex");
  return mutants
    .map((mutant) => ({ mutant, lot: lot(mutant) }))
    .sort((a, b) => (a.lot < b.lot ? -1 : 1))
    .slice(0, size)
    .map(({ mutant }) => mutant);
}
