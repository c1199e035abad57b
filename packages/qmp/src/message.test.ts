import fc from "fast-check";
import { expect, test } from "vitest";
import { parseMessage } from "./message.ts";

// Lines as QEMU 7.2 wrote them.
test.for([
  {
    line: '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}\r',
    want: {
      kind: "greeting",
      greeting: {
        version: { major: 7, minor: 2, micro: 22, package: "Debian" },
        capabilities: ["oob"],
      },
    },
  },
  {
    line: '{"return": {}, "id": 1}\r',
    want: { kind: "reply", id: 1, outcome: { kind: "returned", value: {} } },
  },
  {
    line: '{"return": 536870912, "id": 2}',
    want: { kind: "reply", id: 2, outcome: { kind: "returned", value: 536870912 } },
  },
  {
    line: '{"return": null, "id": 2}',
    want: { kind: "reply", id: 2, outcome: { kind: "returned", value: null } },
  },
  {
    line: '{"return": []}',
    want: { kind: "reply", id: "absent", outcome: { kind: "returned", value: [] } },
  },
  {
    line: '{"return": {}, "id": {"a": 1}}',
    want: { kind: "reply", id: "foreign", outcome: { kind: "returned", value: {} } },
  },
  {
    line: '{"return": {}, "id": "1"}',
    want: { kind: "reply", id: "foreign", outcome: { kind: "returned", value: {} } },
  },
  {
    line: '{"return": {}, "id": 1.5}',
    want: { kind: "reply", id: "foreign", outcome: { kind: "returned", value: {} } },
  },
  {
    line: '{"id": 1, "error": {"class": "DeviceNotFound", "desc": "Device \'nope\' not found"}}',
    want: {
      kind: "reply",
      id: 1,
      outcome: {
        kind: "refused",
        errorClass: "DeviceNotFound",
        description: "Device 'nope' not found",
      },
    },
  },
  {
    line: '{"error": {"class": "GenericError", "desc": "JSON parse error, invalid keyword \'bad\'"}}',
    want: {
      kind: "reply",
      id: "absent",
      outcome: {
        kind: "refused",
        errorClass: "GenericError",
        description: "JSON parse error, invalid keyword 'bad'",
      },
    },
  },
  {
    line: '{"timestamp": {"seconds": 1795487844, "microseconds": 559510}, "event": "RESET", "data": {"guest": false, "reason": "host-qmp-system-reset"}}',
    want: {
      kind: "event",
      event: {
        name: "RESET",
        data: { guest: false, reason: "host-qmp-system-reset" },
        timestamp: { seconds: 1795487844, microseconds: 559510 },
      },
    },
  },
  {
    line: '{"event": "STOP"}',
    want: {
      kind: "event",
      event: { name: "STOP", data: {}, timestamp: { seconds: -1, microseconds: -1 } },
    },
  },
  { line: "\r", want: null },
  { line: "", want: null },
])("reads $line", ({ line, want }) => {
  expect(parseMessage(line)).toEqual(want);
});

test.for([
  { line: "QEMU 7.2.22 monitor - type 'help' for more information" },
  { line: "{" },
  { line: '{"return": {}, "id": 1' },
  { line: "[]" },
  { line: "null" },
  { line: "5" },
  { line: "{}" },
  { line: '{"QMP": {}}' },
  { line: '{"QMP": {"version": {"qemu": {"major": "7", "minor": 2, "micro": 0}}}}' },
  { line: '{"event": ""}' },
  { line: '{"event": 5}' },
  { line: '{"event": "STOP", "data": []}' },
  { line: '{"event": "STOP", "timestamp": 5}' },
])("names the problem with $line", ({ line }) => {
  const message = parseMessage(line);
  expect(message).toMatchObject({ kind: "problem" });
  expect(message).toHaveProperty(
    "problem",
    expect.stringContaining(JSON.stringify(line).slice(0, 60)),
  );
});

test.for([
  { line: '{"id": 3}' },
  { line: '{"id": 3, "error": "no"}' },
  { line: '{"id": 3, "error": {"class": "GenericError"}}' },
  { line: '{"id": 3, "return": {}, "error": {"class": "GenericError", "desc": "both"}}' },
])("gives $line to its command, as malformed", ({ line }) => {
  expect(parseMessage(line)).toEqual({
    kind: "reply",
    id: 3,
    outcome: { kind: "malformed", problem: JSON.stringify(line) },
  });
});

test("a long line is cut in the problem", () => {
  const message = parseMessage("x".repeat(1024 * 1024));
  expect(JSON.stringify(message).length).toBeLessThan(200);
});

test("never throws, whatever the line", { timeout: 30_000 }, () => {
  const line = fc.oneof(fc.string({ unit: "binary" }), fc.json());
  fc.assert(
    fc.property(line, (text) => void parseMessage(text)),
    { seed: 17, numRuns: 50 },
  );
});

test("nesting of any depth is read without harm", () => {
  const depth = 1_000_000;
  const line = `{"id": 1, "return": ${"[".repeat(depth)}${"]".repeat(depth)}}`;
  expect(parseMessage(line)).toHaveProperty("kind", expect.stringMatching(/^(reply|problem)$/));
});
