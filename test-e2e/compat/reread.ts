// Today's reader and writer on yesterday's frames: everything is understood, and is written again byte for byte.
import {
  decodeFromAgent,
  decodeFromMonitor,
  decodeHandshakeReply,
  decodeRange,
  encodeFromAgent,
  encodeFromMonitor,
  encodeHandshakeReply,
  encodeRange,
  type VersionRange,
} from "@selfscale/protocol";
import { type App } from "@selfscale/recording";
import { type Conversation } from "./conversations.ts";

type Written = Readonly<{ ok: true; text: string }> | Readonly<{ ok: false; problem: string }>;

/** What is not as it was, one line each. Frames of a fool are not looked at. */
export function rereadProblems(conversation: Conversation): string[] {
  const { recordedBy, isWithAFool, moments } = conversation;
  let offered: VersionRange | null = null;
  let isTalking = false;
  return moments.flatMap((moment) => {
    if (moment.kind !== "frame") return [];
    const { from, text, atMs } = moment;
    const isRange = from === "agent" && offered === null;
    const isReply = from === "monitor" && !isTalking;
    if (isRange) {
      const range = decodeRange(text);
      offered = range.ok ? range.message : { min: 0, max: 0 };
    }
    if (isReply) isTalking = true;
    if (isWithAFool && from !== recordedBy) return [];
    const again = isRange
      ? writeRange(text)
      : isReply
        ? writeReply(text, offered ?? { min: 0, max: 0 })
        : writeMessage(text, from);
    if (!again.ok) return [`+${atMs} ms: ${again.problem}: ${text}`];
    return again.text === text ? [] : [`+${atMs} ms: was ${text}, is ${again.text}`];
  });
}

function writeRange(text: string): Written {
  const decoded = decodeRange(text);
  return decoded.ok ? { ok: true, text: encodeRange(decoded.message) } : decoded;
}

function writeReply(text: string, offered: VersionRange): Written {
  const decoded = decodeHandshakeReply(text, offered);
  return decoded.ok ? { ok: true, text: encodeHandshakeReply(decoded.message) } : decoded;
}

function writeMessage(text: string, from: App): Written {
  if (from === "agent") {
    const decoded = decodeFromAgent(text);
    return decoded.ok ? { ok: true, text: encodeFromAgent(decoded.message) } : decoded;
  }
  const decoded = decodeFromMonitor(text);
  return decoded.ok ? { ok: true, text: encodeFromMonitor(decoded.message) } : decoded;
}
