// ScaleRequest: a level, answered per resource.
import { AGENT_REASONS, OUTCOMES, worstOutcome, type Outcome } from "@selfscale/protocol";
import { type AgentSubject } from "../agent-subject.ts";
import { asObject, type AgentTalk, type Heard } from "../agent-talk.ts";
import { demand, NotApplicable, type Check } from "../check.ts";
import { readAmount, type Amount, type SizeReport } from "../size-report.ts";
import { backTo, demandKept, reporting } from "./mover.ts";

type Fate = Readonly<{ outcome: unknown; reason: unknown }>;
type Answer = Readonly<{ outcome: unknown; cpu: Fate; mem: Fate; permit: Amount | null }>;

function readAnswer({ content }: Heard): Answer {
  const { cpu, mem } = asObject(content.resources);
  const fate = (value: unknown): Fate => {
    const { outcome, reason } = asObject(value);
    return { outcome, reason };
  };
  const { outcome, permit } = content;
  return { outcome, cpu: fate(cpu), mem: fate(mem), permit: readAmount(permit) };
}

function isOutcome(word: unknown): word is Outcome {
  return OUTCOMES.some((one) => one === word);
}

/** A whole answer: it has all its parts, in words that writers use, and the worst of both on top. */
function demandWhole(heard: Heard): void {
  const { outcome, cpu, mem, permit } = readAnswer(heard);
  const because = (what: string) => `${what} in ${heard.text.trimEnd()}`;
  demand(permit !== null, because("no permit"));
  const { etaMs } = heard.content;
  demand(etaMs === undefined || Number(etaMs) >= 0, because("etaMs is no time"));
  for (const fate of [cpu, mem]) {
    demand(isOutcome(fate.outcome), because(`an outcome ${String(fate.outcome)}`));
    const { reason } = fate;
    const isKnown = reason === undefined || AGENT_REASONS.some((word) => word === reason);
    demand(isKnown, because(`a reason ${String(reason)}`));
  }
  demand(isOutcome(cpu.outcome) && isOutcome(mem.outcome), because("no outcomes"));
  const worst = worstOutcome(cpu.outcome, mem.outcome);
  demand(
    outcome === worst,
    because(`outcome is ${String(outcome)}, the worst of both is ${worst}`),
  );
}

/** Where nothing has to move: the size that the VM has, within its bounds. */
function atRest({ actual, bounds }: SizeReport): Amount {
  const fit = (name: "cpu" | "mem") =>
    Math.min(Math.max(actual[name], bounds.min[name]), bounds.max[name]);
  return { cpu: fit("cpu"), mem: fit("mem") };
}

/** `{"cpu":…,"mem":…}` with the numbers as they are written here. */
async function scaleLiterally(talk: AgentTalk, cpu: string, mem: string, id: number) {
  const mark = talk.mark();
  talk.wire.say(`{"type":"ScaleRequest","target":{"cpu":${cpu},"mem":${mem}},"id":${id}}`);
  const matches = ({ type, id: theirs }: Heard) => type === "ScaleResponse" && theirs === id;
  return await talk.hears("a ScaleResponse", matches, mark, 4_000);
}

