// SizeReport: when it comes, and that what it says can be.
import { type AgentSubject } from "../agent-subject.ts";
import { demand, type Check } from "../check.ts";
import { RESOURCES, type SizeReport } from "../size-report.ts";
import { backTo, moverOf, reporting } from "./mover.ts";

const PER_SECOND = 2;
/** What a slow machine or network may deliver at once. */
const BUNCHED = 4;

export const reportChecks: readonly Check<AgentSubject>[] = [
  {
    id: "v2/report-first",
    group: "version 2",
    rule: "With size-report agreed, a SizeReport is the first thing after the handshake.",
    async run(agent) {
      await reporting(agent); // or it is not agreed
      const talk = await agent.fresh(2);
      const first = await talk.hears("the agent's first frame", () => true, 0, 5_000);
      demand(first.type === "SizeReport", `the first frame is ${first.text.trimEnd()}`);
    },
  },
  {
    id: "v2/features",
    group: "version 2",
    rule: "Only features that both sides named are used: without size-report there is no SizeReport.",
    async run(agent) {
      agent.mustOffer(2);
      const talk = await agent.greeted({ ...agent.reply(2), features: [] });
      const isReport = ({ type }: { type: string }) => type === "SizeReport";
      await talk.hearsNo("a SizeReport", isReport, 0, 1_500);
    },
  },
  {
    id: "v2/report-coherent",
    group: "version 2",
    rule: "A SizeReport's sizes fit together: bounds.min ≤ bounds.max, positive steps, a permit within the bounds or what is there.",
    async run(agent) {
      const { talk } = await reporting(agent);
      for (const report of talk.reports()) demandCoherent(report);
    },
  },
  {
    id: "v2/report-on-change",
    group: "version 2",
    rule: "A change of the size is reported at once, at most two times per second.",
    async run(agent) {
      const { talk, resource, low, step } = await moverOf(agent);
      const mark = talk.mark();
      // Ten sizes in a second: were each reported, it would be too often.
      for (let n = 1; n <= 10; n += 1) {
        const steps = n % 2 === 0 ? 1 : 2;
        const target = { ...low, [resource]: low[resource] + steps * step[resource] };
        talk.say("ScaleRequest", { target });
        await talk.waits(100);
      }
      await backTo(talk, low);
      await talk.hearsType("SizeReport", mark, 3_000);
      const times = talk.reports(mark).map(({ atMs }) => atMs);
      for (const [index, from] of times.entries()) {
        for (const [more, until] of times.slice(index).entries()) {
          const seconds = (until - from) / agent.span(1_000);
          const most = BUNCHED + PER_SECOND * seconds;
          demand(more < most, `${more + 1} SizeReports came within ${seconds.toFixed(1)} s`);
        }
      }
    },
  },
];

/** Takes as long as the pause between two reports. */
export const reportPeriod: Check<AgentSubject> = {
  id: "v2/report-period",
  group: "version 2",
  rule: "A SizeReport comes every 30 s, even when nothing changes.",
  async run(agent) {
    const { talk } = await reporting(agent);
    await talk.hearsType("SizeReport", talk.mark(), 33_000);
  },
};

function demandCoherent(report: SizeReport): void {
  const { actual, permit, bounds, step, requested, text } = report;
  for (const name of RESOURCES) {
    const because = (what: string) => `${name}: ${what} in ${text.trimEnd()}`;
    demand(bounds.min[name] <= bounds.max[name], because("bounds.min is above bounds.max"));
    demand(step[name] > 0, because("the step is not positive"));
    demand(actual[name] > 0 && requested[name] > 0, because("there is nothing"));
    const most = Math.max(bounds.max[name], actual[name]);
    demand(permit[name] > 0 && permit[name] <= most, because("the permit is outside"));
  }
}
