// How patiently a resource is tried again: growing pauses after what fell short, none after what went well.
import { retryPauseMs, type AgentTimers } from "./timers.ts";
import { type MonoMs } from "./types.ts";
import { initialPace, type Pace } from "./vm-state.ts";

export function wentWell(): Pace {
  return initialPace();
}

/** One more failure in a row. `lowest`: what the other side would agree to, asked next at once. */
export function fellShort(
  pace: Pace,
  problem: string,
  now: MonoMs,
  timers: AgentTimers,
  lowest: number | null = null,
): Pace {
  const failures = pace.failures + 1;
  return { failures, retryAt: now + retryPauseMs(failures, timers), problem, lowest };
}
