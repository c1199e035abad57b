// What came of a story.
import { type VmAction, type MonitorAction, type PermitChange } from "@selfscale/core";
import { Broken, type InvariantNumber } from "./watch/broken.ts";

export type Problem = Readonly<{
  invariant: InvariantNumber;
  /** When, in milliseconds of the story. */
  at: number;
  /** Counted from 0; null: the node's. */
  vm: number | null;
  what: string;
}>;

export type Outcome = Readonly<{
  /** null: everything held. */
  problem: Problem | null;
  /** Of every event, frame and command, in order. */
  digest: string;
  /** How much happened. */
  counts: Readonly<{
    events: number;
    agentSteps: number;
    monitorSteps: number;
    commands: number;
    frames: number;
  }>;
}>;

/** Changes what the core wants done before anybody sees it: to prove that a watcher notices. */
export type Sabotage = Readonly<{
  agent?: (vm: number, actions: readonly VmAction[], now: number) => readonly VmAction[];
  monitor?: (
    vm: number,
    actions: readonly MonitorAction[],
    now: number,
  ) => readonly MonitorAction[];
  node?: (changes: readonly PermitChange[], now: number) => readonly PermitChange[];
}>;

export type RunOptions = Readonly<{
  sabotage?: Sabotage;
  /** Told of each event, frame and command as it happens. */
  listen?: (at: number, vm: number, line: string) => void;
}>;

/** What a watcher said, or what the core threw. `at`: in the story's own time. */
export function problemOf(error: unknown, at: number): Problem {
  if (error instanceof Broken) {
    return { invariant: error.invariant, at, vm: error.vm, what: error.message };
  }
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { invariant: 0, at, vm: null, what };
}
