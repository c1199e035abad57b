// What agents and monitors of each release said to one another, replayed with today's code. Needs no guest.
import { describe, expect, test } from "vitest";
import { conversationsIn, recordedFiles } from "./conversations.ts";
import { monitorProblems } from "./replay-monitor.ts";
import { refereeProblems } from "./referee-problems.ts";
import { rereadProblems } from "./reread.ts";

const files = recordedFiles();
const conversations = files.flatMap(({ name, text }) => conversationsIn(name, text));
const withOurMonitor = conversations.filter((one) => {
  return one.recordedBy === "monitor" || !one.isWithAFool;
});

test("the recordings are found, of both sides, with what they are for", () => {
  expect(files.map(({ name }) => name.replace(/^[\d.]+\//, ""))).toEqual(
    expect.arrayContaining([
      ...["nonsense.agent", "nonsense.monitor"],
      ...["version-1-growth.agent", "version-1-shrink.agent", "version-1.monitor"],
      ...["version-1-probe.agent", "version-1-probe.monitor"],
      ...["version-2-growth.agent", "version-2-shrink.agent", "version-2.monitor"],
    ]),
  );
  const said = files.map(({ text }) => text.replaceAll("\\", "")).join("");
  for (const word of [
    ...['"type":"UpscaleRequest"', '"type":"UpscaleConfirmation"', '"type":"HealthCheck"'],
    ...['"Ok":true', '"Ok":false', '"type":"ScaleResponse"', '"type":"SizeReport"'],
    ...['"type":"InvalidMessage"', '"version":1', '"version":2', '"error":'],
  ]) {
    expect(said, word).toContain(word);
  }
});

describe("every frame is understood, and written again byte for byte", () => {
  test.for(conversations)("$name", (conversation) => {
    expect(rereadProblems(conversation)).toEqual([]);
  });
});

describe("today's monitor answers the agents of then", () => {
  test.for(withOurMonitor)("$name", (conversation) => {
    expect(monitorProblems(conversation)).toEqual([]);
  });
});

describe("the referee sees no rule broken, but by a fool", () => {
  test.for(conversations)("$name", (conversation) => {
    expect(refereeProblems(conversation)).toEqual([]);
  });
});

/** A replay that could not fail would prove nothing. */
describe("a renamed field is noticed", () => {
  const [growth] = files.filter(({ name }) => name.endsWith("version-2-growth.agent"));
  const renamed = (from: string, to: string) => {
    const text = (growth?.text ?? "").replaceAll(`\\"${from}\\"`, `\\"${to}\\"`);
    expect(text).not.toBe(growth?.text);
    return conversationsIn("renamed", text);
  };

  test.for(["min", "version", "target", "granted", "actual", "outcome", "Ok", "id"])(
    "%s",
    (name) => {
      expect(renamed(name, `${name}Then`).flatMap(rereadProblems)).not.toEqual([]);
    },
  );

  test.for(["granted", "content", "id"])("by the monitor: %s", (name) => {
    expect(renamed(name, `${name}Then`).flatMap(monitorProblems)).not.toEqual([]);
  });
});
