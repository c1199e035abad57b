// Peers that do not know the protocol, and what ours say to them.
import { once } from "node:events";
import { type AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { until } from "../../harness/until.ts";
import { type Story, type Studio } from "./studio.ts";

const MIB = 1024 ** 2;
/** One more than a link survives in a minute. */
const TOO_MANY = 21;

/** Frames of a monitor, each wrong in its own way, except for the last. */
const FROM_A_MONITOR = [
  "this is no JSON",
  "[]",
  '{"type":"ScaleRequest","target":{"cpu":1}}',
  '{"type":"Telepathy","id":3}',
  '{"type":"ScaleRequest","target":{"cpu":"one","mem":1},"id":5}',
  '{"type":"HealthCheck","id":999}',
  '{"type":"DownscaleResult","Ok":true,"Status":"to nothing","id":2}',
  `{"type":"ScaleRequest","target":{"cpu":-1,"mem":${512 * MIB}},"id":7}`,
  '{"type":"InvalidMessage","error":"I do not understand you either","id":0}',
  '{"type":"InternalError","error":"something broke here","id":0}',
  `{"type":"ScaleRequest","target":{"cpu":1,"mem":${512 * MIB}},"reason":"next-year","novelty":1,"id":9}`,
];

/** Frames of an agent, each wrong in its own way, except for the last. */
const FROM_AN_AGENT = [
  "this is no JSON",
  '{"type":"HealthCheck","id":2}',
  '{"content":{},"type":"HealthCheck"}',
  '{"content":{},"type":"Telepathy","id":4}',
  '{"content":{"target":{"cpu":1,"mem":"much"}},"type":"DownscaleRequest","id":6}',
  '{"content":{"error":"I do not understand you either"},"type":"InvalidMessage","id":0}',
  '{"content":{"error":"something broke here"},"type":"InternalError","id":0}',
  '{"content":{"novelty":1},"type":"HealthCheck","id":8}',
];

const garbage = Array.from({ length: TOO_MANY }, (_, n) => `garbage ${n}`);

export const NONSENSE: readonly Story[] = [
  {
    name: "nonsense",
    about: "a monitor that talks nonsense, and an agent that does",
    play: async (studio) => {
      await studio.monitor([]);
      await foolAnAgent(studio);
      await foolAMonitor(studio);
    },
  },
];

/** What the false monitor does with each connection of the agent, in their order. */
async function foolAnAgent(studio: Studio): Promise<void> {
  const hello = JSON.stringify({ version: 2, vm: studio.guest.uuid, features: ["size-report"] });
  const scripts = [
    ['{"error":"we have nothing in common"}'],
    ["{}"],
    ["hello"],
    [hello, ...FROM_A_MONITOR],
    [hello, ...garbage],
  ];
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/monitor" });
  await once(server, "listening");
  let [dials, ends] = [0, 0];
  server.on("connection", (socket) => {
    const [reply = hello, ...frames] = scripts[dials] ?? [];
    const isLongLived = dials === 3;
    dials += 1;
    socket.on("close", () => (ends += 1));
    socket.once("message", () => {
      socket.send(reply);
      // After the agent's first own frame, so that there is something to answer wrongly.
      socket.once("message", () => {
        for (const frame of frames) socket.send(frame);
        if (isLongLived) setTimeout(() => socket.close(4001, "enough"), 1_500);
      });
    });
  });
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/monitor`;
  await studio.withAgent("nonsense", { vm: { monitor: url } }, async () => {
    await until("all of it was said", () => ends >= scripts.length);
  });
  for (const socket of server.clients) socket.terminate();
  server.close();
}

/** Connections of a false agent, one after another. */
async function foolAMonitor(studio: Studio): Promise<void> {
  const range = '{"min":1,"max":2,"features":["size-report"]}';
  const scripts = [
    ['{"min":3,"max":4}'],
    ["hello"],
    [range, ...FROM_AN_AGENT],
    [range, ...garbage],
    ['{"min":1,"max":1}', '{"content":{},"type":"SizeReport","id":2}'],
  ];
  for (const [first = "", ...frames] of scripts) {
    const socket = new WebSocket(studio.guest.monitorUrl);
    await once(socket, "open");
    let [heard, isOver] = [0, false];
    socket.on("message", () => (heard += 1));
    socket.on("close", () => (isOver = true));
    socket.send(first);
    await until("the monitor answers", () => heard > 0);
    for (const frame of frames) socket.send(frame);
    await until("it said what it had to say", () => isOver || heard >= frames.length - 1, {
      withinMs: 5_000,
    });
    if (!isOver) socket.close(1001, "a false agent leaves");
    await until("the end", () => isOver);
  }
  await studio.keepMonitors("nonsense");
}
