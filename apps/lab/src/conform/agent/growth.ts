// Growing: what is told is there.
import { type AgentSubject } from "../agent-subject.ts";
import { asObject, type AgentTalk, type Heard } from "../agent-talk.ts";
import { demand, NotApplicable, type Check } from "../check.ts";
import { RESOURCES, readAmount, readReport, type Amount, type SizeReport } from "../size-report.ts";
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
      talk.manners.shrink = "silent"; // nothing is to be less again meanwhile
      const mark = talk.mark();
      await risen(agent, resource);
      const isIt = ({ content }: { content: unknown }) =>
        (grantedIn(content)?.[resource] ?? 0) >= high[resource];
      await talk.hears("an UpscaleNotification of all of it", isIt, mark, 5_000);
      await talk.wire.until("a SizeReport", () => afterLast(talk), agent.within(3_000));
      for (const [index, { type, content, text }] of talk.heard.entries()) {
        if (index < mark || type !== "UpscaleNotification") continue;
        const granted = grantedIn(content);
        demand(granted !== null, `it grants no size: ${text.trimEnd()}`);
        const [then] = talk.reports(index);
        const isThere = then === undefined || then.actual[resource] >= granted[resource];
        demand(isThere, `a SizeReport after it shows less: ${then?.text.trimEnd() ?? ""}`);
      }
    },
  },
  {
    id: "v2/growth-permitted",
    group: "version 2",
    rule: "A VM never grows above its permit.",
    async run(agent) {
      await moverOf(agent);
      for (const { heard } of agent.talks) demandPermitted(heard);
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

/** The first SizeReport after the last UpscaleNotification. */
function afterLast(talk: AgentTalk): SizeReport | null {
  const last = talk.heard.findLastIndex(({ type }) => type === "UpscaleNotification");
  return talk.reports(last)[0] ?? null;
}

/** A permit counts until the report after the one that replaced it: the growth may have come first. */
function demandPermitted(heard: readonly Heard[]): void {
  let before: SizeReport | null = null;
  let permits: Amount[] = [];
  for (const frame of heard) {
    const permit = readAmount(frame.content.permit);
    if (permit !== null) permits.push(permit);
    const report = readReport(frame);
    if (report === null) continue;
    for (const name of RESOURCES) {
      const isGrowth = before !== null && report.actual[name] > before.actual[name];
      const most = Math.max(...permits.map((one) => one[name]));
      const isPermitted = !isGrowth || report.actual[name] <= most;
      demand(isPermitted, `${name} is above its permit: ${report.text.trimEnd()}`);
    }
    before = report;
    permits = [report.permit];
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
