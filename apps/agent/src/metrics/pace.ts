// When an address is read: the VMs of a node are not all read at once, nor for ever in the same order.

/** Periods are up to this share longer or shorter: those that fell into step fall out of it. */
const JITTER = 0.05;

/** Until the first scrape: any time within a period. `luck`: from 0 up to 1. */
export function firstDelayMs(everyMs: number, luck: number): number {
  return luck * everyMs;
}

/** From the end of one scrape to the beginning of the next. One that took a whole period is followed at once. */
export function nextDelayMs(everyMs: number, tookMs: number, luck: number): number {
  return Math.max(0, everyMs * (1 + JITTER * (2 * luck - 1)) - tookMs);
}
