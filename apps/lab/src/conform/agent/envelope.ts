// What holds for every frame of an agent. Judged on everything that it said in this run.
import { type AgentSubject } from "../agent-subject.ts";
import { type AgentTalk } from "../agent-talk.ts";
import { demand, NotApplicable, type Check } from "../check.ts";

/** What an agent asks or tells under an id of its own; its other frames carry the monitor's. */
const OWN = ["HealthCheck", "UpscaleNotification", "DownscaleRequest", "SizeReport"];

/** Every conversation so far, at least one of them with a frame in it. */
async function talksOf(agent: AgentSubject): Promise<readonly AgentTalk[]> {
  if (agent.talks.every(({ heard }) => heard.length === 0)) {
    const talk = await agent.steady();
    await talk.hears("the agent's first frame", () => true, 0, 7_000);
  }
  return agent.talks;
}

async function framesOf(agent: AgentSubject) {
  return (await talksOf(agent)).flatMap(({ heard }) => heard);
}

export const envelopeChecks: readonly Check<AgentSubject>[] = [
  {
    id: "transport/text-frames",
    group: "transport",
    rule: "Each frame of the agent is one JSON object in a text frame.",
    async run(agent) {
      for (const { json, isBinary, text } of await framesOf(agent)) {
        demand(!isBinary && json !== null, `this is none: ${text}`);
      }
    },
  },
  {
    id: "v1/envelope",
    group: "version 1",
    rule: "The agent wraps: content, type and id, in this order; content is there even when it is empty.",
    async run(agent) {
      for (const { json, isBinary, text } of await framesOf(agent)) {
        if (json === null || isBinary) continue;
        const keys = Object.keys(json).join();
        demand(keys === "content,type,id", `its keys are ${keys}: ${text.trimEnd()}`);
        const { content } = json;
        demand(typeof content === "object" && content !== null, `content: ${text.trimEnd()}`);
      }
    },
  },
  {
    id: "v1/ids",
    group: "version 1",
    rule: "The agent mints even ids 2, 4, …, rising, and begins again with 2 on each connection.",
    async run(agent) {
      for (const { heard } of await talksOf(agent)) {
        let last = 0;
        for (const { id, type, text } of heard) {
          if (!OWN.includes(type)) continue;
          demand(Number.isSafeInteger(id) && Number(id) % 2 === 0, `not even: ${text.trimEnd()}`);
          if (last === 0) demand(id === 2, `the first is not 2: ${text.trimEnd()}`);
          demand(Number(id) > last, `${String(id)} after ${last}: ${text.trimEnd()}`);
          last = Number(id);
        }
      }
    },
  },
  {
    id: "v1/numbers",
    group: "version 1",
    rule: "mem is an integer literal of bytes and cpu a number, wherever the agent writes a size.",
    async run(agent) {
      const texts = (await framesOf(agent)).map(({ text }) => text);
      const sizes = texts.filter((text) => text.includes('"mem":'));
      if (sizes.length === 0) throw new NotApplicable("the agent named no size");
      for (const text of sizes) {
        const isRight = (literal: string, key: string) =>
          literal.startsWith("{") || // the mem of a ScaleResponse's resources
          (key === "mem" ? /^\d+$/ : /^\d+(\.\d+)?(e[+-]?\d+)?$/i).test(literal);
        for (const [, key = "", literal = ""] of text.matchAll(/"(mem|cpu)":(\{|[^,}]*)/g)) {
          demand(isRight(literal, key), `${key} is ${literal} in ${text.trimEnd()}`);
        }
      }
    },
  },
  {
    id: "v1/nothing-newer",
    group: "version 1",
    rule: "Nothing newer than what was negotiated: on version 1 no SizeReport and no ScaleResponse.",
    async run(agent) {
      const talk = await agent.steady(1);
      await talk.hears("the agent's first frame", () => true, 0, 7_000);
      for (const { heard, version } of agent.talks) {
        if (version !== 1) continue;
        const newer = heard.find(({ type }) => type === "SizeReport" || type === "ScaleResponse");
        demand(newer === undefined, `version 1 has no ${newer?.text.trimEnd() ?? ""}`);
      }
    },
  },
];
