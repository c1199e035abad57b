// The rules of docs/protocol.md that hold on every connection and show in what is said. One line each: the manual is
// made from here. Ids are never renamed: people and programs refer to them.
export const RULES = {
  "agent/range":
    "The agent speaks first: a range of integers whose min is 0 or 1 and whose max is 1 to 255.",
  "agent/size": "A frame has at most 32 768 bytes.",
  "agent/envelope":
    'An agent\'s message is wrapped: {"content":{…},"type":"T","id":2}, keys in this order.',
  "agent/known": "A message is one that the protocol knows, with all its fields.",
  "agent/numbers": "mem, id and versions are integer literals: no point, no exponent.",
  "agent/negotiated":
    "Nothing newer than the version that was agreed; SizeReport only when both named size-report.",
  "agent/words": "Reasons and outcomes are words of the protocol's lists.",
  "agent/ids": "The agent's own ids are even and rise.",
  "agent/one-answer": "A ScaleResponse answers a ScaleRequest of this connection, once.",
  "agent/complaints": "InvalidMessage and InternalError are never answered.",
  "agent/worst-outcome": "The outcome of a ScaleResponse is the worst of both resources.",
  "agent/health-check": "A HealthCheck comes every 5 s.",
  "agent/report-first":
    "When size-report is shared, a SizeReport is the first thing after the handshake.",
  "agent/report-rate": "At most two SizeReports come per second.",
  "agent/report-every": "A SizeReport comes at least every 30 s.",
  "agent/report-sense": "In a SizeReport bounds.min is not above bounds.max.",
  "agent/one-question": "A DownscaleRequest is answered, or 5 s old, before the next one.",
  "agent/asks-first":
    "A size falls only to what a DownscaleRequest asked for and the monitor agreed to.",
  "monitor/waits": "The monitor says nothing before the range.",
  "monitor/reply":
    "It answers the range with a version within it, or with an error and nothing after.",
  "monitor/size": "A frame has at most 32 768 bytes.",
  "monitor/envelope":
    'A monitor\'s message is flat: {"type":"T", …fields, "id":3}, without content.',
  "monitor/known": "A message is one that the protocol knows, with all its fields.",
  "monitor/numbers": "mem, id and versions are integer literals: no point, no exponent.",
  "monitor/negotiated":
    "Nothing newer than the version that was agreed, but for one ScaleRequest tried on version 1.",
  "monitor/words": "Reasons are words of the protocol's list.",
  "monitor/ids": "The monitor's own ids are odd and rise.",
  "monitor/one-answer":
    "A reply carries the id of a request of this connection, is of its kind, and comes once.",
  "monitor/in-time": "A request is answered within 5 s.",
  "monitor/complaints": "InvalidMessage and InternalError are never answered.",
  "monitor/early": "No UpscaleRequest before the agent's first frame after the handshake, or 1 s.",
  "monitor/upscale-rate": "At most one UpscaleRequest comes per second.",
  "monitor/target": "A target is a size: cpu above 0 and at most 1024, mem above 0.",
  "monitor/level":
    "On version 2 the level is stated within 1 s of the agent's first frame, 2 s of the handshake.",
  "monitor/resent":
    "A ScaleRequest is repeated every 4 to 5 s while actual is below it, and every 30 s otherwise.",
  "monitor/scale-rate":
    "ScaleRequests come at most every 100 ms upward, and once per second otherwise.",
} as const;

export type RuleId = keyof typeof RULES;
export type Side = "agent" | "monitor";

/** Whose rule it is. */
export function sideOf(rule: RuleId): Side {
  return rule.startsWith("agent/") ? "agent" : "monitor";
}
