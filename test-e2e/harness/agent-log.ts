// Reading the agent's log: what one process said, and who agreed to each shrink.
import { type LogLine, type VmLadder } from "./agent-process.ts";

/** A shrink that was told to QEMU. */
export type Shrink = Readonly<{ ask: unknown; fromBytes: number; requestedBytes: number }>;

export function shrinksIn(log: readonly LogLine[]): readonly Shrink[] {
  return log.flatMap((line) => {
    const { ask, fromBytes, requestedBytes } = dataOf(line);
    if (line.reason !== "resize-begun" || typeof fromBytes !== "number") return [];
    if (typeof requestedBytes !== "number" || requestedBytes >= fromBytes) return [];
    return [{ ask, fromBytes, requestedBytes }];
  });
}

/** Shrinks without an agreement before them: each consent is good for one. */
export function unaskedIn(log: readonly LogLine[]): readonly Shrink[] {
  const agreed = new Set<unknown>();
  return log.flatMap((line) => {
    if (line.reason === "consent-given") agreed.add(dataOf(line)["ask"]);
    return shrinksIn([line]).filter(({ ask }) => !agreed.delete(ask));
  });
}

export function count(log: readonly LogLine[], reason: string): number {
  return log.filter((line) => line.reason === reason).length;
}

/** Also counts what the log left out because it had just said the same. */
export function timesNoted(ladder: VmLadder, reason: string): number {
  const notes = ladder.notes.filter((note) => note.reason === reason);
  return notes.reduce((sum, { times }) => sum + times, 0);
}

/** From the last time an agent found its QEMU: what the one that runs now has said. */
export function sinceAttached(log: readonly LogLine[]): readonly LogLine[] {
  return log.slice(log.findLastIndex((line) => line.reason === "hypervisor-attached"));
}

function dataOf(line: LogLine): Readonly<Record<string, unknown>> {
  return (line["data"] ?? {}) as Readonly<Record<string, unknown>>;
}
