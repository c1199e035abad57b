// A DownscaleRequest to the whole monitor, with a real PostgreSQL behind a wire that can be held: the answer comes in time,
// whatever PostgreSQL does.
import { FILE_CACHE_DEFAULTS } from "@selfscale/core";
import net from "node:net";
import path from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Config } from "../../config/load.ts";
import { Monitor } from "../../monitor.ts";
import { configFor } from "../../testing/config.ts";
import { FakeMachine } from "../../testing/machine.ts";
import { Peer } from "../../testing/peer.ts";
import { PostgresServer } from "../../testing/postgres-server.ts";
import { until } from "../../testing/until.ts";

const MIB = 1024 ** 2;
/** What the deployed formula leaves for the cache of 512 MiB, and of 384. MiB. */
const CACHE = { of512: 141, of384: 25 };
/** The agent gives up then. */
const AGENT_WAITS_MS = 5_000;

let server: PostgresServer;
let wire: Wire;
let machine: FakeMachine;
let monitor: Monitor;
let crashes = 0;

/** Between monitor and PostgreSQL: what is held is neither delivered nor lost. */
class Wire {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  isHeld = false;
  accepted = 0;

  private constructor(target: string) {
    this.#server = net.createServer((near) => {
      this.accepted += 1;
      const far = net.createConnection(target);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on("data", (data) => {
          if (!this.isHeld) to.write(data);
        });
        from.on("error", () => undefined);
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
  }

  static async open(target: string): Promise<Wire> {
    const wire = new Wire(target);
    await new Promise<void>((resolve) => wire.#server.listen(0, "127.0.0.1", resolve));
    return wire;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

beforeAll(async () => {
  server = await PostgresServer.start([
    `neon.file_cache_size_limit = '${CACHE.of512}MB'`,
    "neon.max_file_cache_size = '4096MB'",
  ]);
});
afterAll(() => server.remove());
beforeEach(async () => {
  wire = await Wire.open(path.join(server.dir, `.s.PGSQL.${server.port}`));
  machine = new FakeMachine();
  crashes = 0;
});
afterEach(async () => {
  await monitor.stop();
  await wire.close();
  machine.remove();
  await server.query("ALTER SYSTEM RESET neon.file_cache_size_limit");
  await server.query("SELECT pg_reload_conf()");
  expect(crashes).toBe(0);
});

async function start(change: Partial<Config> = {}): Promise<Peer> {
  const config = configFor(machine, {
    postgres: {
      ...{ host: "127.0.0.1", port: wire.port, user: "postgres", passwordFile: null },
      ...{ database: "postgres", queryTimeoutMs: 2_000, folder: path.join(machine.dir, "door") },
    },
    fileCache: { ...FILE_CACHE_DEFAULTS, deadlineMs: 400 },
    ...change,
  });
  const ground = { roots: machine.roots, log: pino({ level: "silent" }), onCrash: () => crashes++ };
  monitor = new Monitor(config, ground);
  const { port } = await monitor.start();
  const peer = await Peer.shake(port, '{"min":1,"max":2,"features":["size-report"]}');
  await peer.frame(0);
  const size = (cpu: number, mem: number) => ({ cpu, mem: mem * MIB });
  const now = size(1, 512);
  const bounds = { min: size(1, 256), max: size(4, 2560) };
  const content = { actual: now, requested: now, permit: now, bounds, step: size(1, 128) };
  peer.ws.send(JSON.stringify({ content, type: "SizeReport", id: 2 }));
  return peer;
}

const cacheSeen = () =>
  until("the monitor sees the cache", () => monitor.status().monitor.fileCache ?? null);

/** One that is judged by measurements: the first of them may not be in yet. */
async function ask(peer: Peer, firstId: number): Promise<Said> {
  for (let id = firstId; ; id += 4) {
    const said = await askOnce(peer, id);
    if (said.answer["reason"] !== "start") return said;
  }
}

type Said = Readonly<{ answer: Record<string, unknown>; before: string[] }>;

/** The answer to a DownscaleRequest to 384 MiB, and what else was said before it; within the agent's patience. */
async function askOnce(peer: Peer, id: number): Promise<Said> {
  const from = peer.frames.length;
  const target = { cpu: 1, mem: 384 * MIB };
  peer.ws.send(JSON.stringify({ content: { target }, type: "DownscaleRequest", id }));
  peer.ws.send(JSON.stringify({ content: {}, type: "HealthCheck", id: id + 2 }));
  const frames = () =>
    peer.frames.slice(from).map((text) => JSON.parse(text) as { type: string; id: number });
  const at = await until(
    "it is answered",
    () => {
      const index = frames().findIndex(
        (frame) => frame.type === "DownscaleResult" && frame.id === id,
      );
      return index < 0 ? null : { index };
    },
    AGENT_WAITS_MS,
  );
  const before = frames()
    .slice(0, at.index)
    .map(({ type }) => type);
  return { answer: { ...frames()[at.index] }, before };
}

const limit = async () =>
  (await server.query("SELECT current_setting('neon.file_cache_size_limit') AS size"))[0]?.["size"];

test("the cache gives way first, and PostgreSQL has done it when the agent hears yes", async () => {
  const peer = await start();
  await cacheSeen();
  const { answer, before } = await ask(peer, 10);
  expect(answer).toMatchObject({ Ok: true });
  expect(before).toContain("HealthCheck");
  expect(await limit()).toBe(`${CACHE.of384}MB`);
});

test("PostgreSQL hangs in the middle: no, in time, and the link goes on meanwhile", async () => {
  const peer = await start();
  await cacheSeen();
  wire.isHeld = true;
  const { answer, before } = await ask(peer, 10);
  expect(answer).toMatchObject({ Ok: false, reason: "cache" });
  expect(before).toContain("HealthCheck");
  // Its connection is given up in the end; then there is nobody to wait for, and memory alone decides.
  await until("it is gone", () => monitor.status().monitor.fileCache === undefined || null);
  expect((await ask(peer, 1_000)).answer).toMatchObject({ Ok: true });
  expect(await limit()).toBe(`${CACHE.of512}MB`);
});

test("PostgreSQL never says a word: the answer does not wait", async () => {
  wire.isHeld = true;
  const peer = await start();
  await until("the monitor knocks", () => wire.accepted > 0 || null);
  const { answer, before } = await ask(peer, 10);
  expect(answer).toMatchObject({ Ok: true });
  expect(before).not.toContain("HealthCheck");
});

test("PostgreSQL is not there: the answer does not wait", async () => {
  await server.stop();
  try {
    const peer = await start();
    const { answer } = await ask(peer, 10);
    expect(answer).toMatchObject({ Ok: true });
  } finally {
    await server.run();
  }
});

test("not to be managed: the cache is left alone", async () => {
  const peer = await start({ fileCache: { ...FILE_CACHE_DEFAULTS, isManaged: false } });
  await cacheSeen();
  expect((await ask(peer, 10)).answer).toMatchObject({ Ok: true });
  expect(await limit()).toBe(`${CACHE.of512}MB`);
});
