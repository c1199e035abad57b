// Shrinking: asked first, one slice at a time, and only what was agreed on this connection, in time, and still wanted.
import { type AgentSubject } from "../agent-subject.ts";
import { asObject, type Heard } from "../agent-talk.ts";
import { demand, NotApplicable, type Check } from "../check.ts";
import { readAmount, type Amount } from "../size-report.ts";
import { asked, demandKept, lowered, question, reporting, risen } from "./mover.ts";

/** Long enough for a shrink to begin and to be reported. */
const SHOWS_WITHIN_MS = 1_500;

function targetOf({ content, text }: Heard): Amount {
  const target = readAmount(asObject(content).target);
  demand(target !== null, `it names no size: ${text.trimEnd()}`);
  return target;
}

const isQuestion = ({ type }: Heard) => type === "DownscaleRequest";
const otherThan =
  ({ id }: Heard) =>
  (heard: Heard) =>
    isQuestion(heard) && heard.id !== id;
const isReport = ({ type }: Heard) => type === "SizeReport";

export const shrinkChecks: readonly Check<AgentSubject>[] = [
  {
    id: "v2/shrink-asked",
    group: "version 2",
    rule: "Shrinking is asked first, by DownscaleRequest: without an answer nothing is taken, and nothing else is asked.",
    async run(agent) {
      const mover = await risen(agent);
      const { talk, resource, high, low } = mover;
      talk.manners.shrink = "silent";
      const mark = talk.mark();
      const first = await asked(mover);
      const target = targetOf(first)[resource];
      demand(target < high[resource] && target >= low[resource], `it asks for ${target}`);
      await talk.hearsNo("another question", otherThan(first), mark, SHOWS_WITHIN_MS);
      demandKept(talk, mark, high, "it was taken without a consent");
      talk.answer(first.id, "DownscaleResult", { Ok: true, Status: "agreed" });
      await lowered(mover);
    },
  },
  {
    id: "v2/shrink-slices",
    group: "version 2",
    rule: "Only what was agreed is taken: a consent is for one slice, and the next one is asked for.",
    async run(agent) {
      const mover = await risen(agent, "mem");
      const { talk, low } = mover;
      talk.manners.shrink = "silent";
      const first = await asked(mover);
      const agreed = targetOf(first);
      if (agreed.mem <= low.mem) throw new NotApplicable("one slice of this agent takes all of it");
      const mark = talk.mark();
      talk.answer(first.id, "DownscaleResult", { Ok: true, Status: "agreed" });
      const next = await question(talk, mark);
      demand(targetOf(next).mem < agreed.mem, `it asks for ${next.text.trimEnd()}`);
      await talk.hearsNo("another question", otherThan(next), mark, SHOWS_WITHIN_MS);
      demandKept(talk, mark, { ...low, mem: agreed.mem }, "more was taken than agreed");
      talk.answer(next.id, "DownscaleResult", { Ok: true, Status: "agreed" });
      await lowered(mover);
    },
  },
  {
    id: "v2/consent-after-raise",
    group: "version 2",
    rule: "A consent is void on a later raise of the level.",
    async run(agent) {
      const mover = await risen(agent);
      const { talk, high } = mover;
      talk.manners.shrink = "silent";
      const mark = talk.mark();
      const { id } = await asked(mover);
      await talk.scale(high);
      talk.answer(id, "DownscaleResult", { Ok: true, Status: "agreed, but too late" });
      await talk.waits(SHOWS_WITHIN_MS);
      demandKept(talk, mark, high, "it was taken although it is wanted again");
    },
  },
  {
    id: "v2/consent-old-connection",
    group: "version 2",
    rule: "A consent is void on reconnect: it must be asked for anew.",
    async run(agent) {
      const mover = await risen(agent);
      const { high, low } = mover;
      mover.talk.manners.shrink = "silent";
      const { id } = await asked(mover);
      mover.talk.wire.cut();
      const { talk } = await reporting(agent);
      talk.manners.shrink = "silent";
      const mark = talk.mark();
      talk.answer(id, "DownscaleResult", { Ok: true, Status: "agreed to another question" });
      await talk.complains(id, mark);
      const response = talk.scale(low);
      const anew = await question(talk, mark);
      await response;
      await talk.waits(SHOWS_WITHIN_MS);
      demandKept(talk, 0, high, "it was taken on a consent of another connection");
      talk.answer(anew.id, "DownscaleResult", { Ok: true, Status: "agreed" });
      await lowered({ ...mover, talk });
    },
  },
  {
    id: "v2/refusal-lowest",
    group: "version 2",
    rule: "After a refusal that names the lowest it would agree to, that is asked for next.",
    async run(agent) {
      const mover = await risen(agent);
      const { talk, resource, high, step } = mover;
      talk.manners.shrink = "silent";
      const before = talk.mark();
      const first = await asked(mover);
      const lowest = { ...high, [resource]: targetOf(first)[resource] + step[resource] };
      if (lowest[resource] >= high[resource]) {
        throw new NotApplicable("it asks for one step: there is nothing between");
      }
      const mark = talk.mark();
      const refusal = { Ok: false, Status: "not that much", reason: "hold", lowest };
      talk.answer(first.id, "DownscaleResult", refusal);
      const next = await question(talk, mark);
      const target = targetOf(next)[resource];
      demand(
        target >= lowest[resource],
        `it asks for ${target} after ${lowest[resource]} was offered`,
      );
      demandKept(talk, before, high, "it was taken in spite of a refusal");
      talk.answer(next.id, "DownscaleResult", { Ok: true, Status: "agreed" });
      await lowered(mover);
    },
  },
];

