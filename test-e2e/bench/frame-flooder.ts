// A monitor that talks too much, in a process of its own. It speaks the handshake, answers what it is asked while it
// floods with levels, and otherwise writes to the socket as fast as that takes it. Orders come from frames.ts.
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { encodeFromMonitor, encodeHandshakeReply, type FromMonitor } from "@selfscale/protocol";
import { WebSocketServer, type WebSocket } from "ws";
import { MIB } from "../harness/truth.ts";
import { BARE_UUID } from "./bare-qemu.ts";
import { serveOrders } from "./helper-process.ts";
import { cpuMsOf } from "./process-cost.ts";

export type FlooderOrder =
  | Readonly<{ kind: "listen" }>
  /** Levels for a while, then one more: `LAST_LEVEL`. null: as fast as the agent reads. */
  | Readonly<{ kind: "levels"; perSecond: number | null; forMs: number }>
  /** On each of the next connections this, until the agent has hung up. */
  | Readonly<{ kind: "cycles"; what: Nonsense; count: number; agentPid: number }>;
export type Nonsense = "garbage" | "replies" | "junk";

export type LevelsAnswer = Readonly<{
  sent: number;
  overMs: number;
  /** From sending a level to the agent's answer to it. */
  agesMs: readonly number[];
  /** On the clock of `Date.now()`. */
  lastAtMs: number;
}>;
export type Cycle = Readonly<{
  /** The agent's CPU and the time from the first byte until it hung up. */
  cpuMs: number;
  overMs: number;
  offeredFrames: number;
}>;

export const LAST_LEVEL = { cpu: 2, mem: 640 * MIB };
const CELL_MIB = 128;
/** Each second another size, mostly upwards; within it no two frames are equal. */
const CELLS = 8;
const BLOCK_FRAMES = 1_000;
const BEAT_MS = 10;

type Connection = Readonly<{ peer: WebSocket; socket: Socket }>;

let agesMs: number[] = [];
/** When the levels were sent, by their first id, oldest first. */
let sentAt: { firstId: number; at: number }[] = [];
let nextId = 3;
let onReady: (connection: Connection) => void = () => undefined;
let current: Connection | null = null;

serveOrders(async (order: FlooderOrder): Promise<object> => {
  if (order.kind === "listen") return { port: await listen() };
  if (order.kind === "levels") return await floodWithLevels(order);
  const cycles: Cycle[] = [];
  while (cycles.length < order.count) cycles.push(await floodWithNonsense(order));
  await ready();
  return { cycles };
});

