// Reads a recording, of this release or another: what it does not know it passes over, what was torn by a kill or a full
// disk too.
import { FORMAT_VERSION, HEADER_KIND, type Header, type RecordedEvent } from "./format.ts";
import { readOwn } from "./measured.ts";

/** One file's worth: what one run of an app wrote until it was rotated. */
export type Recording = Readonly<{
  header: Header;
  events: readonly RecordedEvent[];
  /** Lines that this reader does not know or can't read, a torn last one not counted. */
  skippedLines: number;
  /** The last line has no end: its writer was killed, or the disk was full. */
  isTorn: boolean;
}>;

/** The text is no recording, or one that this release can't read. The message is for people. */
export class UnreadableRecordingError extends Error {
  override readonly name = "UnreadableRecordingError";
  readonly code = "RECORDING_UNREADABLE";
}

type Fields = Readonly<Record<string, unknown>>;
type Draft = { header: Header; events: RecordedEvent[]; skippedLines: number; isTorn: boolean };

/** Files one after another are fine: each begins with its header. Throws UnreadableRecordingError. */
export function readRecordings(text: string): readonly Recording[] {
  const recordings: Draft[] = [];
  const lines = text.split("\n");
  const rest = lines.pop() ?? "";
  for (const line of lines) {
    const fields = readFields(line);
    const current = recordings.at(-1);
    if (fields?.["kind"] === HEADER_KIND) {
      recordings.push({ header: readHeader(fields), events: [], skippedLines: 0, isTorn: false });
    } else if (current === undefined) {
      throw new UnreadableRecordingError("not a recording: its first line is no header");
    } else if (line !== "") {
      const event = fields === null ? null : readEvent(fields);
      if (event === null) current.skippedLines += 1;
      else current.events.push(event);
    }
  }
  const last = recordings.at(-1);
  if (last === undefined) {
    const problem = text === "" ? "it is empty" : "its first line is no header";
    throw new UnreadableRecordingError(`not a recording: ${problem}`);
  }
  last.isTorn = rest !== "";
  return recordings;
}

function readFields(line: string): Fields | null {
  try {
    const json: unknown = JSON.parse(line);
    const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
    return isObject ? (json as Fields) : null;
  } catch {
    return null; // counted by the caller
  }
}

function readHeader(fields: Fields): Header {
  const { version, app, release, startedAt, pid, part } = fields;
  if (typeof version === "number" && version > FORMAT_VERSION) {
    const made = typeof release === "string" ? ` (release ${release})` : "";
    throw new UnreadableRecordingError(
      `made by a newer release${made}: format ${version}, and only up to ${FORMAT_VERSION} is known here`,
    );
  }
  if (app !== "agent" && app !== "monitor") {
    throw new UnreadableRecordingError("its header names neither an agent nor a monitor");
  }
  return {
    app,
    release: typeof release === "string" ? release : "unknown",
    startedAt: typeof startedAt === "string" ? startedAt : "an unknown time",
    pid: typeof pid === "number" ? pid : 0,
    part: typeof part === "number" ? part : 1,
  };
}

function readEvent(fields: Fields): RecordedEvent | null {
  const { atMs, kind, link, count, vm } = fields;
  if (typeof atMs !== "number") return null;
  if (kind === "lost") return typeof count === "number" ? { atMs, kind, count } : null;
  if (kind === "sample" || kind === "shadow") {
    const own = readOwn(fields);
    return own === null ? null : { atMs, ...own };
  }
  if (typeof link !== "number") return null;
  const place = { atMs, vm: typeof vm === "string" ? vm : null, link };
  switch (kind) {
    case "opened":
      return { ...place, kind, peer: textOr(fields["peer"], "an unknown address") };
    case "frame":
      return readFrame(place, fields);
    case "closed": {
      const { code, problem } = fields;
      const by = fields["by"] === "us" ? "us" : "peer";
      const codeSeen = typeof code === "number" ? code : null;
      return { ...place, kind, by, code: codeSeen, problem: textOr(problem, "") };
    }
    default:
      return null;
  }
}

function readFrame(
  place: Readonly<{ atMs: number; vm: string | null; link: number }>,
  { way, text, isBinary, clippedFromBytes }: Fields,
): RecordedEvent | null {
  if ((way !== "in" && way !== "out") || typeof text !== "string") return null;
  return {
    ...place,
    kind: "frame",
    way,
    text,
    isBinary: isBinary === true,
    clippedFromBytes: typeof clippedFromBytes === "number" ? clippedFromBytes : null,
  };
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}
