// Whose monitor is it? An agent resizes nothing on the word of another VM's.
import { type AgentSubject } from "../agent-subject.ts";
import { type Heard } from "../agent-talk.ts";
import { demand, NotApplicable, type Check } from "../check.ts";
import { reporting } from "./mover.ts";

const STRANGER = "0badc0de-0000-4000-8000-0000deadbeef";

export const identityChecks: readonly Check<AgentSubject>[] = [
  {
    id: "v2/identity-mismatch",
    group: "version 2",
    rule: "A monitor that names another VM's UUID resizes nothing: not up, not down.",
    async run(agent) {
      if (agent.place.vm === null) {
        throw new NotApplicable("the VM's UUID is not known: --vm tells it");
      }
      const before = (await reporting(agent)).report;
      const { bounds, step } = before;
      const talk = await agent.greeted({ ...agent.reply(2), vm: STRANGER });
      await talk.reported("a SizeReport", () => true, 5_000);
      const mark = talk.mark();
      const more = {
        cpu: bounds.max.cpu,
        mem: Math.min(before.actual.mem + step.mem, bounds.max.mem),
      };
      const isMove = ({ type }: Heard) =>
        type === "DownscaleRequest" || type === "UpscaleNotification";
      for (const target of [more, bounds.min]) {
        await talk.scale(target);
        await talk.hearsNo("a resize", isMove, mark, 1_500);
      }
      const sizes = talk
        .reports()
        .map(({ actual, requested }) => JSON.stringify([actual, requested]));
      demand(new Set(sizes).size === 1, `its sizes moved: ${sizes.join(" ")}`);
    },
  },
];
