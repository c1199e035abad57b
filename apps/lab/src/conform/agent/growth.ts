// Growing: what is told is there.
import { type AgentSubject } from "../agent-subject.ts";
import { asObject } from "../agent-talk.ts";
import { demand, NotApplicable, type Check } from "../check.ts";
import { RESOURCES, readAmount, sayAmount, type SizeReport } from "../size-report.ts";
import { lowered, moverOf, risen } from "./mover.ts";

const grantedIn = (content: unknown) => readAmount(asObject(content).granted);

export const growthChecks: readonly Check<AgentSubject>[] = [
  {
    id: "v2/growth-notified",
    group: "version 2",
    rule: "Growth is plugged first and notified after: an UpscaleNotification names what the VM has.",
    async run(agent) {
      const mover = await moverOf(agent, "mem");
      await lowered(mover);
      const { talk, resource, high } = mover;
      const mark = talk.mark();
      await risen(agent, resource);
      const isIt = ({ content }: { content: unknown }) =>
        (grantedIn(content)?.[resource] ?? 0) >= high[resource];
      const told = await talk.hears("an UpscaleNotification of all of it", isIt, mark, 5_000);
      for (const { type, content, text } of talk.heard.slice(mark)) {
        if (type !== "UpscaleNotification") continue;
        const granted = grantedIn(content);
        demand(granted !== null, `it grants no size: ${text.trimEnd()}`);
        const most = talk.reports(mark).map(({ actual }) => actual[resource]);
        const isThere = granted[resource] <= Math.max(...most);
        demand(isThere, `no SizeReport ever showed ${sayAmount(granted)}`);
      }
      demand(told.id !== undefined, "it has no id");
    },
  },
  {
    id: "v2/growth-permitted",
    group: "version 2",
    rule: "A VM never grows above its permit.",
    async run(agent) {
      await moverOf(agent);
      for (const talk of agent.talks) demandPermitted(talk.reports());
    },
  },
  {
    id: "v1/scale-request-governs",
    group: "version 1",
    rule: "A ScaleRequest on version 1 sets the size, without a ScaleResponse: growth shows as an UpscaleNotification.",
    async run(agent) {
      const mover = await moverOf(agent, "mem");
      await lowered(mover);
      const { resource, high } = mover;
      const talk = await agent.steady(1);
      talk.say("ScaleRequest", { target: high });
      const isIt = ({ content }: { content: unknown }) =>
        (grantedIn(content)?.[resource] ?? 0) >= high[resource];
      await talk.hears("an UpscaleNotification of all of it", isIt, 0, 15_000);
    },
  },
];

function demandPermitted(reports: readonly SizeReport[]): void {
  for (const [index, report] of reports.entries()) {
    const before = reports[index - 1];
    if (before === undefined) continue;
    for (const name of RESOURCES) {
      const grew = report.actual[name] > before.actual[name];
      const most = Math.max(report.permit[name], before.permit[name]);
      const isPermitted = !grew || report.actual[name] <= most;
      demand(isPermitted, `${name} is above its permit: ${report.text.trimEnd()}`);
    }
  }
}

export const upscaleHonoured: Check<AgentSubject> = {
  id: "v1/upscale-request",
  group: "version 1",
  rule: "An UpscaleRequest is followed by an UpscaleNotification when there is room for more.",
  async run(agent) {
    const room = agent.offers(2) ? await moverOf(agent, "mem") : null;
    if (room !== null) await lowered(room);
    const talk = await agent.steady(1);
    await talk.hears("the agent's first frame", () => true, 0, 7_000);
    const mark = talk.mark();
    talk.say("UpscaleRequest");
    const granted = talk.hearsType("UpscaleNotification", mark, 12_000);
    if (room === null) {
      // A version-1 agent does not tell what room there is: silence says nothing.
      await granted.catch(() => {
        throw new NotApplicable("it granted nothing, and whether there is room can't be seen");
      });
      return;
    }
    const { content, text } = await granted;
    const isMore = (grantedIn(content)?.mem ?? 0) > room.low.mem;
    demand(isMore, `it grants no more than before: ${text.trimEnd()}`);
  },
};
