import { clipText, MAX_FRAME_BYTES, utf8Bytes } from "@selfscale/protocol";
import { type LinkEvent, type Place } from "./format.ts";

/** What websocket libraries give for a connection that ended without a close frame. */
const NO_CLOSE_FRAME = 1006;

/** What is told of one connection, as it happens. Nothing of it can fail or wait. */
export type Tape = Readonly<{
  /** The websocket is open. */
  opened: () => void;
  heard: (text: string, isBinary?: boolean) => void;
  said: (text: string) => void;
  /** It is over, or never was. Whoever says it first knows best; later words are ignored. */
  closed: (by: "us" | "peer", code: number | null, problem: string) => void;
}>;

/** Frames are noted even after the end: a peer that floods goes on talking. */
export function newTape(place: Place, peer: string, note: (event: LinkEvent) => void): Tape {
  let isOver = false;
  const frame = (way: "in" | "out", whole: string, isBinary: boolean) => {
    const text = clipText(whole, MAX_FRAME_BYTES);
    const clippedFromBytes = text.length < whole.length ? utf8Bytes(whole) : null;
    note({ ...place, kind: "frame", way, text, isBinary, clippedFromBytes });
  };
  return {
    opened: () => note({ ...place, kind: "opened", peer }),
    heard: (text, isBinary = false) => frame("in", text, isBinary),
    said: (text) => frame("out", text, false),
    closed: (by, seen, problem) => {
      const code = seen === NO_CLOSE_FRAME ? null : seen;
      if (!isOver) note({ ...place, kind: "closed", by, code, problem });
      isOver = true;
    },
  };
}
