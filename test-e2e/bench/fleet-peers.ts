// The other end of the simulated fleet, in a process of its own: a QEMU and a monitor for each VM, on real sockets. Both
// are here, so that the time from a monitor's wish to QEMU's command is read off one clock. Orders come from fleet.ts.
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { until } from "../harness/until.ts";
import { BARE_UUID } from "./bare-qemu.ts";
import { SimulatedMonitor } from "./fleet-monitor.ts";
import { SimulatedQemu } from "./fleet-qemu.ts";
import { serveOrders } from "./helper-process.ts";

export type PeersOrder =
  /** QEMUs in `folder`, vm-0.qmp and so on, and monitors at /vm-0 of the answered port. */
  | Readonly<{ kind: "listen"; count: number; folder: string }>
  /** Answered when the agent has both connections of each VM. */
  | Readonly<{ kind: "connected" }>
  | Readonly<{ kind: "counts" }>
  /** Monitors in turn ask for more, so many a second. */
  | Readonly<{ kind: "grow"; perSecond: number; forMs: number }>;

export type ConnectedAnswer = Readonly<{
  /** On the clock of `Date.now()`. */
  atMs: number;
}>;
export type CountsAnswer = Readonly<{ commands: number; frames: number }>;
export type GrowAnswer = Readonly<{
  asked: number;
  /** Of those that QEMU was told in time. */
  latenciesMs: readonly number[];
}>;

const CONNECTED_WITHIN_MS = 120_000;
const GROWN_WITHIN_MS = 5_000;
const BEAT_MS = 5;

const monitors: SimulatedMonitor[] = [];
let readyCount = 0;
let lastReadyAtMs = 0;
let counts = { commands: 0, frames: 0 };
let latenciesMs: number[] = [];

// The agent reads the CPU time of nothing but a QEMU; its cost belongs to what is measured.
process.title = "qemu-simulated";

serveOrders(async (order: PeersOrder): Promise<object> => {
  switch (order.kind) {
    case "listen":
      return { port: await listen(order.count, order.folder) };
    case "connected":
      await until("all VMs are connected", () => readyCount >= monitors.length, {
        withinMs: CONNECTED_WITHIN_MS,
        everyMs: 10,
      });
      return { atMs: lastReadyAtMs } satisfies ConnectedAnswer;
    case "counts":
      return { ...counts } satisfies CountsAnswer;
    case "grow":
      return await grow(order.perSecond, order.forMs);
    default:
      return order satisfies never;
  }
});

async function listen(count: number, folder: string): Promise<number> {
  for (let index = 0; index < count; index += 1) {
    const monitor = newMonitor(uuidOf(index));
    monitors.push(monitor);
    await newQemu(join(folder, `vm-${index}.qmp`), uuidOf(index), monitor);
  }
  // One more, whose monitor lives elsewhere and is no friend.
  await newQemu(join(folder, "hostile.qmp"), BARE_UUID, null);
  const upgrades = new WebSocketServer({ noServer: true, clientTracking: false });
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    const monitor = monitors[Number(request.url?.slice("/vm-".length))];
    upgrades.handleUpgrade(request, socket, head, (peer) => monitor?.serve(peer));
  });
  server.listen({ port: 0, host: "127.0.0.1", backlog: count });
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function newMonitor(uuid: string): SimulatedMonitor {
  return new SimulatedMonitor({
    uuid,
    onReady: () => {
      readyCount += 1;
      lastReadyAtMs = Date.now();
    },
    onGrown: (latencyMs) => latenciesMs.push(latencyMs),
    onFrame: () => (counts = { ...counts, frames: counts.frames + 1 }),
  });
}

async function newQemu(
  socketPath: string,
  uuid: string,
  monitor: SimulatedMonitor | null,
): Promise<void> {
  await SimulatedQemu.start({
    socketPath,
    uuid,
    onRequested: (bytes) => monitor?.requested(bytes),
    onCommand: () => (counts = { ...counts, commands: counts.commands + 1 }),
  });
}

function uuidOf(index: number): string {
  return `5e1f5ca1-e000-4000-8000-${index.toString(16).padStart(12, "0")}`;
}

async function grow(perSecond: number, forMs: number): Promise<GrowAnswer> {
  latenciesMs = [];
  let asked = 0;
  let turn = 0;
  const beginAt = performance.now();
  for (let ms = 0; ms < forMs; ms = performance.now() - beginAt) {
    const due = Math.floor((ms * perSecond) / 1000) - asked;
    // Who may not ask yet is passed over; nobody is asked twice in one round.
    for (let tries = 0, begun = 0; begun < due && tries < monitors.length; tries += 1) {
      turn = (turn + 1) % monitors.length;
      if (monitors[turn]?.grow() !== true) continue;
      begun += 1;
      asked += 1;
    }
    await pause(BEAT_MS);
  }
  const isDone = () => !monitors.some(({ isWaiting }) => isWaiting);
  // What never came shows as fewer latencies than wishes.
  await until("QEMU is told", isDone, { withinMs: GROWN_WITHIN_MS, everyMs: 10 }).catch(() => null);
  return { asked, latenciesMs };
}
