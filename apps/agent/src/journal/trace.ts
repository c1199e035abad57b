// A VM's journal as JSON lines: a header with the state it begins from, then every event with what came of it. A loop
// that began anew meanwhile has a line with the state that it began from.
import { type MonoMs } from "@selfscale/core";
import { type Stretch } from "./journal.ts";
import { toJson } from "./json.ts";

/** Raised when what is written can't be read by the release before. */
export const TRACE_VERSION = 1;

export type TraceAsk = Readonly<{
  vm: string;
  /** Who writes it. */
  release: string;
  stretches: readonly Stretch[];
  /** The first instant that was asked for, and now. */
  from: MonoMs;
  until: MonoMs;
  /** Now, for people. */
  at: string;
}>;

/** Lines without their ends, one at a time: a slow reader costs no memory. */
export function* traceLines({ stretches, from, ...ask }: TraceAsk): Generator<string> {
  const [first] = stretches;
  if (first === undefined) return;
  const { state } = first.read();
  const { spec, timers } = state;
  const header = {
    version: TRACE_VERSION,
    ...{ vm: ask.vm, release: ask.release, at: ask.at },
    ...{ from: first.since, until: ask.until, isWhole: first.since <= from },
    ...{ spec, timers, state },
  };
  yield toJson(header);
  for (const [index, { read, since, isBeginning }] of stretches.entries()) {
    const { state: begun, entries } = read();
    if (index > 0 && isBeginning) yield toJson({ at: since, state: begun });
    yield* entries;
  }
}
