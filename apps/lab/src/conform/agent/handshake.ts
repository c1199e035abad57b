// The first two frames, as an agent must speak them.
import { type AgentSubject } from "../agent-subject.ts";
import { demand, type Check } from "../check.ts";

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
];