/** They wait for what an agent does after 5 s. */
export const slowShrinkChecks: readonly Check<AgentSubject>[] = [
  {
    id: "v2/consent-late",
    group: "version 2",
    rule: "A consent that comes later than 5 s gets InvalidMessage, and nothing is taken.",
    async run(agent) {
      const mover = await risen(agent);
      const { talk, high } = mover;
      talk.manners.shrink = "silent";
      const mark = talk.mark();
      const { id } = await asked(mover);
      await talk.hearsNo(
        "an early complaint",
        (heard) => heard.type === "InvalidMessage",
        mark,
        5_500,
      );
      talk.answer(id, "DownscaleResult", { Ok: true, Status: "agreed, but too late" });
      await talk.complains(id, mark);
      await talk.waits(SHOWS_WITHIN_MS);
      demandKept(talk, mark, high, "it was taken on a late consent");
    },
  },
  {
    id: "v2/refusal-pause",
    group: "version 2",
    rule: "After a refusal without an offer the agent backs off 5 s or more.",
    async run(agent) {
      const mover = await risen(agent);
      const { talk, high } = mover;
      talk.manners.shrink = "silent";
      const before = talk.mark();
      const { id } = await asked(mover);
      const mark = talk.mark();
      talk.answer(id, "DownscaleResult", { Ok: false, Status: "not now" });
      await talk.hearsNo("the next question", isQuestion, mark, 4_500);
      demandKept(talk, before, high, "it was taken in spite of a refusal");
      await lowered(mover);
    },
  },
];

/** Takes as long as a monitor may be silent. */
export const silentMonitor: Check<AgentSubject> = {
  id: "v2/silent-monitor",
  group: "version 2",
  rule: "A version-2 monitor that names no size within 10 s: the VM is held as it is.",
  async run(agent) {
    const { report } = await reporting(agent);
    const talk = await agent.fresh(2);
    const isMove = ({ type }: Heard) =>
      type === "DownscaleRequest" || type === "UpscaleNotification";
    await talk.hearsNo("a resize", isMove, 0, 12_000);
    demand(talk.heard.some(isReport), "it reports nothing");
    const floor = { cpu: 0, mem: Math.min(report.actual.mem, talk.report?.actual.mem ?? 0) };
    demandKept(talk, 0, floor, "a size was taken without a level");
  },
};
