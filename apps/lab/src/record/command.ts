import { readFileSync, writeFileSync } from "node:fs";
import { UnreadableRecordingError } from "@selfscale/recording";
import { type RecordOptions } from "./options.ts";
import { watchMonitor } from "./from-monitor.ts";
import { traceFromRecording } from "./from-recording.ts";

/** Exit code: nothing was recorded. */
const NOTHING = 1;

/** Writes a trace; returns the exit code. An interrupt ends the recording, and what there is by then is whole. */
export async function record({ from, outFile }: RecordOptions): Promise<number> {
  try {
    if (from.kind === "monitor") return await watch(from, outFile);
    const { csv, notes } = traceFromRecording(readFileSync(from.file, "utf8"));
    for (const note of notes) say(`${from.file}: ${note}`);
    writeFileSync(outFile, csv);
    say(`wrote ${outFile} (${csv.split("\n").length - 2} points)`);
    return 0;
  } catch (error) {
    if (error instanceof UnreadableRecordingError && from.kind === "recording") {
      say(`selfscale-lab: ${from.file}: ${error.message}`);
      return NOTHING;
    }
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === undefined || path === undefined) throw error;
    say(`selfscale-lab: ${path}: can't be used (${code})`);
    return NOTHING;
  }
}

type Monitor = Extract<RecordOptions["from"], { kind: "monitor" }>;

async function watch(monitor: Monitor, outFile: string): Promise<number> {
  const { socketPath, everyMs, forMs } = monitor;
  const ending = new AbortController();
  const end = () => ending.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  const { points, misses, lastProblem } = await watchMonitor({
    ...{ socketPath, everyMs, forMs, outFile },
    signal: ending.signal,
  });
  process.off("SIGINT", end).off("SIGTERM", end);
  if (misses > 0) say(`${misses} times there was no answer: ${lastProblem ?? ""}`);
  say(`wrote ${outFile} (${points} points)`);
  return points > 0 ? 0 : NOTHING;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
