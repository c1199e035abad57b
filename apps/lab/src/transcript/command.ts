import { existsSync, readFileSync } from "node:fs";
import { olderPart, readRecordings, UnreadableRecordingError } from "@selfscale/recording";
import { type TranscriptOptions } from "../cli.ts";
import { showStories, storiesAsJson } from "./show.ts";
import { tellStories } from "./transcript.ts";

/** Exit code when there is nothing to tell: no file, or none that can be read. */
const UNREADABLE = 1;
const STDIN = 0;

/** Prints the story; returns the exit code. */
export function transcript(file: string, options: TranscriptOptions): number {
  const { isJson, ...choice } = options;
  try {
    const recordings = sourcesOf(file).flatMap((source) => read(source));
    const stories = tellStories(recordings, choice);
    // A reader that has seen enough, such as head, is no problem of ours.
    process.stdout.on("error", endQuietly);
    process.stdout.write(isJson ? storiesAsJson(stories) : showStories(stories));
    return 0;
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    process.stderr.write(`selfscale-lab: ${error.message}\n`);
    return UNREADABLE;
  }
}

class Unreadable extends Error {
  override readonly name = "Unreadable";
}

type Source = Readonly<{ name: string; from: string | typeof STDIN }>;

/** Older first. */
function sourcesOf(file: string): readonly Source[] {
  if (file === "-") return [{ name: "standard input", from: STDIN }];
  const parts = [olderPart(file), file].filter((path) => existsSync(path));
  return (parts.length === 0 ? [file] : parts).map((path) => ({ name: path, from: path }));
}

function read({ name, from }: Source) {
  let text: string;
  try {
    text = readFileSync(from, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Unreadable(`${name}: can't be read (${code ?? "unknown error"})`, { cause: error });
  }
  try {
    return readRecordings(text);
  } catch (error) {
    if (!(error instanceof UnreadableRecordingError)) throw error;
    throw new Unreadable(`${name}: ${error.message}`, { cause: error });
  }
}

function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
}
