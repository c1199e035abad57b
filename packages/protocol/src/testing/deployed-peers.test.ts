// Holds the models of the deployed peers to what was recorded from their own code.
import { expect, test } from "vitest";
import { agentReacts, monitorAccepts, monitorAnswersRange } from "./deployed-peers.ts";
import { WIRE_V1 } from "./golden.ts";

test.for(WIRE_V1.inboundAtNeonMonitor)("the deployed monitor on $text", ({ text, accepted }) => {
  expect(monitorAccepts(text)).toBe(accepted);
});

test.for(WIRE_V1.handshakeRangesAtNeonMonitor)(
  "the deployed monitor on range $text",
  ({ text, result }) => {
    const answers = { '{"version"': "version 1", '{"error"': "error", PROCESS: "abort" };
    const seen = Object.entries(answers).find(([start]) => result.startsWith(start));
    expect(monitorAnswersRange(text)).toBe(seen?.[1] ?? "dropped");
  },
);

const frames = WIRE_V1.inboundAtNeonAgent.filter((row) => row.payload.startsWith("{"));
test.for(frames)("the deployed agent on $payload", ({ payload, reaction }) => {
  const code = /close (\d+)/.exec(reaction)?.[1];
  const invalid = reaction.startsWith("InvalidMessage reply") ? "InvalidMessage" : "handled";
  const want = code === undefined ? invalid : `close ${Number(code)}`;
  expect(agentReacts(payload, new Set([2, 4]))).toBe(want);
});

test("the deployed agent closes on more than 32768 bytes", () => {
  const frame = '{"type":"HealthCheck","id":2}';
  expect(agentReacts(frame.padEnd(32_768), new Set([2]))).toBe("handled");
  expect(agentReacts(frame.padEnd(32_769), new Set([2]))).toBe("close 1009");
});

test.for([
  { name: "a lone surrogate", content: '{"error":"\\ud800"}', accepted: false },
  { name: "an escaped backslash before ud800", content: '{"error":"\\\\ud800"}', accepted: true },
  { name: "an error that is no string", content: '{"error":1}', accepted: false },
])("the deployed monitor on $name", ({ content, accepted }) => {
  expect(monitorAccepts(`{"content":${content},"type":"InvalidMessage","id":3}`)).toBe(accepted);
});
