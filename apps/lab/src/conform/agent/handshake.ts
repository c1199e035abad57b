// The first two frames, as an agent must speak and take them.
import { type AgentSubject } from "../agent-subject.ts";
import { demand, type Check } from "../check.ts";

const CLOSE_PROTOCOL_ERROR = 1002;

export const handshakeChecks: readonly Check<AgentSubject>[] = [
  {
    id: "handshake/range",
    group: "handshake",
    rule: "The agent speaks first: a range of integers whose min is 0 or 1 and whose max is 1 to 255.",
    async run(agent) {
      const { range } = await agent.offered();
      const { min, max } = range.json ?? {};
      demand(min === 0 || min === 1, `min must be 0 or 1: ${range.text}`);
      const isByte = Number.isInteger(max) && Number(max) >= 1 && Number(max) <= 255;
      demand(isByte, `max must be an integer from 1 to 255: ${range.text}`);
    },
  },
  {
    id: "handshake/features",
    group: "handshake",
    rule: "Features, where there are any, are a list of words of at most 64 of [a-z0-9-].",
    async run(agent) {
      if (agent.range === null) await agent.offered();
      const { features } = agent.range?.json ?? {};
      const isWord = (word: unknown) => typeof word === "string" && /^[a-z0-9-]{1,64}$/.test(word);
      const isGood = features === undefined || (Array.isArray(features) && features.every(isWord));
      demand(isGood, `features are ${JSON.stringify(features)}`);
    },
  },
  badReply(
    "handshake/not-offered",
    "A version outside the range that the agent offered is refused with close 1002.",
    (max) => JSON.stringify({ version: max + 1 }),
  ),
  badReply(
    "handshake/no-version",
    "A handshake reply without a version is refused with close 1002.",
    () => "{}",
  ),
  badReply(
    "handshake/not-json",
    "A handshake reply that is not JSON is refused with close 1002.",
    () => "version 1",
  ),
  badReply(
    "handshake/error",
    "A handshake reply with an error is answered with close 1002.",
    () => '{"error":"no common version: 7-9 and 1-2"}',
  ),
  {
    id: "handshake/unknown-fields",
    group: "handshake",
    rule: "Extra fields and unknown features of the handshake reply are ignored.",
    async run(agent) {
      const { features = [], ...reply } = agent.reply(agent.offers(2) ? 2 : 1);
      const talk = await agent.greeted({
        ...reply,
        features: [...(features as string[]), "next-year", 5, { of: "what" }],
        colour: { red: [1, null] },
      });
      await talk.hears("the agent's first frame", () => true, 0, 7_000);
      await talk.isKept();
    },
  },
  {
    id: "handshake/version-1",
    group: "handshake",
    rule: "Version 1 works: an agent that was answered so sends HealthChecks and keeps the link.",
    async run(agent) {
      const talk = await agent.steady(1);
      await talk.hearsType("HealthCheck", 0, 7_000);
      await talk.isKept();
    },
  },
];

/** Takes as long as a handshake may. */
export const noReply: Check<AgentSubject> = {
  id: "handshake/no-reply",
  group: "handshake",
  rule: "An agent that has no handshake reply 4 s after dialling gives up, and dials again.",
  async run(agent) {
    const { wire } = await agent.offered();
    await wire.closing(agent.within(6_000));
    await agent.dialled();
  },
};

function badReply(id: string, rule: string, reply: (max: number) => string): Check<AgentSubject> {
  return {
    id,
    group: "handshake",
    rule,
    async run(agent) {
      const { wire, range } = await agent.offered();
      wire.say(reply(Number(range.json?.max ?? 1)));
      const { code } = await wire.closing(agent.within(2_000));
      demand(code === CLOSE_PROTOCOL_ERROR, `it closed with ${code}`);
    },
  };
}
