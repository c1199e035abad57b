// The words of this folder: what a mutant is, where it sits, and what became of it.

/** In the order of the table. What each one does is told in `changes.ts`. */
export const KINDS = [
  "operator",
  "boundary",
  "negation",
  "guard",
  "removal",
  "early-return",
  "constant",
] as const;
export type Kind = (typeof KINDS)[number];

/**
 * How the switch between code and mutant is written: an expression becomes `(on ? mutant : code)`, a
 * statement `if (!on) code`, and at a function's entry stands `if (on) mutant`.
 */
export type Form = "expression" | "statement" | "entry";

/** One way to break the code between two offsets of a file. */
export type Change = Readonly<{
  kind: Kind;
  form: Form;
  start: number;
  end: number;
  /** The code that stands there instead, in the terms of `form`. */
  becomes: string;
}>;

export type Mutant = Change &
  Readonly<{
    /** `file:kind:hash`. No line in it: edits elsewhere in the file do not rename it. */
    id: string;
    /** Relative to the mutated folder, with forward slashes. */
    file: string;
    line: number;
    /** The code as it is, on one line. */
    was: string;
  }>;

/** `hung`: it ran far past the time of the sound code, or filled the memory. */
export type Fate = "killed" | "hung" | "survived" | "unreached";

export type Verdict = Readonly<{
  mutant: Mutant;
  fate: Fate;
  /** The test that failed first, and what it said. Null for those that live. */
  by: string | null;
  tookMs: number;
}>;
