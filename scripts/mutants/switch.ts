// Runs before every test file of the copy: turns one mutant on, and notes which mutants the tests reach.
import { writeFileSync } from "node:fs";
import * as fc from "fast-check";
import { afterAll, inject, vi } from "vitest";

declare module "vitest" {
  export interface ProvidedContext {
    /** −1: none, the sound code. */
    activeMutant: number;
    /** Where to write the numbers that were reached. Empty: nowhere. */
    reachedPath: string;
  }
}

declare global {
  var $mutant: ((number: number) => boolean) | undefined;
}

const active = inject("activeMutant");
const reachedPath = inject("reachedPath");
const reached = new Set<number>();

globalThis.$mutant =
  reachedPath === ""
    ? (number) => number === active
    : (number) => {
        reached.add(number);
        return false;
      };

// One thread serves all runs: constants of a module must be computed anew under this mutant.
vi.resetModules();
// A counterexample is enough; the smallest one is for people.
fc.configureGlobal({ endOnFailure: true });

afterAll(() => {
  if (reachedPath !== "") writeFileSync(reachedPath, JSON.stringify([...reached]));
});