export const scaleChecks: readonly Check<AgentSubject>[] = [
  {
    id: "v2/scale-response",
    group: "version 2",
    rule: "A ScaleRequest is answered with a ScaleResponse of the same id, with an outcome per resource and a permit.",
    async run(agent) {
      agent.mustOffer(2);
      const talk = await agent.steady(2);
      const target = talk.report === null ? { cpu: 1, mem: 1024 ** 3 } : atRest(talk.report);
      demandWhole(await talk.scale(target));
    },
  },
  {
    id: "v2/accepted",
    group: "version 2",
    rule: "A size within the bounds that the node has room for is accepted.",
    async run(agent) {
      const { talk, report } = await reporting(agent);
      const { cpu, mem, outcome } = readAnswer(await talk.scale(atRest(report)));
      if (outcome === "deferred" && cpu.reason === "node-full") {
        throw new NotApplicable("the node is full");
      }
      const isAccepted = cpu.outcome === "accepted" && mem.outcome === "accepted";
      demand(isAccepted, `what the VM has is ${String(outcome)}`);
    },
  },
  {
    id: "v2/clamped",
    group: "version 2",
    rule: "What lies above bounds.max is clamped, with the reason bounds; outcome is the worst of both resources.",
    async run(agent) {
      const { talk, report } = await reporting(agent);
      const rest = atRest(report);
      const mem = report.bounds.max.mem + 64 * Math.max(report.step.mem, 1024 ** 2);
      const heard = await talk.scale({ ...rest, mem });
      const answer = readAnswer(heard);
      await backTo(talk, rest); // at once, before much of it has happened
      const { outcome, reason } = answer.mem;
      if (outcome === "deferred") throw new NotApplicable("the node has no room for bounds.max");
      // Fixed memory has a reason of its own.
      const why = report.step.mem === 1 ? "no-memory-device" : "bounds";
      demand(
        outcome === "clamped" && reason === why,
        `mem is ${String(outcome)} (${String(reason)})`,
      );
      demandWhole(heard);
    },
  },
  {
    id: "v2/refused",
    group: "version 2",
    rule: "What is not positive, above 2^53 bytes or above 1024 vCPUs is refused, and the level stays unchanged.",
    async run(agent) {
      const { talk, report } = await reporting(agent);
      const rest = atRest(report);
      await talk.scale(rest);
      // Growth that never came may still be requested.
      const most = talk.report?.requested ?? rest;
      const mark = talk.mark();
      let id = 7400;
      const refused = async (cpu: string, mem: string, name: "cpu" | "mem") => {
        const heard = await scaleLiterally(talk, cpu, mem, (id += 2) + 1);
        const { outcome } = readAnswer(heard)[name];
        demand(outcome === "refused", `${name} of ${cpu}, ${mem} is ${String(outcome)}`);
        demandWhole(heard);
      };
      for (const cpu of ["0", "-1", "2000"]) await refused(cpu, String(rest.mem), "cpu");
      for (const mem of ["0", "-4096", "1152921504606846976"]) {
        await refused(String(rest.cpu), mem, "mem");
      }
      demandKept(talk, mark, rest, "a refused level was followed");
      const isMore = talk
        .reports(mark)
        .find(({ requested }) => requested.cpu > most.cpu || requested.mem > most.mem);
      demand(isMore === undefined, `a refused level was followed: ${isMore?.text ?? ""}`);
    },
  },
  {
    id: "v2/number-forms",
    group: "version 2",
    rule: "A reader takes every form of a number: cpu 15e-1, mem 1073741824.0 and 1073741824e0.",
    async run(agent) {
      const { talk, report } = await reporting(agent);
      const { cpu, mem } = atRest(report);
      const before = await talk.scale({ cpu, mem });
      const first = await scaleLiterally(talk, `${cpu * 10}e-1`, `${mem}.0`, 7501);
      const second = await scaleLiterally(talk, `${cpu * 1000}e-3`, `${mem}e0`, 7503);
      const outcomes = new Set([before, first, second].map(({ content }) => content.outcome));
      demand(outcomes.size === 1, `one size in three forms is ${[...outcomes].join(", ")}`);
    },
  },
  {
    id: "v2/unknown-words",
    group: "version 2",
    rule: "Unknown reasons and fields of a ScaleRequest harm nothing; floor and ageMs are taken.",
    async run(agent) {
      const { talk, report } = await reporting(agent);
      const target = atRest(report);
      const mark = talk.mark();
      const floor = { cpu: 0, mem: 0 };
      const news = { reason: "next-years-word", floor, ageMs: 12.5, next: { year: [1] } };
      demandWhole(await talk.scale(target, news));
      await talk.hearsNo("a complaint", ({ type }) => type === "InvalidMessage", mark, 300);
    },
  },
  {
    id: "v2/idempotent",
    group: "version 2",
    rule: "A ScaleRequest is a level, not an edge: the same one again changes nothing.",
    async run(agent) {
      const { talk, report } = await reporting(agent);
      const target = atRest(report);
      const first = await talk.scale(target, { reason: "hold" });
      const mark = talk.mark();
      const again = await talk.scale(target, { reason: "hold" });
      demand(again.content.outcome === first.content.outcome, "it is answered otherwise");
      const isMove = ({ type }: Heard) =>
        type === "DownscaleRequest" || type === "UpscaleNotification";
      await talk.hearsNo("a resize", isMove, mark, 2_000);
    },
  },
  {
    id: "v2/burst",
    group: "version 2",
    rule: "ScaleRequests faster than the legal rate are coalesced, not punished: the last one counts.",
    async run(agent) {
      const { talk, report } = await reporting(agent);
      const target = atRest(report);
      const mark = talk.mark();
      const others = { cpu: target.cpu, mem: report.bounds.min.mem };
      for (let n = 0; n < 20; n += 1) talk.say("ScaleRequest", { target: n % 2 ? others : target });
      demandWhole(await talk.scale(target));
      await talk.hearsNo("a complaint", ({ type }) => type === "InvalidMessage", mark, 300);
      await talk.isKept();
    },
  },
];
