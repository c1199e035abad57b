// From a session in PostgreSQL through the whole monitor to an agent and back: what reserve() waits for is really there then.
import fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Client } from "pg";
import { encodeFromAgent } from "@selfscale/protocol";
import { pino } from "pino";
import { loadConfig } from "../config/load.ts";
import { fetchText, open, textOf } from "../local-api/client.ts";
import { Monitor } from "../monitor.ts";
import { makeDoorRoot } from "../testing/door-rig.ts";
import { GrowingAgent } from "../testing/growing-agent.ts";
import { FakeMachine } from "../testing/machine.ts";
import { PostgresServer } from "../testing/postgres-server.ts";
import { until } from "../testing/until.ts";
import { installScript } from "./sql/script.ts";

const MIB = 1024 ** 2;

let server: PostgresServer;
let root: string;
let machine: FakeMachine;
let monitor: Monitor;
let agent: GrowingAgent;
let app: Client;
let crashes = 0;

beforeAll(async () => {
  server = await PostgresServer.start();
  root = makeDoorRoot();
  await server.query(installScript(root));
  await server.query("CREATE ROLE app LOGIN IN ROLE selfscale_user");
});
afterAll(async () => {
  await server.remove();
  fs.rmSync(root, { recursive: true });
});

beforeEach(async () => {
  machine = new FakeMachine();
  crashes = 0;
  const port = await startMonitor();
  agent = await GrowingAgent.connect(port, machine);
  app = await server.connect({ user: "app" });
  await until("the door is open and the agent known", async () => {
    const text = "SELECT rung FROM selfscale.size WHERE rung = 'bounds.max'";
    const rows = await app.query<{ rung: string }>(text).then(
      (result) => result.rows,
      () => [],
    );
    return rows[0] ?? null;
  });
});

async function startMonitor(): Promise<number> {
  const file = path.join(machine.dir, "monitor.yaml");
  const postgres = { host: server.dir, port: server.port, folder: root };
  fs.writeFileSync(file, JSON.stringify({ preset: "demo", postgres }));
  const ports = { listen: "127.0.0.1:0", metricsListen: "127.0.0.1:0" };
  const status = path.join(machine.dir, "run", "monitor.sock");
  const config = await loadConfig(file, { ...ports, status });
  const log = pino({ level: "silent" });
  monitor = new Monitor(config, { roots: machine.roots, log, onCrash: () => crashes++ });
  return (await monitor.start()).port;
}

afterEach(async () => {
  await app.end();
  await until("nothing is reserved", async () =>
    (await reservations()).length === 0 ? true : null,
  );
  await monitor.stop();
  machine.remove();
  expect(crashes).toBe(0);
});

async function reservations(): Promise<readonly Record<string, unknown>[]> {
  const socket = path.join(machine.dir, "run", "monitor.sock");
  const text = await fetchText(socket, "/reservations");
  return (JSON.parse(text) as { active: Record<string, unknown>[] }).active;
}

async function one(text: string): Promise<Record<string, unknown>> {
  return (await app.query<Record<string, unknown>>(text)).rows[0] ?? {};
}

test("reserve() comes back when the machine has grown; everybody sees it, and it ends with its transaction", async () => {
  await app.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  const row = await one(
    "SELECT * FROM selfscale.reserve('700MB', wait => '20 s', scope => 'transaction', reason => 'CREATE INDEX')",
  );
  expect(row).toMatchObject({
    granted: true,
    granted_memory: "700 MB",
    why: "700 MiB can be used",
  });
  // Beyond the 512 MiB that it had; what was free of them counts.
  expect(monitor.status().monitor.ladder.actual?.memBytes).toBeGreaterThanOrEqual(1024 * MIB);
  expect(await reservations()).toMatchObject([
    { id: row["id"], door: "sql", owner: "app", reason: "CREATE INDEX", state: "granted" },
  ]);
  const { rows } = await app.query("SELECT * FROM selfscale.explain()");
  expect(rows.map(({ explain }: { explain: string }) => explain).join("\n")).toMatch(
    /Reserved: .*700 MiB.* for app \(CREATE INDEX\)/,
  );
  const floor = await one(
    "SELECT memory_bytes::int8 >= 700 * 1024 * 1024 AS there FROM selfscale.size WHERE rung = 'floor'",
  );
  expect(floor).toEqual({ there: true });
  const moved = await one(
    "SELECT resource, reason FROM selfscale.decisions WHERE reason = 'reservation'",
  );
  expect(moved).toEqual({ resource: "memory", reason: "reservation" });
  await app.query("COMMIT");
});

