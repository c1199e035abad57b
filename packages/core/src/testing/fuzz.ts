// Plays random stories until the time is over. Replay a run with SEED=n; FUZZ_SECONDS=n is how long one fuzzer runs.
import * as fc from "fast-check";

/** Printed in the test's name. */
export const SEED = Number(process.env["SEED"] ?? 1);
const SECONDS = Number(process.env["FUZZ_SECONDS"] ?? 6);

/** For the test: the time to play, and what a slow machine or the search for a smaller story takes. */
export const FUZZ_TIMEOUT_MS = SECONDS * 1_000 + 120_000;

/**
 * Fails with the smallest story that it finds. However slow the machine is, `minRuns` are played: a
 * fuzzer that did nothing has found nothing.
 */
export function fuzz<Story>(
  name: string,
  stories: fc.Arbitrary<Story>,
  minRuns: number,
  play: (story: Story) => void,
): void {
  let runs = 0;
  const property = fc.property(stories, (story) => {
    runs += 1;
    play(story);
  });
  fc.assert(property, {
    seed: SEED,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: SECONDS * 1_000,
    markInterruptAsFailure: false,
  });
  if (runs < minRuns) fc.assert(property, { seed: SEED, numRuns: minRuns });
  console.info(`${name}: ${runs} runs, SEED=${SEED}`);
}
