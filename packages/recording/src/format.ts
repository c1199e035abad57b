// The file: JSON lines, a header first, then events in the order in which they happened. Fields are added, never renamed;
// readers pass over kinds and fields that they do not know. docs/recording.md shows it.

import { ownFields, type OwnEvent } from "./measured.ts";

/** A reader takes this and older ones. Raised only when an old reader would misunderstand. */
export const FORMAT_VERSION = 1;

export const HEADER_KIND = "selfscale-recording";
/** How every recording begins, by which it is told from any other file. */
export const HEADER_START = `{"kind":"${HEADER_KIND}"`;

/** Who recorded. */
export type App = "agent" | "monitor";

/** What the first line of each file says. */
export type Header = Readonly<{
  app: App;
  /** The release of that app. */
  release: string;
  /** Wall clock when the recorder started, ISO 8601: what every `atMs` counts from. */
  startedAt: string;
  pid: number;
  /** Files of one run, from 1: a rotation starts the next. */
  part: number;
}>;

/** Which connection. `vm` is the agent's name for it; a monitor has one VM and says null. */
export type Place = Readonly<{ vm: string | null; link: number }>;

/** "in": heard by the app that records. "out": said by it. */
export type Way = "in" | "out";

/** Something that happened on one connection. */
export type LinkEvent = Place &
  Readonly<
    | { kind: "opened"; peer: string }
    | {
        kind: "frame";
        way: Way;
        /** The exact text, except where it was longer than any frame may be. */
        text: string;
        isBinary: boolean;
        /** Its whole length, where only the beginning was kept. */
        clippedFromBytes: number | null;
      }
    /** `code`: of the close frame; null: cut off, or never opened. */
    | { kind: "closed"; by: "us" | "peer"; code: number | null; problem: string }
  >;

/** Events that had to be dropped, here, before the next line. */
export type Lost = Readonly<{ kind: "lost"; count: number }>;

/** `atMs`: monotonic milliseconds since the recorder started. */
export type RecordedEvent = Readonly<{ atMs: number }> & (LinkEvent | OwnEvent | Lost);

/** Whether it happened on a connection. */
export function isLinkEvent(event: RecordedEvent): event is Readonly<{ atMs: number }> & LinkEvent {
  return "link" in event;
}

export function headerLine(header: Header): string {
  const { app, release, startedAt, pid, part } = header;
  const fields = { kind: HEADER_KIND, version: FORMAT_VERSION, app, release, startedAt, pid, part };
  return `${JSON.stringify(fields)}\n`;
}

/** What is usual is left out: no VM, not binary, not clipped. */
export function eventLine(event: RecordedEvent): string {
  const atMs = Math.round(event.atMs * 10) / 10;
  if (event.kind === "lost") return line({ atMs, kind: event.kind, count: event.count });
  if (!isLinkEvent(event)) return line({ atMs, ...ownFields(event) });
  const { vm, link, kind } = event;
  const place = { atMs, ...(vm === null ? {} : { vm }), link, kind };
  switch (kind) {
    case "opened":
      return line({ ...place, peer: event.peer });
    case "frame":
      return line({
        ...place,
        way: event.way,
        text: event.text,
        ...(event.isBinary ? { isBinary: true } : {}),
        ...(event.clippedFromBytes === null ? {} : { clippedFromBytes: event.clippedFromBytes }),
      });
    case "closed":
      return line({ ...place, by: event.by, code: event.code, problem: event.problem });
    default:
      return event satisfies never;
  }
}

function line(fields: object): string {
  return `${JSON.stringify(fields)}\n`;
}
