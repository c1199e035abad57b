// What the crew says to a host, and what it hears.

/** Mutant −1 is the sound code. */
export type Order = Readonly<{
  mutant: number;
  files: readonly string[];
  cpuLimitMs: number;
  wallLimitMs: number;
}>;

/** `reached` is noted only where no mutant is on. */
export type Answer = Readonly<{
  /** The first test that failed, and what it said. */
  failure: string | null;
  passed: number;
  cpuMs: number;
  tookMs: number;
  reached: readonly number[];
}>;

/** The exit code that says: the mutant hung. Any other end is a fault of the tool. */
export const HUNG = 75;
