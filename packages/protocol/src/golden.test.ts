// Every golden frame of every version, in both directions. What is valid decodes to its meaning and encodes to the same
// bytes; what is lenient decodes to its meaning; what is invalid is refused for its reason and answered so.
import { describe, expect, test } from "vitest";
import { ProtocolAssertionError } from "./assert.ts";
import { decodeFromAgent, decodeFromMonitor, type Decoded } from "./decode.ts";
import { encodeFromAgent, encodeFromMonitor } from "./encode.ts";
import {
  decodeHandshakeReply,
  decodeRange,
  encodeHandshakeReply,
  encodeRange,
  type HandshakeReply,
  type VersionRange,
} from "./handshake.ts";
import { type FromAgent, type FromMonitor } from "./messages.ts";
import { INVALID } from "./testing/golden-invalid.ts";
import { LENIENT } from "./testing/golden-lenient.ts";
import { VALID } from "./testing/golden-messages.ts";
import { FOLDERS, goldenFrames, type Folder } from "./testing/golden.ts";

type Message = FromAgent | FromMonitor | VersionRange | HandshakeReply;

function decode(folder: Folder, name: string, text: string): Decoded<Message> {
  if (folder.endsWith("/from-agent")) return decodeFromAgent(text);
  if (folder.endsWith("/from-monitor")) return decodeFromMonitor(text);
  const offered = { min: 1, max: folder.startsWith("v1") ? 1 : 2 };
  return name.startsWith("range") ? decodeRange(text) : decodeHandshakeReply(text, offered);
}

function encode(folder: Folder, message: Message): string {
  if (folder.endsWith("/from-agent")) return encodeFromAgent(message as FromAgent);
  if (folder.endsWith("/from-monitor")) return encodeFromMonitor(message as FromMonitor);
  return "min" in message
    ? encodeRange(message)
    : encodeHandshakeReply(message as Exclude<HandshakeReply, FromMonitor>);
}

/** What the other side is sent, written here by hand: the monitor is flat, the agent wraps. */
function invalidMessage(folder: Folder, error: string, id: number): string {
  return folder.endsWith("/from-agent")
    ? JSON.stringify({ type: "InvalidMessage", error, id })
    : JSON.stringify({ content: { error }, type: "InvalidMessage", id });
}

function answerTo(folder: Folder, error: string, id: number): string {
  return folder.endsWith("/from-agent")
    ? encodeFromMonitor({ type: "InvalidMessage", error, id })
    : encodeFromAgent({ type: "InvalidMessage", content: { error }, id });
}

describe.for(FOLDERS)("%s", (folder) => {
  const valid = Object.entries<Message>(VALID[folder]);
  const lenient = Object.entries(LENIENT[folder]);
  const invalid = Object.entries(INVALID[folder]);

  test("every file has its row, and every row its file", () => {
    for (const [group, rows] of [
      ["valid", valid],
      ["lenient", lenient],
      ["invalid", invalid],
    ] as const) {
      const names = rows.map(([name]) => name).sort();
      expect([...goldenFrames(folder, group).keys()], group).toEqual(names);
    }
  });

  test.for(valid)("valid: %s", ([name, message]) => {
    const text = goldenFrames(folder, "valid").get(name) ?? "";
    expect(encode(folder, message)).toBe(text);
    expect(decode(folder, name, text)).toStrictEqual({ ok: true, message });
    // Deployed agents end their frames so; deployed monitors do not.
    expect(decode(folder, name, `${text}\n`)).toStrictEqual({ ok: true, message });
  });

  test.for(lenient)("lenient: %s", ([name, { message, rewritten }]) => {
    const text = goldenFrames(folder, "lenient").get(name) ?? "";
    expect(decode(folder, name, text)).toStrictEqual({ ok: true, message });
    expect(rewritten).not.toBe(text);
    if (rewritten === null) expect(() => encode(folder, message)).toThrow(ProtocolAssertionError);
    else expect(encode(folder, message)).toBe(rewritten);
  });

  test.for(invalid)("invalid: %s", ([name, { kind, id, problem }]) => {
    const text = goldenFrames(folder, "invalid").get(name) ?? "";
    expect(decode(folder, name, text)).toEqual({ ok: false, kind, id, problem });
    if (folder.endsWith("/handshake")) return; // nothing there has an id to answer to
    const answer = invalidMessage(folder, problem, id ?? 0);
    expect(answerTo(folder, problem, id ?? 0)).toBe(answer);
  });
});
