// Version 1: what is asked and answered, and what an agent does about nonsense.
import { type AgentSubject } from "../agent-subject.ts";
import { demand, type Check } from "../check.ts";

/** What can't be read, and the id that its complaint carries. */
const MALFORMED: readonly (readonly [string, number])[] = [
  ["not json", 0],
  ["[1,2]", 0],
  ['{"type":"UpscaleRequest"}', 0],
  ['{"type":"UpscaleRequest","id":"5"}', 0],
  ['{"id":7101}', 7101],
  ['{"type":"DownscaleResult","Ok":"yes","Status":1,"id":7103}', 7103],
];

export const version1Checks: readonly Check<AgentSubject>[] = [
  {
    id: "v1/unknown-type",
    group: "version 1",
    rule: "An unknown type is answered with InvalidMessage of the same id, and the link is kept.",
    async run(agent) {
      const talk = await agent.steady(1);
      const mark = talk.mark();
      talk.answer(7105, "NextYearsRequest", { target: { cpu: 1 } });
      await talk.complains(7105, mark);
      await talk.isKept();
    },
  },
  {
    id: "v1/malformed",
    group: "version 1",
    rule: "A malformed message is answered with InvalidMessage (the sender's id, or 0 when there is none), and the link is kept.",
    async run(agent) {
      const talk = await agent.steady(1);
      for (const [text, id] of MALFORMED) {
        const mark = talk.mark();
        talk.wire.say(text);
        await talk.complains(id, mark);
      }
      await talk.isKept();
    },
  },
  {
    id: "v1/unknown-id",
    group: "version 1",
    rule: "A reply to an id that the agent did not ask under is answered with InvalidMessage of that id.",
    async run(agent) {
      const talk = await agent.steady(1);
      const mark = talk.mark();
      talk.answer(7202, "UpscaleConfirmation");
      await talk.complains(7202, mark);
      await talk.isKept();
    },
  },
  {
    id: "v1/never-answered",
    group: "version 1",
    rule: "InvalidMessage and InternalError are never answered.",
    async run(agent) {
      const talk = await agent.steady(1);
      const mark = talk.mark();
      const ids: unknown[] = [7203, 7205, 0];
      talk.answer(7203, "InvalidMessage", { error: "what did you mean?" });
      talk.answer(7205, "InternalError", { error: "failed to downscale" });
      talk.answer(0, "InvalidMessage", { error: "what did you mean?" });
      await talk.hearsNo("an answer", ({ id }) => ids.includes(id), mark, 1_000);
    },
  },
  {
    id: "v1/scale-request",
    group: "version 1",
    rule: "A ScaleRequest on version 1 is taken without a ScaleResponse, and is no mistake.",
    async run(agent) {
      const known = agent.talks.findLast(({ report }) => report !== null)?.report?.actual;
      const talk = await agent.steady(1);
      const mark = talk.mark();
      const id = talk.say("ScaleRequest", { target: known ?? { cpu: 1, mem: 1024 ** 3 } });
      await talk.hearsNo("an answer", (heard) => heard.id === id, mark, 1_000);
      await talk.isKept();
    },
  },
];

/** Each needs a connection of its own. */
export const shortVersion1Checks: readonly Check<AgentSubject>[] = [
  {
    id: "v1/early-upscale-request",
    group: "version 1",
    rule: "An UpscaleRequest that comes before the agent's first frame harms nothing.",
    isDangerous: true,
    async run(agent) {
      const talk = await agent.fresh(1);
      talk.say("UpscaleRequest");
      await talk.waits(1_000);
      await talk.isKept();
    },
  },
  {
    id: "v1/nonsense-limit",
    group: "version 1",
    rule: "Nonsense is counted, and the link is closed after 20 in a minute.",
    async run(agent) {
      const talk = await agent.fresh(1);
      for (let n = 1; n <= 20; n += 1) talk.answer(7300 + n, "Nonsense");
      await talk.complains(7320, 0);
      await talk.isKept();
      for (let n = 21; n <= 30; n += 1) talk.answer(7300 + n, "Nonsense");
      const { code } = await talk.wire.closing(agent.within(2_000));
      demand(code !== 1006, "it cut the connection instead of closing it");
    },
  },
];

/** They wait for HealthChecks. */
export const healthChecks: readonly Check<AgentSubject>[] = [
  {
    id: "v1/health-check",
    group: "version 1",
    rule: "A HealthCheck comes every 5 s.",
    async run(agent) {
      const talk = await agent.steady(1);
      const first = await talk.hearsType("HealthCheck", talk.mark(), 7_000);
      const next = await talk.hearsType("HealthCheck", talk.mark(), 7_000);
      const gapMs = next.atMs - first.atMs;
      demand(gapMs >= agent.span(3_000), `two came within ${Math.round(gapMs)} ms`);
    },
  },
  {
    id: "v1/unknown-fields",
    group: "version 1",
    rule: "Unknown fields are ignored at every level: a reply that has some is a reply.",
    async run(agent) {
      const talk = await agent.steady(1);
      talk.manners.health = "silent";
      const mark = talk.mark();
      const { id } = await talk.hearsType("HealthCheck", mark, 7_000);
      talk.answer(id, "HealthCheck", { next: { year: [1] }, content: {} });
      await talk.hearsNo("a complaint", (heard) => heard.type === "InvalidMessage", mark, 500);
      // That it was taken shows in the second one being a reply to nothing.
      talk.answer(id, "HealthCheck");
      await talk.complains(id, mark);
    },
  },
  {
    id: "v1/wrong-kind",
    group: "version 1",
    rule: "A reply of the wrong kind is answered with InvalidMessage of its id, and the link is kept.",
    isDangerous: true,
    async run(agent) {
      const talk = await agent.steady(1);
      talk.manners.health = "silent";
      const mark = talk.mark();
      const { id } = await talk.hearsType("HealthCheck", mark, 7_000);
      talk.answer(id, "DownscaleResult", { Ok: true, Status: "of the wrong kind" });
      await talk.complains(id, mark);
      talk.answer(id, "HealthCheck"); // or it is a miss
      await talk.isKept();
    },
  },
  {
    id: "v1/late-reply",
    group: "version 1",
    rule: "A request that is not answered in 5 s has failed; the late answer gets InvalidMessage.",
    async run(agent) {
      const talk = await agent.steady(1);
      talk.manners.health = "silent";
      const { id } = await talk.hearsType("HealthCheck", talk.mark(), 7_000);
      talk.manners.health = "answer";
      await talk.hearsNo("an early complaint", (heard) => heard.id === id, talk.mark(), 5_500);
      const mark = talk.mark();
      talk.answer(id, "HealthCheck");
      await talk.complains(id, mark);
      await talk.isKept();
    },
  },
];

/** Takes as long as three HealthChecks. */
export const deadLink: Check<AgentSubject> = {
  id: "v1/dead-link",
  group: "version 1",
  rule: "Three HealthChecks unanswered in a row: the agent closes the link and dials again.",
  async run(agent) {
    const talk = await agent.fresh(1);
    talk.manners.health = "silent";
    await talk.wire.closing(agent.within(27_000));
    const asked = talk.heard.filter(({ type }) => type === "HealthCheck").length;
    demand(asked >= 3, `it closed after ${asked} HealthChecks`);
    await agent.dialled();
  },
};
