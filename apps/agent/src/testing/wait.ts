import { setTimeout as delay } from "node:timers/promises";

const LOOK_EVERY_MS = 5;
const PATIENCE_MS = 15_000;

/** For `vi.setConfig` where tests wait for real processes: a busy machine is slow, not wrong. */
export const PATIENT = { testTimeout: 3 * PATIENCE_MS, hookTimeout: 3 * PATIENCE_MS };

/** Resolves with what `look` finds, once it finds something. Rejects, saying what was missing. */
export async function until<T>(
  what: string,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms for ${what}`);
    await delay(LOOK_EVERY_MS);
  }
}
