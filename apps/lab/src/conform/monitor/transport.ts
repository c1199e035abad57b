// The connection itself: the upgrade, frames and their size, closing, and which connection counts. Those rules that take
// their time are in transport-slow.ts.
import { Broken, clip, demand, type Check } from "../check.ts";
import { RANGE_V1, type MonitorSubject } from "../monitor-subject.ts";
import { GRANT, SHRINK } from "./sizes.ts";

const MAX_FRAME_BYTES = 32_768;
const NOT_FOUND = 404;
const PROTOCOL_ERROR = 1002;
const NOT_UTF_8 = 1007;
const POLICY_VIOLATION = 1008;
const TOO_LARGE = 1009;
const REPLACED = 4000;
/** Many more than the 200 at once and 50 per second that are allowed. */
const FLOOD_FRAMES = 1_000;
const MAX_CLOSE_REASON_BYTES = 122;
/** Everything that happens at once happens within this. */
const SOON_MS = 3_000;

export const transportChecks: readonly Check<MonitorSubject>[] = [
  {
    id: "transport/path",
    group: "transport",
    rule: "The monitor serves one path, with or without a query; an upgrade at any other gets 404.",
    async run(monitor) {
      const { pathname } = new URL(monitor.place.url);
      const { status } = await monitor.knock({});
      demand(status === 101, `the upgrade at ${pathname} is answered with ${status}`);
      const { status: asked } = await monitor.knock({}, `${pathname}?a=b`);
      demand(asked === 101, `the upgrade with a query is answered with ${asked}`);
      for (const path of ["/", `${pathname}-not`, `${pathname}/not`]) {
        const other = await monitor.knock({}, path);
        const isRefused = other.status === NOT_FOUND;
        demand(isRefused, `the upgrade at ${path} is answered with ${other.status}`);
      }
    },
  },
  {
    id: "transport/no-extension",
    group: "transport",
    rule: "The upgrade is never answered with an extension.",
    async run(monitor) {
      const offer = "permessage-deflate; client_max_window_bits";
      const { status, headers } = await monitor.knock({ "Sec-WebSocket-Extensions": offer });
      demand(status === 101, `an upgrade that offers an extension is answered with ${status}`);
      const answer = headers["sec-websocket-extensions"];
      demand(answer === undefined, `it took the extension ${answer ?? ""}`);
    },
  },
  {
    id: "transport/no-subprotocol",
    group: "transport",
    rule: "The upgrade is never answered with a subprotocol.",
    async run(monitor) {
      const { status, headers } = await monitor.knock({ "Sec-WebSocket-Protocol": "v1, v2" });
      demand(status === 101, `an upgrade that offers subprotocols is answered with ${status}`);
      const answer = headers["sec-websocket-protocol"];
      demand(answer === undefined, `it took the subprotocol ${answer ?? ""}`);
    },
  },
  {
    id: "transport/text-frames",
    group: "transport",
    rule: "What is sent is one JSON object per text frame.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      await agent.isHeard();
      await agent.ask("UpscaleNotification", { granted: GRANT }, "UpscaleConfirmation");
      await agent.askToShrink(SHRINK);
      const odd = agent.wire.frames.find(({ isBinary, json }) => isBinary || json === null);
      demand(odd === undefined, `not a text frame with a JSON object: ${clip(odd?.text ?? "")}`);
    },
  },
  {
    id: "transport/newline",
    group: "transport",
    rule: "A frame may end with a newline or without one.",
    async run(monitor) {
      for (const end of ["", "\n"]) {
        const { wire, reply } = await monitor.shake(RANGE_V1.trimEnd() + end);
        demand(reply.json?.version === 1, `the reply is ${clip(reply.text)}`);
        wire.say(`{"content":{},"type":"HealthCheck","id":2}${end}`);
        const what = `the reply to a health check that ends with ${JSON.stringify(end)}`;
        await wire.next(what, ({ json }) => json?.id === 2, monitor.within(SOON_MS));
      }
    },
  },
  {
    id: "transport/binary-frame",
    group: "transport",
    rule: "A binary frame is read as if it were text.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      agent.wire.say('{"content":{},"type":"HealthCheck","id":2}', true);
      await agent.reply(2, "HealthCheck");
    },
  },
  {
    id: "transport/not-utf-8",
    group: "transport",
    rule: "Text that is not UTF-8 closes the connection with 1007.",
    async run(monitor) {
      const { wire } = await monitor.agent(1);
      wire.note("a text frame with the bytes ff fe");
      wire.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
      const { code } = await wire.closing(monitor.within(SOON_MS));
      demand(code === NOT_UTF_8, `it closed with ${code}`);
    },
  },
  {
    id: "transport/ping",
    group: "transport",
    rule: "Websocket pings are answered by websocket pongs.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      let pongs = 0;
      agent.wire.socket.on("pong", (data) => (pongs += data.toString() === "there?" ? 1 : 0));
      agent.wire.note('a ping, "there?"');
      agent.wire.socket.ping("there?");
      await agent.isHeard();
      demand(pongs === 1, "the health check after it was answered, the ping was not");
    },
  },
  {
    id: "transport/flood",
    group: "transport",
    rule: "More than 200 frames at once and 50 per second close the connection with 1008; the next one is served.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      for (let i = 0; i < FLOOD_FRAMES; i++) agent.tell("HealthCheck");
      const { code } = await agent.wire.closing(monitor.within(SOON_MS));
      demand(code === POLICY_VIOLATION, `it closed with ${code}`);
      await (await monitor.agent(1)).isHeard();
    },
  },
  {
    id: "transport/frame-at-limit",
    group: "transport",
    rule: "A frame of 32 768 bytes is read.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      agent.wire.say(healthCheckOf(MAX_FRAME_BYTES));
      await agent.reply(2, "HealthCheck");
    },
  },
  {
    id: "transport/frame-above-limit",
    group: "transport",
    rule: "A frame of more than 32 768 bytes closes the connection with 1009.",
    async run(monitor) {
      const { wire } = await monitor.agent(1);
      wire.say(healthCheckOf(MAX_FRAME_BYTES + 1));
      const { code } = await wire.closing(monitor.within(SOON_MS));
      demand(code === TOO_LARGE, `it closed with ${code}`);
      await (await monitor.agent(1)).isHeard();
    },
  },
  {
    id: "transport/close-reason",
    group: "transport",
    rule: "Close reasons stay under 123 bytes, whatever they quote.",
    async run(monitor) {
      const word = "long-é-".repeat(200);
      const ranges = ['{"min":0,"max":0}', JSON.stringify({ min: word, max: word }), word];
      for (const range of ranges) {
        const wire = await monitor.connect();
        wire.say(range);
        const { reason } = await wire.closing(monitor.within(SOON_MS));
        const isShort = Buffer.byteLength(reason) <= MAX_CLOSE_REASON_BYTES;
        demand(isShort, `a reason of ${Buffer.byteLength(reason)} bytes: ${reason}`);
        const error = wire.lines.find(({ text }) => text.startsWith("error: "));
        demand(error === undefined, `it broke the websocket protocol, ${error?.text ?? ""}`);
      }
      await (await monitor.agent(1)).isHeard();
    },
  },
  {
    id: "transport/close-codes",
    group: "transport",
    rule: "A refused handshake is closed with 1002, a link that was replaced with 4000.",
    async run(monitor) {
      const { wire } = await monitor.shake('{"min":0,"max":0}');
      const refused = await wire.closing(monitor.within(SOON_MS));
      demand(refused.code === PROTOCOL_ERROR, `a refused handshake is closed with ${refused.code}`);
      const old = await monitor.agent(1);
      await monitor.agent(1);
      const replaced = await old.wire.closing(monitor.within(SOON_MS));
      demand(replaced.code === REPLACED, `a replaced link is closed with ${replaced.code}`);
    },
  },
  {
    id: "transport/abrupt-end",
    group: "transport",
    rule: "An abrupt end of the TCP connection is normal: the next one is served.",
    async run(monitor) {
      const unfinished = await monitor.connect();
      unfinished.cut();
      const agent = await monitor.agent(1);
      agent.tell("HealthCheck");
      agent.wire.cut();
      await (await monitor.agent(1)).isHeard();
    },
  },
  {
    id: "transport/takeover",
    group: "transport",
    rule: "A new connection replaces the old one, once it has sent a valid range; the old one is closed.",
    async run(monitor) {
      const old = await monitor.agent(1);
      await old.isHeard();
      const fresh = await monitor.agent(1);
      await old.wire.closing(monitor.within(SOON_MS));
      await fresh.isHeard();
    },
  },
  {
    id: "transport/takeover-needs-range",
    group: "transport",
    rule: "A new connection that has sent no valid range displaces nobody.",
    async run(monitor) {
      const agent = await monitor.agent(1);
      const silent = await monitor.connect();
      await stillServed(agent, "a connection that said nothing");
      silent.say("nonsense");
      // It is over once the monitor has read it: refused, and no link.
      await silent.closing(monitor.within(SOON_MS));
      await stillServed(agent, "a connection whose range is nonsense");
    },
  },
];

async function stillServed(
  agent: Readonly<{ isHeard: () => Promise<void> }>,
  who: string,
): Promise<void> {
  try {
    await agent.isHeard();
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    throw new Broken(`${who} displaced the agent: ${error.message}`);
  }
}

/** A health check, id 2, of exactly so many bytes. */
function healthCheckOf(bytes: number): string {
  const frame = (padding: string) =>
    `{"content":{},"padding":"${padding}","type":"HealthCheck","id":2}`;
  return frame("x".repeat(bytes - frame("").length));
}
