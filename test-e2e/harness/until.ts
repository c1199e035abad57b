// Waiting for a condition with a deadline: the only way a test may wait.
import { setTimeout as pause } from "node:timers/promises";

export type UntilOptions = Readonly<{ withinMs?: number; everyMs?: number }>;

/**
 * Resolves with the first truthy value of `probe`. A probe that throws ends the wait at once.
 * Rejects after `withinMs` (default 60 s) with what was waited for and what was seen last.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  { withinMs = 60_000, everyMs = 100 }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await probe();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline) {
      throw new Error(`not within ${withinMs} ms: ${what} (last seen: ${JSON.stringify(seen)})`);
    }
    await pause(everyMs);
  }
}
