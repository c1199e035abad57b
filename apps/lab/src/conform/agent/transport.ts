// How an agent dials, what frames it takes, and that it comes back.
import { MAX_CLOSE_REASON_BYTES, MAX_FRAME_BYTES } from "@selfscale/protocol";
import { type AgentSubject } from "../agent-subject.ts";
import { demand, type Check } from "../check.ts";

/** Nobody's message: an agent that has read it complains about it under the same id. */
function padded(bytes: number, id: number): string {
  const [head, tail] = ['{"type":"Padding","pad":"', `","id":${id}}`];
  return head + "x".repeat(bytes - head.length - tail.length) + tail;
}

/** Each ends a connection before the agent has proved itself. */
export const shortTransportChecks: readonly Check<AgentSubject>[] = [
  {
    id: "transport/upgrade",
    group: "transport",
    rule: "The agent dials, and does without a websocket extension or subprotocol.",
    async run(agent) {
      const { wire } = await agent.offered();
      demand(wire.socket.extensions === "", "an extension came about although none was offered");
      demand(wire.socket.protocol === "", "a subprotocol came about although none was offered");
    },
  },
  {
    id: "transport/close-reason",
    group: "transport",
    rule: "A close reason stays under 123 bytes.",
    async run(agent) {
      const { wire } = await agent.offered();
      wire.say(JSON.stringify({ error: "é".repeat(400) }));
      const { code, reason } = await wire.closing(agent.within(2_000));
      const bytes = Buffer.byteLength(reason);
      demand(code !== 1006, "it cut the connection instead of closing it");
      demand(bytes <= MAX_CLOSE_REASON_BYTES, `the close reason has ${bytes} bytes`);
    },
  },
];

export const transportChecks: readonly Check<AgentSubject>[] = [
  {
    id: "transport/newline",
    group: "transport",
    rule: "A frame that ends with a newline and one that does not are both taken.",
    async run(agent) {
      const talk = await agent.steady();
      const mark = talk.mark();
      talk.wire.say('{"type":"Padding","id":7001}\n');
      talk.wire.say('{"type":"Padding","id":7003}');
      await talk.complains(7001, mark);
      await talk.complains(7003, mark);
    },
  },
  {
    id: "transport/largest-frame",
    group: "transport",
    rule: "A frame of exactly 32 768 bytes is taken.",
    async run(agent) {
      const talk = await agent.steady();
      const mark = talk.mark();
      talk.wire.say(padded(MAX_FRAME_BYTES, 7005));
      await talk.complains(7005, mark);
    },
  },
  {
    id: "transport/too-large",
    group: "transport",
    rule: "A frame larger than 32 768 bytes is answered with close 1009.",
    async run(agent) {
      const talk = await agent.steady();
      talk.wire.say(padded(MAX_FRAME_BYTES + 1, 7007));
      const { code } = await talk.wire.closing(agent.within(2_000));
      demand(code === 1009, `it closed with ${code}`);
    },
  },
  {
    id: "transport/redial-after-close",
    group: "transport",
    rule: "After a normal close the agent dials again.",
    async run(agent) {
      const talk = await agent.steady();
      await talk.wire.hangUp(1001);
      await agent.dialled();
    },
  },
  {
    id: "transport/redial-after-cut",
    group: "transport",
    rule: "An abrupt end of the TCP connection is normal: the agent dials again.",
    async run(agent) {
      const talk = await agent.steady();
      talk.wire.cut();
      await agent.dialled();
    },
  },
  {
    id: "transport/redial-after-refusal",
    group: "transport",
    rule: "An agent whose upgrade was refused with 503 or 401 dials again.",
    async run(agent) {
      await agent.refuses("503 Service Unavailable");
      await agent.refuses("401 Unauthorized");
      await agent.dialled();
    },
  },
];

/** Takes as long as the longest pause between two dials. */
export const oneConnection: Check<AgentSubject> = {
  id: "transport/one-connection",
  group: "transport",
  rule: "An agent has one connection per monitor: it does not dial while one is open.",
  async run(agent) {
    const talk = await agent.steady();
    const before = agent.dials;
    await talk.hearsNo("a second dial", () => agent.dials > before, talk.mark(), 6_500);
    demand(agent.dials === before, "it dialled a second time while its connection was open");
  },
};