test("more than the operator allows is refused at once, in the words of the registry", async () => {
  await expect(app.query("SELECT selfscale.reserve('12GB')")).rejects.toMatchObject({
    code: "53400",
    message: "12 GB can never be granted here",
    detail: expect.stringContaining("2048 MiB") as string,
  });
});

test("a PostgreSQL that hangs delays nobody: the machine grows, the agent is answered, and reserve() works again afterwards", async () => {
  await app.query("SELECT selfscale.reserve('100MB', scope => 'session')");
  const grown = () => monitor.status().monitor.ladder.actual?.memBytes ?? 0;
  const before = grown();
  const state = path.join(root, String(server.port), "state.json");
  server.freeze();
  try {
    // Somebody holds something, so the door asks twice a second, and gets no answer.
    machine.set({ availableBytes: 8 * MIB, anonBytes: 380 * MIB });
    await until("the machine has grown", () => grown() > before || null);
    // Its word is written once a second, as long as it is connected.
    const silentMs = () => Date.now() - fs.statSync(state).mtimeMs;
    await until("the connection is given up", () => silentMs() > 2_500 || null);
    const pong = new Promise((resolve) => agent.peer.ws.once("pong", resolve));
    agent.peer.ws.ping();
    await pong;
    agent.peer.ws.send(encodeFromAgent({ type: "HealthCheck", content: {}, id: 1_000 }));
    await until(
      "the agent is answered",
      () => agent.peer.frames.find((frame) => frame.includes('"id":1000')) ?? null,
    );
    expect(await reservations()).toMatchObject([{ door: "sql", state: "granted" }]);
  } finally {
    server.thaw();
  }
  await until("it serves again", () =>
    app.query("SELECT selfscale.reserve('10MB', scope => 'transaction')").then(
      () => true as const,
      () => null,
    ),
  );
}, 30_000);

test("texts that no database can hold, given at another door, break no view and no function", async () => {
  const socket = path.join(machine.dir, "run", "monitor.sock");
  const wish = {
    memory: "10Mi",
    hold: "10m",
    owner: "x\u0000\udfff",
    reason: "a\u0000b\ud800c\u{1f600}",
  };
  const answer = await open(
    socket,
    { method: "POST", path: "/reservations" },
    { body: JSON.stringify(wish), timeoutMs: 5_000 },
  );
  const { id } = JSON.parse(await textOf(answer)) as { id: string };
  const row = await until("it is seen", async () => {
    const found = await one("SELECT owner, reason FROM selfscale.reservations");
    return "owner" in found ? found : null;
  });
  expect(row).toEqual({ owner: "x", reason: "a b c\u{1f600}" });
  expect(await one("SELECT count(*) > 3 AS told FROM selfscale.explain()")).toEqual({ told: true });
  await open(socket, { method: "DELETE", path: `/reservations/${id}` }, { timeoutMs: 5_000 }).then(
    textOf,
  );
});

test("a full node: it says who binds, or goes on without", async () => {
  agent.isFull = true;
  agent.report();
  await expect(
    app.query("SELECT selfscale.reserve('700MB', wait => '0.3 s')"),
  ).rejects.toMatchObject({
    code: "53000",
    message: "700 MB was not granted within 00:00:00.3",
    detail: expect.stringContaining("the node is full and permits 1 vCPU, 512 MiB") as string,
  });
  const row = await one(
    "SELECT * FROM selfscale.reserve('700MB', wait => '0.3 s', if_refused => 'proceed')",
  );
  expect(row).toMatchObject({ granted: true });
});

test("a monitor that is started anew has a session's reservation before it has PostgreSQL, and counts no use of it twice", async () => {
  const row = await one("SELECT * FROM selfscale.reserve('700MB', wait => '20 s')");
  const { floor } = monitor.status().monitor.reservations;
  machine.set({ anonBytes: 500 * MIB, availableBytes: 300 * MIB });
  await monitor.stop();
  await startMonitor();
  const kept = monitor.status().monitor.reservations;
  expect(kept.active).toMatchObject([{ id: row["id"], answer: { reason: "found" } }]);
  expect(kept.active[0]?.holdUntil).toBeGreaterThan(0);
  await until("PostgreSQL shows that its session is there", async () => {
    const [seen] = await reservations();
    return seen?.["holdLeftMs"] === null ? true : null;
  });
  expect(monitor.status().monitor.reservations.floor).toEqual(floor);
});
