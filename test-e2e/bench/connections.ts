// Whether a monitor goes on answering its agent while somebody opens connections as fast as they can: the real monitor on
// this machine, an agent's connection from here, and the visitors from another process.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { encodeFromAgent, encodeRange } from "@selfscale/protocol";
import { WebSocket } from "ws";
import { until } from "../harness/until.ts";
import {
  type ConnectionsAnswer,
  type ConnectionsOrder,
  type Visitor,
} from "./connection-flooder.ts";
import { HelperProcess } from "./helper-process.ts";
import { withNativeMonitor, type NativeMonitor } from "./native-monitor.ts";
import { cpuMsOf, waitMsOf } from "./process-cost.ts";
import { percentile, round, type Figure, type Section } from "./table.ts";

const GOAL_MS = 100;
const ASK_EVERY_MS = 50;
const REDIAL_MS = 250;
const TOKEN = "bench-token";

export type ConnectionsSize = Readonly<{ visitMs: number }>;

export async function measureConnections({ visitMs }: ConnectionsSize): Promise<Section> {
  const dir = await mkdtemp(join(tmpdir(), "selfscale-bench-"));
  const flooder = HelperProcess.start("connection-flooder.ts");
  const visit = (monitor: NativeMonitor, visitor: Visitor) =>
    flooder.ask<ConnectionsAnswer>({
      visitor,
      port: monitor.port,
      forMs: visitMs,
    } satisfies ConnectionsOrder);
  try {
    const tokenFile = join(dir, "token");
    await writeFile(tokenFile, TOKEN);
    const open = await withNativeMonitor([], async (monitor) => [
      ...(await answered("no visitors", monitor, () => pause(visitMs))),
      ...(await answered("connections that say nothing", monitor, () => visit(monitor, "silent"))),
      ...(await answered("upgrades, then nothing", monitor, () => visit(monitor, "upgrade"))),
      ...(await answered("upgrades, then garbage", monitor, () => visit(monitor, "garbage"))),
      ...(await answered("upgrades, then garbage for ever", monitor, () =>
        visit(monitor, "torrent"),
      )),
      ...(await answered("whole handshakes", monitor, () => visit(monitor, "handshake"), false)),
    ]);
    const closed = await withNativeMonitor(["--token", tokenFile], async (monitor) =>
      answered("whole handshakes, a token is asked", monitor, () => visit(monitor, "handshake")),
    );
    return {
      title: `A monitor under a flood of connections, ${visitMs / 1000} s each`,
      figures: [...open, ...closed],
      notes: [
        `HealthCheck to its answer on one link, asked every ${ASK_EVERY_MS} ms; monitor, visitors and agent share this machine; waiting for a core is what others on it cost`,
        "whole handshakes: each is a takeover, so without a token the agent is displaced by design, ten times at once and then once in 2 s",
      ],
    };
  } finally {
    flooder.end();
    await rm(dir, { recursive: true, force: true });
  }
}

async function answered(
  what: string,
  { pid, port }: NativeMonitor,
  flood: () => Promise<ConnectionsAnswer | void>,
  hasGoal = true,
): Promise<Figure[]> {
  const agent = new Asker(port);
  await until("an answer", () => agent.tripsMs.length > 0);
  agent.forget();
  const [cpuMs, waitMs, beginAt] = [cpuMsOf(pid), waitMsOf(pid), performance.now()];
  const visits = await flood();
  const shareOf = (ms: number) => `${round((ms / (performance.now() - beginAt)) * 100)} %`;
  const [ran, waited] = [shareOf(cpuMsOf(pid) - cpuMs), shareOf(waitMsOf(pid) - waitMs)];
  agent.askNoMore();
  await pause(GOAL_MS); // for those on their way
  agent.end();
  const { tripsMs: trips, asked } = agent;
  const p99 = percentile(trips, 0.99);
  const spread = `p50 ${round(percentile(trips, 0.5))}, p99 ${round(p99)}, max ${round(Math.max(...trips))} ms`;
  const losses = agent.losses === 0 ? "" : `, ${agent.losses} links lost`;
  return [
    {
      what,
      value: trips.length === 0 ? "no answer" : spread,
      ...(hasGoal
        ? { goal: `≤ ${GOAL_MS} ms`, isMet: p99 <= GOAL_MS && trips.length >= asked * 0.99 }
        : {}),
    },
    {
      what: "  connections; monitor ran, waited for a core",
      value: `${visits === undefined ? "none" : perSecond(visits)}; ${ran}, ${waited}`,
    },
    { what: "  answers", value: `${trips.length} of ${asked}${losses}` },
  ];
}

function perSecond({ opened, overMs }: ConnectionsAnswer): string {
  return `${Math.round(opened / (overMs / 1000))} per second`;
}

/** An agent that only asks whether the monitor is well. It comes back when its link is lost. */
class Asker {
  tripsMs: number[] = [];
  asked = 0;
  losses = 0;
  readonly #port: number;
  readonly #timer: NodeJS.Timeout;
  #socket: WebSocket;
  /** When what is not answered yet was asked, by id. */
  #askedAt = new Map<number, number>();
  #nextId = 2;
  #isOver = false;

  constructor(port: number) {
    this.#port = port;
    this.#socket = this.#dial();
    this.#timer = setInterval(() => this.#ask(), ASK_EVERY_MS);
  }

  /** Counts anew. What is on its way belongs to before. */
  forget(): void {
    [this.tripsMs, this.asked, this.losses] = [[], 0, 0];
    this.#askedAt = new Map();
  }

  askNoMore(): void {
    clearInterval(this.#timer);
  }

  end(): void {
    this.#isOver = true;
    this.askNoMore();
    this.#socket.terminate();
  }

  #dial(): WebSocket {
    const headers = { Authorization: `Bearer ${TOKEN}` };
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}/monitor`, { headers });
    socket.on("open", () => socket.send(encodeRange({ min: 1, max: 2 })));
    socket.on("message", (data) => {
      const at = performance.now();
      const { type, id } = JSON.parse((data as Buffer).toString()) as { type?: string; id: number };
      const askedAt = this.#askedAt.get(id);
      if (type !== "HealthCheck" || askedAt === undefined) return;
      this.tripsMs.push(at - askedAt);
      this.#askedAt.delete(id);
    });
    socket.on("error", () => undefined); // its close tells
    socket.on("close", () => {
      if (this.#isOver) return;
      this.losses += 1;
      this.#askedAt = new Map();
      setTimeout(() => {
        if (!this.#isOver) this.#socket = this.#dial();
      }, REDIAL_MS);
    });
    return socket;
  }

  #ask(): void {
    this.asked += 1;
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const id = (this.#nextId += 2);
    this.#askedAt.set(id, performance.now());
    this.#socket.send(encodeFromAgent({ type: "HealthCheck", content: {}, id }));
  }
}