async function listen(): Promise<number> {
  const upgrades = new WebSocketServer({ noServer: true, clientTracking: false });
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    upgrades.handleUpgrade(request, socket, head, (peer) => {
      const connection = { peer, socket: request.socket };
      peer.on("message", (data) => hear(connection, (data as Buffer).toString()));
      peer.on("error", () => undefined);
      request.socket.on("close", () => {
        if (current === connection) current = null;
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function hear(connection: Connection, text: string): void {
  const frame = JSON.parse(text) as { type?: string; id: number };
  const say = (message: FromMonitor) => connection.peer.send(encodeFromMonitor(message));
  switch (frame.type) {
    case undefined: // the range: it has no type
      connection.peer.send(
        encodeHandshakeReply({ version: 2, vm: BARE_UUID, features: ["size-report"] }),
      );
      break;
    case "HealthCheck":
      say({ type: "HealthCheck", id: frame.id });
      break;
    case "UpscaleNotification":
      say({ type: "UpscaleConfirmation", id: frame.id });
      break;
    case "DownscaleRequest":
      say({ type: "DownscaleResult", Ok: true, Status: "yes", id: frame.id });
      break;
    case "ScaleResponse": {
      const block = sentAt.findLast(({ firstId }) => firstId <= frame.id);
      if (block !== undefined) agesMs.push(performance.now() - block.at);
      break;
    }
    default:
  }
  if (frame.type === "SizeReport" && current !== connection) {
    current = connection;
    onReady(connection);
  }
}

/** The agent's connection, once it has shown the VM's size: its machine then runs. */
async function ready(): Promise<Connection> {
  return current ?? (await new Promise((resolve) => (onReady = resolve)));
}

async function floodWithLevels(order: FlooderOrder & { kind: "levels" }): Promise<LevelsAnswer> {
  const { socket } = await ready();
  const { perSecond, forMs } = order;
  [agesMs, sentAt, nextId] = [[], [], 3];
  const beginAt = performance.now();
  let sent = 0;
  for (let ms = 0; ms < forMs; ms = performance.now() - beginAt) {
    const due = perSecond === null ? BLOCK_FRAMES : Math.floor((ms * perSecond) / 1000) - sent;
    const count = Math.min(due, BLOCK_FRAMES);
    if (!(await written(socket, levels(count, cellAt(ms))))) {
      throw new Error(`the agent hung up after ${sent} levels`);
    }
    sent += count;
    if (perSecond !== null) await pause(BEAT_MS);
  }
  const overMs = performance.now() - beginAt;
  const ages = agesMs;
  agesMs = [];
  const last: FromMonitor = { type: "ScaleRequest", target: LAST_LEVEL, id: (nextId += 2) };
  await written(socket, frameOf(encodeFromMonitor(last)));
  return { sent, overMs, agesMs: ages, lastAtMs: Date.now() };
}

function cellAt(ms: number): number {
  return 2 + (Math.floor(ms / 1000) % CELLS);
}

function levels(count: number, cell: number): Buffer {
  sentAt.push({ firstId: nextId, at: performance.now() });
  const frames = Array.from({ length: count }, (_, index) => {
    const target = { cpu: 1 + (cell % 4), mem: cell * CELL_MIB * MIB - 4096 * index };
    const id = (nextId += 2);
    return frameOf(
      encodeFromMonitor({ type: "ScaleRequest", target, reason: "memory", ageMs: index, id }),
    );
  });
  return Buffer.concat(frames);
}

async function floodWithNonsense(order: FlooderOrder & { kind: "cycles" }): Promise<Cycle> {
  const { peer, socket } = await ready();
  current = null; // this one will not be it again
  peer.pause(); // it does not even listen to our close
  const block = nonsense(order.what);
  const [begin, beginAt] = [cpuMsOf(order.agentPid), performance.now()];
  let offeredFrames = 0;
  while (await written(socket, block)) offeredFrames += BLOCK_FRAMES;
  const cycle = {
    cpuMs: cpuMsOf(order.agentPid) - begin,
    overMs: performance.now() - beginAt,
    offeredFrames,
  };
  peer.terminate();
  return cycle;
}

function nonsense(what: Nonsense): Buffer {
  if (what === "junk") return Buffer.alloc(BLOCK_FRAMES * 40, 0xff);
  const frames = Array.from({ length: BLOCK_FRAMES }, (_, index) => {
    if (what === "garbage") return frameOf(`{"type":"ScaleRequest" garbage ${index}`);
    return frameOf(encodeFromMonitor({ type: "HealthCheck", id: 1_000_000 + 2 * index }));
  });
  return Buffer.concat(frames);
}

/** A text frame of RFC 6455, unmasked as servers send them. */
function frameOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head =
    bytes.length < 126 ? [0x81, bytes.length] : [0x81, 126, bytes.length >> 8, bytes.length & 0xff];
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** Resolves once the kernel has it; false: the connection is gone. */
async function written(socket: Socket, bytes: Buffer): Promise<boolean> {
  if (socket.destroyed) return false;
  return await new Promise((resolve) => {
    const onClose = () => resolve(false);
    socket.once("close", onClose);
    socket.write(bytes, (error) => {
      socket.off("close", onClose);
      resolve(!error);
    });
  });
}
