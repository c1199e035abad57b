import { nextWord, numberAt, startsWith } from "./scan.ts";

const SOME = Buffer.from("some ");
const US_PER_MS = 1000;

/**
 * /proc/pressure/{cpu,memory}: time since boot in which at least one task waited for the resource,
 * in milliseconds; null when the text is not that. The kernel's own averages are slower than ours.
 */
export function parsePressure(bytes: Buffer, length: number): number | null {
  if (!startsWith(bytes, 0, SOME)) return null;
  let at = 0; // some avg10=0.00 avg60=0.00 avg300=0.00 total=0
  for (let word = 0; word < 4; word++) at = nextWord(bytes, at, length);
  const someUs = numberAt(bytes, at, length);
  return Number.isNaN(someUs) ? null : someUs / US_PER_MS;
}
