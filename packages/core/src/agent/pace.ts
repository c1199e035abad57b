// How patiently a resource is tried again: growing pauses after what fell short, none after what went well.
import { retryPauseMs, type AgentTimers } from "./timers.ts";
import { type MonoMs } from "./types.ts";
import { initialPace, type Pace } from "./vm-state.ts";

export function wentWell(): Pace {
  return initialPace();
}

/** Growth waits only for the pause of failed growth. */
export function growthMayRetry(pace: Pace, now: MonoMs): boolean {
  return pace.direction === "shrink" || now >= pace.retryAt;
}

/** One more failure in a row. `lowest`: what the other side would agree to, asked next at once. */
export function fellShort(
  pace: Pace,
  direction: Pace["direction"],
  problem: string,
  now: MonoMs,
  timers: AgentTimers,
  lowest: number | null = null,
): Pace {
  const failures = pace.direction === direction ? pace.failures + 1 : 1;
  const retryAt = now + retryPauseMs(failures, timers);
  return { failures, direction, retryAt, problem, lowest, triedTo: null };
}
