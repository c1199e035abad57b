// Version 2: the level that a monitor states, and what it makes of reports and answers.
import { clip, demand, type Check } from "../check.ts";
import { RANGE_V2, type MonitorSubject } from "../monitor-subject.ts";
import { type Frame } from "../wire.ts";
import { FIRST_LEVEL_WITHIN_MS, hearLevel, levelsOf, reportOf } from "./scaling.ts";
import { isReason, isWireSize, memLiteral } from "./scale-frames.ts";

/** The level is stated within 2 s of the handshake, even if the agent says nothing. */
const UNASKED_WITHIN_MS = 2_500;
const WATCHED_MS = 3_000;
const REPORT_EVERY_MS = 500;
/** Legal are 100 ms upward and 1 s otherwise; timers and frames are late by some of it. */
const UPWARD_EVERY_MS = 50;
const OTHER_EVERY_MS = 700;
const MAX_CPU = 1024;
const FIELDS = ["type", "target", "reason", "floor", "ageMs", "id"];

export const version2Checks: readonly Check<MonitorSubject>[] = [
  {
    id: "v2/level-after-first-frame",
    group: "version 2",
    rule: "The monitor states its level within 1 s of the agent's first frame after the handshake.",
    async run(monitor) {
      const agent = await monitor.agent(2);
      agent.tell("HealthCheck");
      await agent.level(FIRST_LEVEL_WITHIN_MS);
    },
  },
  {
    id: "v2/level-unasked",
    group: "version 2",
    rule: "The monitor states its level within 2 s of the handshake, even if the agent says nothing.",
    async run(monitor) {
      const agent = await monitor.agent(2);
      await agent.level(UNASKED_WITHIN_MS);
    },
  },
  {
    id: "v2/features-are-optional",
    group: "version 2",
    rule: "Without any feature named, version 2 is spoken all the same.",
    async run(monitor) {
      const agent = await monitor.agent(2, '{"min":1,"max":2}\n');
      agent.tell("HealthCheck");
      await agent.level(FIRST_LEVEL_WITHIN_MS);
    },
  },
  {
    id: "v2/scale-request",
    group: "version 2",
    rule: "A ScaleRequest has a positive target and an id; reason is a word of the list, floor a size, ageMs a duration, and there is nothing else.",
    async run(monitor) {
      const { level } = await hearLevel(monitor);
      const { json, text } = level.frame;
      const { cpu, mem } = level.target;
      const isSize = cpu > 0 && cpu <= MAX_CPU && Number.isSafeInteger(mem) && mem > 0;
      demand(isSize, `its target is no size: ${clip(text)}`);
      const { reason, floor, ageMs } = json ?? {};
      demand(reason === undefined || isReason(reason), `its reason is unknown: ${clip(text)}`);
      demand(floor === undefined || isWireSize(floor), `its floor is no size: ${clip(text)}`);
      const isAge = ageMs === undefined || (typeof ageMs === "number" && ageMs >= 0);
      demand(isAge, `its ageMs is no duration: ${clip(text)}`);
      const unknown = Object.keys(json ?? {}).find((key) => !FIELDS.includes(key));
      demand(unknown === undefined, `version 2 has no field ${unknown ?? ""}: ${clip(text)}`);
    },
  },
  {
    id: "v2/mem-is-an-integer-literal",
    group: "version 2",
    rule: "mem is written as an integer literal of bytes, without point or exponent.",
    async run(monitor) {
      const { level } = await hearLevel(monitor);
      const literal = memLiteral(level.frame.text);
      demand(/^\d+$/.test(literal), `mem is written as ${literal}: ${clip(level.frame.text)}`);
    },
  },
  {
    id: "v2/flat-envelope",
    group: "version 2",
    rule: "A ScaleRequest is flat: type first, id last, no content.",
    async run(monitor) {
      const { level } = await hearLevel(monitor);
      const keys = Object.keys(level.frame.json ?? {});
      const isFlat = keys[0] === "type" && keys.at(-1) === "id" && !keys.includes("content");
      demand(isFlat, `not flat, from type to id: ${clip(level.frame.text)}`);
    },
  },
  {
    id: "v2/own-ids",
    group: "version 2",
    rule: "The monitor mints odd ids, and begins again with each connection.",
    async run(monitor) {
      const { level: first } = await hearLevel(monitor);
      const { level: second } = await hearLevel(monitor);
      for (const { id, frame } of [first, second]) {
        demand(id % 2 === 1 && id > 0, `its id is not odd: ${clip(frame.text)}`);
      }
      const isAnew = first.id === second.id;
      demand(isAnew, `its first id was ${first.id}, and ${second.id} on the next connection`);
    },
  },
  {
    id: "v2/size-report",
    group: "version 2",
    rule: "SizeReport is not answered; unknown reasons and fields of it are harmless, optional ones may be absent.",
    async run(monitor) {
      const { agent, level } = await hearLevel(monitor);
      const ids = [
        {},
        { reason: "met", cpuUsed: 0.1, throttledShare: 0 },
        { reason: "next-years-word" },
        { reason: "no words at all, but a sentence!", next: { year: [1] } },
      ].map((more) => agent.tell("SizeReport", reportOf(level.target, more)));
      await agent.isHeard();
      isNotAnswered(agent.wire.frames, ids);
    },
  },
  {
    id: "v2/scale-response",
    group: "version 2",
    rule: "ScaleResponse is not answered, whatever it says: unknown outcomes and reasons are harmless.",
    async run(monitor) {
      const { agent, level } = await hearLevel(monitor);
      agent.tell("SizeReport", reportOf(level.target));
      for (const [outcome, reason] of [
        ["accepted", "met"],
        ["clamped", "bounds"],
        ["deferred", "node-full"],
        ["next-years-word", "next-years-word"],
      ] as const) {
        agent.tellAs(level.id, "ScaleResponse", responseOf(level.target, outcome, reason));
      }
      await agent.isHeard();
      isNotAnswered(agent.wire.frames, [level.id]);
    },
  },
  {
    id: "v2/late-scale-response",
    group: "version 2",
    rule: "A ScaleResponse that comes late, twice, or to an id that was never used is harmless.",
    async run(monitor) {
      const { agent, level } = await hearLevel(monitor);
      agent.tell("SizeReport", reportOf(level.target));
      const ids = [level.id, level.id, level.id + 2_000, 998, 0];
      for (const id of ids) {
        agent.tellAs(id, "ScaleResponse", responseOf(level.target, "accepted", "met"));
      }
      await agent.isHeard();
      isNotAnswered(agent.wire.frames, ids);
    },
  },
  {
    id: "v2/rate",
    group: "version 2",
    rule: "ScaleRequests come at most every 100 ms upward and every second otherwise, however often the size changes.",
    async run(monitor) {
      const { agent, level } = await hearLevel(monitor);
      const { cpu, mem } = level.target;
      const more = { cpu: cpu + 1, mem };
      const max = { cpu: cpu + 2, mem };
      const bounds = { min: level.target, max };
      for (let i = 0; i * REPORT_EVERY_MS < WATCHED_MS; i++) {
        const actual = i % 2 === 0 ? level.target : more;
        agent.tell("SizeReport", reportOf(level.target, { actual, permit: max, bounds }));
        await agent.wire.pause(REPORT_EVERY_MS);
      }
      await agent.isHeard();
      const levels = levelsOf(agent.wire.frames);
      for (const [index, next] of levels.slice(1).entries()) {
        const before = levels[index];
        if (before !== undefined) isInTime(before, next);
      }
    },
  },
  {
    id: "v2/nothing-newer",
    group: "version 2",
    rule: "On version 2 nothing comes that version 2 lacks.",
    async run(monitor) {
      const types = ["HealthCheck", "UpscaleConfirmation", "DownscaleResult", "UpscaleRequest"];
      const known = [...types, "InvalidMessage", "InternalError", "ScaleRequest"];
      const agent = await monitor.agent(2, RANGE_V2);
      agent.tell("HealthCheck");
      const { target } = await agent.level(FIRST_LEVEL_WITHIN_MS);
      agent.tell("SizeReport", reportOf(target));
      await agent.ask("UpscaleNotification", { granted: target }, "UpscaleConfirmation");
      await agent.askToShrink(target);
      const newer = agent.wire.frames
        .slice(1) // after the handshake reply
        .find(({ json }) => !known.includes(String(json?.type)));
      demand(newer === undefined, `version 2 has no such message: ${clip(newer?.text ?? "")}`);
    },
  },
];

function responseOf(permit: object, outcome: string, reason: string): object {
  const resource = { outcome, reason };
  return { outcome, resources: { cpu: resource, mem: resource }, permit, etaMs: 100 };
}

/** Only the monitor's own words carry such an id: what it asked for. */
function isNotAnswered(frames: readonly Frame[], ids: readonly number[]): void {
  const answer = frames
    .slice(1)
    .find(({ json }) => ids.includes(Number(json?.id)) && json?.type !== "ScaleRequest");
  demand(answer === undefined, `it was answered: ${clip(answer?.text ?? "")}`);
}

function isInTime(before: Frame, next: Frame): void {
  const [from, to] = [before, next].map(({ json }) => json?.target as Record<string, number>);
  const isUpward = Number(to?.cpu) > Number(from?.cpu) || Number(to?.mem) > Number(from?.mem);
  const pauseMs = Math.round(next.atMs - before.atMs);
  const least = isUpward ? UPWARD_EVERY_MS : OTHER_EVERY_MS;
  demand(pauseMs >= least, `two ScaleRequests within ${pauseMs} ms: ${clip(next.text)}`);
}
