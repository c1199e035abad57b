// The part of the command line that speaks of recording a trace.
import { type Command, InvalidArgumentError } from "commander";
import { type RecordOptions } from "./options.ts";

export type RecordInvocation = Readonly<{ kind: "record"; options: RecordOptions }>;

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const LEAST_EVERY_MS = 50;
const DEFAULT_EVERY_MS = 1_000;
const DEFAULT_FOR_MS = 3_600_000;

type RawRecord = { socket?: string; from?: string; every: number; for: number; out: string };

export function addRecord(program: Command, found: (what: RecordInvocation) => void): void {
  program
    .command("record")
    .description("turn what a monitor measures into a trace for replay, compare and chart")
    .option("--socket <path>", "of a running monitor, as its status command uses it")
    .option("--from <file>", "what a monitor recorded with samples, instead")
    .option("--every <time>", "how often to look, such as 250ms or 1s", readEvery, DEFAULT_EVERY_MS)
    .option("--for <time>", "how long, such as 10m, 24h or 7d", readTime, DEFAULT_FOR_MS)
    .requiredOption("--out <file>", "the trace, CSV")
    .exitOverride()
    .action((raw: RawRecord, command: Command) => {
      const { socket, from, every: everyMs, for: forMs, out: outFile } = raw;
      if (socket !== undefined && from === undefined) {
        const monitor = { kind: "monitor", socketPath: socket, everyMs, forMs } as const;
        found({ kind: "record", options: { from: monitor, outFile } });
      } else if (from !== undefined && socket === undefined) {
        const recording = { kind: "recording", file: from } as const;
        found({ kind: "record", options: { from: recording, outFile } });
      } else {
        command.error("error: say --socket or --from, and not both");
      }
    });
}

function readTime(text: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = Number(digits) * (UNITS[unit] ?? NaN);
  if (digits === "" || !(ms > 0)) throw new InvalidArgumentError("expected a time such as 10m");
  return ms;
}

function readEvery(text: string): number {
  const ms = readTime(text);
  if (ms < LEAST_EVERY_MS) throw new InvalidArgumentError(`expected ${LEAST_EVERY_MS}ms or more`);
  return ms;
}
