// What a monitor does with frames that it can't read: it says so, keeps the link, and has a limit.
import { clip, demand, NotApplicable, type Check } from "../check.ts";
import { type AgentPlayer } from "../agent-player.ts";
import { type MonitorSubject } from "../monitor-subject.ts";
import { type Frame } from "../wire.ts";
import { GRANT, SHRINK } from "./sizes.ts";

const MAX_PER_MINUTE = 20;
const POLICY_VIOLATION = 1008;
const SOON_MS = 3_000;

/** A frame, and the id of the InvalidMessage that it gets. */
type Row = readonly [frame: string, id: number];

export const nonsenseChecks: readonly Check<MonitorSubject>[] = [
  nonsense("v1/unknown-type", {
    rule: "An unknown type is answered with InvalidMessage of the same id, and the link is kept.",
    rows: [
      ['{"content":{},"type":"NextYear","id":2}', 2],
      ['{"content":{"size":[1]},"type":"healthcheck","id":4}', 4],
      ['{"content":{},"type":"UpscaleRequest","id":6}', 6],
      ['{"content":{},"type":"__proto__","id":8}', 8],
      ['{"content":{},"type":7,"id":10}', 10],
      ['{"content":{},"id":12}', 12],
    ],
  }),
  nonsense("v1/not-json", {
    rule: "A frame that is no JSON object is answered with InvalidMessage of id 0, and the link is kept.",
    rows: [
      ["HealthCheck", 0],
      ['{"content":{},"type":"HealthCheck","id":2', 0],
      ["[]", 0],
      ['[{"content":{},"type":"HealthCheck","id":2}]', 0],
      ["null", 0],
      ["2", 0],
      ["", 0],
    ],
  }),
  nonsense("v1/no-id", {
    rule: "A message without a usable id is answered with InvalidMessage of id 0, and the link is kept.",
    rows: [
      ['{"content":{},"type":"HealthCheck"}', 0],
      ['{"content":{},"type":"HealthCheck","id":null}', 0],
      ['{"content":{},"type":"HealthCheck","id":"2"}', 0],
      ['{"content":{},"type":"HealthCheck","id":-2}', 0],
      ['{"content":{},"type":"HealthCheck","id":2.5}', 0],
    ],
  }),
  nonsense("v1/content-required", {
    rule: "content is required, even empty: without it a message is answered with InvalidMessage, and the link is kept.",
    rows: [
      ['{"type":"HealthCheck","id":2}', 2],
      ['{"content":null,"type":"HealthCheck","id":4}', 4],
      ['{"content":[],"type":"HealthCheck","id":6}', 6],
      [`{"granted":${JSON.stringify(GRANT)},"type":"UpscaleNotification","id":8}`, 8],
    ],
  }),
  nonsense("v1/bad-fields", {
    rule: "A known type with fields of the wrong kind is answered with InvalidMessage of the same id, and the link is kept.",
    rows: [
      notification('{"cpu":"1","mem":1073741824}', 2),
      notification('{"cpu":1,"mem":"1073741824"}', 4),
      notification('{"cpu":1,"mem":1073741824.5}', 6),
      notification('{"cpu":1,"mem":-1073741824}', 8),
      notification('{"cpu":-1,"mem":1073741824}', 10),
      notification('{"cpu":1}', 12),
      notification("null", 14),
      ['{"content":{"target":[1,2]},"type":"DownscaleRequest","id":16}', 16],
      ['{"content":{},"type":"DownscaleRequest","id":18}', 18],
    ],
  }),
  {
    id: "v1/newer-is-unknown",
    group: "version 1",
    rule: "On version 1 a message of version 2 is an unknown type.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const bounds = { min: GRANT, max: SHRINK };
      const sizes = { actual: GRANT, requested: GRANT, permit: GRANT, bounds, step: GRANT };
      const id = agent.tell("SizeReport", sizes);
      const isOfInterest = ({ json }: Frame) => json?.id === id || json?.type === "ScaleRequest";
      const what = `the InvalidMessage of id ${id}`;
      const { json, text } = await agent.wire.next(what, isOfInterest, monitor.within(SOON_MS));
      if (json?.type === "ScaleRequest") {
        throw new NotApplicable("it tries ScaleRequest on version 1, so it knows the answers too");
      }
      demand(json?.type === "InvalidMessage", `SizeReport on version 1 got ${clip(text)}`);
      await agent.isHeard();
    },
  },
  {
    id: "v1/complaints-are-not-answered",
    group: "version 1",
    rule: "InvalidMessage and InternalError are never answered.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const ids = [0, 1, 3, 998];
      for (const id of ids) {
        agent.tellAs(id, "InvalidMessage", { error: "what was that?" });
        agent.tellAs(id, "InternalError", { error: "I failed" });
      }
      await agent.isHeard();
      const isAnswer = ({ json }: Frame) => ids.includes(Number(json?.id)) && !isOwnWord(json);
      const answer = agent.wire.frames.slice(1).find(isAnswer);
      demand(answer === undefined, `it answered ${clip(answer?.text ?? "")}`);
    },
  },
  {
    id: "v1/nonsense-limit",
    group: "version 1",
    rule: "More than 20 bad messages in a minute close the link with 1008; the next one is served.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      for (let i = 0; i < MAX_PER_MINUTE; i++) agent.wire.say("nonsense");
      await agent.isHeard();
      for (let i = 0; i < 5; i++) agent.wire.say("nonsense");
      const { code } = await agent.wire.closing(monitor.within(SOON_MS));
      demand(code === POLICY_VIOLATION, `it closed with ${code}`);
      await (await monitor.agent(1)).isHeard();
    },
  },
];

function nonsense(
  id: string,
  { rule, rows }: Readonly<{ rule: string; rows: readonly Row[] }>,
): Check<MonitorSubject> {
  return {
    id,
    group: "version 1",
    rule,
    async run(monitor) {
      const agent = await monitor.agent(1);
      for (const [frame, wanted] of rows) await isRejected(monitor, agent, frame, wanted);
      // An id that no row has used: the answer can't be one of theirs.
      agent.tellAs(1_000, "HealthCheck");
      await agent.reply(1_000, "HealthCheck");
    },
  };
}

async function isRejected(
  monitor: MonitorSubject,
  { wire }: AgentPlayer,
  frame: string,
  id: number,
): Promise<void> {
  wire.say(frame);
  const isReply = ({ json }: Frame) => !isOwnWord(json);
  const within = monitor.within(SOON_MS);
  const { json, text } = await wire.next(`an answer to ${frame || "nothing"}`, isReply, within);
  const isRight =
    json?.type === "InvalidMessage" && json.id === id && typeof json.error === "string";
  demand(isRight, `${frame || "an empty frame"} got ${clip(text)}`);
}

/** Said without being asked. */
function isOwnWord(json: Frame["json"]): boolean {
  return json?.type === "UpscaleRequest" || json?.type === "ScaleRequest";
}

function notification(granted: string, id: number): Row {
  return [`{"content":{"granted":${granted}},"type":"UpscaleNotification","id":${id}}`, id];
}
