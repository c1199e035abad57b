// What holds for every message and every text. Replay one run with SEED=n.
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { decodeFromAgent, decodeFromMonitor, type Decoded } from "./decode.ts";
import { encodeFromAgent, encodeFromMonitor } from "./encode.ts";
import {
  decodeHandshakeReply,
  decodeRange,
  encodeHandshakeReply,
  encodeRange,
} from "./handshake.ts";
import { isSpoken } from "./messages.ts";
import {
  RUNS,
  SEED,
  TEXT_RUNS,
  anyFrame,
  anyFromAgent,
  anyFromMonitor,
} from "./testing/arbitrary.ts";
import { agentReacts, monitorAccepts, monitorAnswersRange } from "./testing/deployed-peers.ts";
import { utf8Bytes } from "./text.ts";

/** With more effort, minutes. */
vi.setConfig({ testTimeout: 600_000 });
const OFFERED = { min: 1, max: 2 };

describe(`for every message, SEED=${SEED}`, () => {
  test("what the agent encodes decodes to itself, with a newline or without", () => {
    fc.assert(
      fc.property(anyFromAgent, (message) => {
        const text = encodeFromAgent(message);
        expect(decodeFromAgent(text)).toEqual({ ok: true, message });
        expect(decodeFromAgent(`${text}\n`)).toEqual({ ok: true, message });
      }),
      RUNS,
    );
  });
  test("what the monitor encodes decodes to itself", () => {
    fc.assert(
      fc.property(anyFromMonitor, (message) => {
        expect(decodeFromMonitor(encodeFromMonitor(message))).toEqual({ ok: true, message });
      }),
      RUNS,
    );
  });
  test("the deployed monitor accepts exactly the version-1 messages of our agent", () => {
    fc.assert(
      fc.property(anyFromAgent, (message) => {
        expect(monitorAccepts(encodeFromAgent(message))).toBe(isSpoken(message.type, 1));
      }),
      RUNS,
    );
  });
  test("the deployed agent handles exactly the version-1 messages of our monitor", () => {
    fc.assert(
      fc.property(anyFromMonitor, (message) => {
        const reaction = agentReacts(encodeFromMonitor(message), new Set([message.id]));
        expect(reaction).toBe(isSpoken(message.type, 1) ? "handled" : "InvalidMessage");
      }),
      RUNS,
    );
  });
  test("lone surrogates never leave: the deployed monitor refuses them", () => {
    const units = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) });
    fc.assert(
      fc.property(units, (error) => {
        const text = encodeFromAgent({ type: "InvalidMessage", content: { error }, id: 3 });
        expect(monitorAccepts(text)).toBe(true);
      }),
      RUNS,
    );
  });
});

describe(`for every handshake, SEED=${SEED}`, () => {
  const features = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,64}$/), { maxLength: 5 });
  test("every range we can offer gets version 1 from the deployed monitor", () => {
    const ranges = fc.record(
      { min: fc.constantFrom(0, 1), max: fc.integer({ min: 1, max: 255 }), features },
      { requiredKeys: ["min", "max"] },
    );
    fc.assert(
      fc.property(ranges, (range) => {
        const text = encodeRange(range);
        expect(monitorAnswersRange(text)).toBe("version 1");
        expect(decodeRange(text)).toEqual({ ok: true, message: range });
      }),
      RUNS,
    );
  });
  test("every reply decodes to itself", () => {
    const accepted = fc.record(
      {
        version: fc.constantFrom(1, 2),
        vm: fc.uuid(),
        boot: fc.uuid(),
        mem: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        features,
      },
      { requiredKeys: ["version"] },
    );
    const replies = fc.oneof(accepted, fc.record({ error: fc.string({ unit: "binary" }) }));
    fc.assert(
      fc.property(replies, (reply) => {
        const decoded = decodeHandshakeReply(encodeHandshakeReply(reply), OFFERED);
        expect(decoded).toEqual({ ok: true, message: reply });
      }),
      RUNS,
    );
  });
});

describe(`for every text, SEED=${SEED}`, () => {
  const decoders: [string, (text: string) => Decoded<unknown>][] = [
    ["decodeFromAgent", decodeFromAgent],
    ["decodeFromMonitor", decodeFromMonitor],
    ["decodeRange", decodeRange],
    ["decodeHandshakeReply", (text) => decodeHandshakeReply(text, OFFERED)],
  ];
  test.for(decoders)("%s answers, and its problem is one short line", ([, decode]) => {
    fc.assert(
      fc.property(anyFrame, (text) => {
        const decoded = decode(text);
        if (decoded.ok) return;
        expect(decoded.problem).toMatch(/^[ -~…]{1,200}$/);
        expect(decoded.id === null || Number.isSafeInteger(decoded.id)).toBe(true);
        // It must be fit to send back, whatever it quotes.
        const content = { error: decoded.problem };
        const reply = encodeFromAgent({ type: "InvalidMessage", content, id: decoded.id ?? 0 });
        expect(utf8Bytes(reply)).toBeLessThan(600);
      }),
      TEXT_RUNS,
    );
  });
});
