import fs from "node:fs";
import pkg from "../../package.json" with { type: "json" };
import { replayTrace, TraceError, type Replayed } from "./replay.ts";

/** A journal is a few MiB; its JSON some times that. */
const MAX_FILE_BYTES = 256 * 1024 ** 2;

/** What came out, for people. Throws TraceError when the file can't be read or is no trace. */
export function replayFile(file: string): Readonly<{ isSame: boolean; text: string }> {
  try {
    const replayed = replayTrace(read(file));
    return { isSame: replayed.difference === null, text: describe(replayed) };
  } catch (error) {
    if (!(error instanceof TraceError)) throw error;
    throw new TraceError(`${file}: ${error.message}`, { cause: error });
  }
}

function describe({ vm, release, isWhole, steps, difference }: Replayed): string {
  const part = isWhole ? "" : ", which does not reach back as far as was asked";
  const about = `${vm}, traced by ${release}, stepped by ${pkg.version}`;
  if (difference === null) return `${about}: the same ${steps} times${part}\n`;
  const { line, event, then, now } = difference;
  return [
    `${about}: another decision at step ${steps}, line ${line}${part}`,
    `event: ${event}`,
    `then:  ${then}`,
    `now:   ${now}`,
    "",
  ].join("\n");
}

function read(file: string): string {
  try {
    const { size } = fs.statSync(file);
    if (size > MAX_FILE_BYTES) throw new TraceError(`${size} bytes, at most ${MAX_FILE_BYTES}`);
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof TraceError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new TraceError(`can't be read (${code})`, { cause: error });
  }
}
