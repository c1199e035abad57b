import { expect, test } from "vitest";
import { Backoff } from "./backoff.ts";

const LIMITS = { minMs: 250, maxMs: 5_000 };

test.for([
  { name: "in the middle", random: 0.5, pauses: [250, 500, 1000, 2000, 4000, 5000, 5000] },
  { name: "shortest", random: 0, pauses: [200, 400, 800, 1600, 3200, 4000, 4000] },
  { name: "longest", random: 1, pauses: [300, 600, 1200, 2400, 4800, 6000, 6000] },
])("doubles to the longest, spread by a fifth: $name", ({ random, pauses }) => {
  const backoff = new Backoff(LIMITS, () => random);
  expect(pauses.map(() => Math.round(backoff.next()))).toEqual(pauses);
  backoff.reset();
  expect(Math.round(backoff.next())).toBe(pauses[0]);
});
