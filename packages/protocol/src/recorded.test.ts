// What was recorded from the deployed peers: decode it, encode it, same bytes. And where our decoder, on
// purpose, does not do what they do, a table says so; a difference that is not in a table is a bug.
import { describe, expect, test } from "vitest";
import { decodeFromAgent, decodeFromMonitor, type ProblemKind } from "./decode.ts";
import { encodeFromAgent, encodeFromMonitor } from "./encode.ts";
import {
  decodeHandshakeReply,
  decodeRange,
  encodeHandshakeReply,
  encodeRange,
  type VersionRange,
} from "./handshake.ts";
import { type FromAgent, type FromMonitor } from "./messages.ts";
import { WIRE_V1 } from "./testing/golden.ts";

/** What a decoder said: "ok" or the kind of problem. */
function verdict(decoded: { ok: true } | { ok: false; kind: ProblemKind }): string {
  return decoded.ok ? "ok" : decoded.kind;
}

const OFFERED: VersionRange = { min: 1, max: 2, features: ["size-report"] };

const FROM_AGENT_V1: (FromAgent | VersionRange)[] = [
  { min: 1, max: 1 },
  { type: "HealthCheck", content: {}, id: 2 },
  { type: "DownscaleRequest", content: { target: { cpu: 0.25, mem: 1073741824 } }, id: 4 },
  { type: "UpscaleNotification", content: { granted: { cpu: 1, mem: 4294967296 } }, id: 6 },
  {
    type: "InvalidMessage",
    content: { error: 'Received message of unknown type: "ScaleRequest"' },
    id: 3,
  },
  {
    type: "InvalidMessage",
    content: {
      error:
        "Received HealthCheck with id 998 but id is unknown or already timed out waiting for a reply",
    },
    id: 998,
  },
];
const FROM_MONITOR_V1: FromMonitor[] = [
  { type: "UpscaleRequest", id: 3 },
  { type: "UpscaleConfirmation", id: 6 },
  { type: "HealthCheck", id: 2 },
  { type: "DownscaleResult", Ok: true, Status: "...", id: 4 },
  { type: "InternalError", error: "failed to downscale", id: 4 },
  { type: "InvalidMessage", error: "...", id: 4 },
  { type: "ScaleRequest", target: { cpu: 1.5, mem: 6442450944 }, id: 3 },
];
/**
 * Ours takes these; the deployed monitor drops the link on them. JSON.parse can't tell 2.0 from
 * 2.
 */
const MORE_LIBERAL: Record<string, string> = {
  '{"content":{"granted":{"cpu":1.5,"mem":1073741824.0}},"type":"UpscaleNotification","id":6}':
    "an integer-valued mem",
  '{"content":{"granted":{"cpu":1.5,"mem":1e9}},"type":"UpscaleNotification","id":6}':
    "an integer-valued mem",
  '{"content":{},"type":"HealthCheck","id":2.0}': "an integer-valued id",
  '{"content":{},"type":"HealthCheck","id":2,"id":4}': "of duplicate keys, the last",
};
/** Ours refuses these; the deployed monitor takes them. */
const STRICTER: Record<string, string> = {
  '{"content":{"granted":{"cpu":1e-7,"mem":9007199254740993}},"type":"UpscaleNotification","id":6}':
    "mem is not exact beyond 2^53",
};
// The deployed agent closes on some of these; ours never does, it answers InvalidMessage and
// counts.
const AT_AGENT: Record<string, string> = {
  '{"type":"HealthCheck","id":2}': "ok",
  '{"type":"ScaleRequest","target":{"cpu":1.5,"mem":6442450944},"id":3}': "ok",
  '{"type":"HealthCheck","id":998}': "ok", // whether anybody waits for it is not asked here
  '{"type":"InvalidMessage","error":"nope","id":2}': "ok",
  '{"type":"InternalError","error":"x","id":2}': "ok",
  '{"type":': "not-json", // deployed: close 1007
  '{"type":"HealthCheck"}': "no-id", // deployed: close 1011
  '{"id":2}': "unknown-type", // deployed: close 1011
  '{"type":"DownscaleResult","ok":true,"status":"lower","id":4}': "ok",
  '{"type":"DownscaleResult","Ok":"yes","Status":"x","id":4}': "bad-fields", // deployed: close 1011
};
const RANGES: Record<string, string> = {
  '{"min":1,"max":1}': "ok",
  '{"min":1,"max":1}\n': "ok",
  '{"min":1,"max":2}': "ok",
  '{"min":0,"max":9}': "ok",
  '{"min":1,"max":2,"capabilities":["ScaleRequest"]}': "ok",
  "[1,2]": "not-an-object", // deployed: takes it, by accident of its parser; no agent sends it
  '{"min":0,"max":0}': "ok", // and shares no version with anybody
  '{"min":2,"max":3}': "ok", // deployed: aborts
  '{"min":2,"max":1}': "bad-fields", // deployed: aborts
  '{"min":1,"max":0}': "bad-fields",
  '{"min":"v1.0","max":"v1.0"}': "bad-fields",
  '{"min":1,"max":300}': "ok", // deployed: drops, it reads a byte
  '{"min":1}': "bad-fields",
  "{}": "bad-fields",
};
const REPLIES: Record<string, string> = {
  '{"version":1}': "ok",
  '{"version":1,"capabilities":["ScaleRequest"]}': "ok",
  "{}": "bad-fields", // deployed: taken as version 0
  '{"error":"Received protocol version range v1.0 which does not overlap with v2"}': "ok",
};

describe("version 1 frames, byte for byte", () => {
  test.for(WIRE_V1.agentToMonitorFrames.map((text, i) => [text, FROM_AGENT_V1[i]] as const))(
    "agent sends %s",
    ([text, message]) => {
      if (message === undefined) throw new Error("a recorded frame has no message here");
      if (!("type" in message)) {
        expect(`${encodeRange(message)}\n`).toBe(text); // the deployed agent ends its frames so
        expect(decodeRange(text)).toEqual({ ok: true, message });
        return;
      }
      expect(`${encodeFromAgent(message)}\n`).toBe(text);
      expect(decodeFromAgent(text)).toEqual({ ok: true, message });
      expect(decodeFromAgent(text.trimEnd())).toEqual({ ok: true, message });
    },
  );

  const frames = [...WIRE_V1.monitorToAgentFrames, WIRE_V1.scaleRequestDraft.frame];
  test.for(frames.map((text, i) => [text, FROM_MONITOR_V1[i]] as const))(
    "monitor sends %s",
    ([text, message]) => {
      if (message === undefined) throw new Error("a recorded frame has no message here");
      expect(encodeFromMonitor(message)).toBe(text);
      expect(decodeFromMonitor(text)).toEqual({ ok: true, message });
      expect(decodeFromMonitor(`${text}\n`)).toEqual({ ok: true, message });
    },
  );

  test("the deployed monitor's handshake reply", () => {
    expect(encodeHandshakeReply({ version: 1 })).toBe('{"version":1}');
    expect(decodeHandshakeReply('{"version":1}', OFFERED)).toEqual({
      ok: true,
      message: { version: 1 },
    });
  });
});

describe("our decoders where the deployed peers' tables were recorded", () => {
  test.for(WIRE_V1.inboundAtNeonMonitor)("monitor side: $text", ({ text, accepted }) => {
    const isDifferent = text in MORE_LIBERAL || text in STRICTER;
    if (isDifferent) expect(text in MORE_LIBERAL).toBe(!accepted);
    expect(decodeFromAgent(text).ok).toBe(isDifferent ? !accepted : accepted);
  });
  test("every stated difference was recorded", () => {
    const recorded = WIRE_V1.inboundAtNeonMonitor.map((row) => row.text);
    expect(recorded).toEqual(expect.arrayContaining(Object.keys({ ...MORE_LIBERAL, ...STRICTER })));
  });

  const frames = WIRE_V1.inboundAtNeonAgent.filter((row) => row.payload.startsWith("{"));
  test.for(frames)("agent side: $payload", ({ payload }) => {
    expect(verdict(decodeFromMonitor(payload))).toBe(AT_AGENT[payload]);
  });

  test.for(WIRE_V1.handshakeRangesAtNeonMonitor)("range $text", ({ text }) => {
    expect(verdict(decodeRange(text))).toBe(RANGES[text]);
  });

  test.for(WIRE_V1.handshakeRepliesAtNeonAgent)("reply $monitorReply", ({ monitorReply }) => {
    expect(verdict(decodeHandshakeReply(monitorReply, OFFERED))).toBe(REPLIES[monitorReply]);
  });
});
