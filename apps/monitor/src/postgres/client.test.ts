// The kept connection against a real PostgreSQL that is absent, starting, slow, hung, restarted, or of another opinion on the password.
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Log } from "../log.ts";
import { PostgresServer } from "../testing/postgres-server.ts";
import { until } from "../testing/until.ts";
import { PostgresClient, type PostgresTimers } from "./client.ts";
import { type Row } from "./connection.ts";
import { type PostgresSettings } from "./settings.ts";

const TIMERS: PostgresTimers = {
  connectMs: 2_000,
  retryFirstMs: 20,
  retryMaxMs: 100,
  provenMs: 10_000,
  cancelGraceMs: 200,
};

let server: PostgresServer;
let lines: string[] = [];
let clients: PostgresClient[] = [];

beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.remove());
beforeEach(() => {
  lines = [];
  clients = [];
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.stop()));
});

const log = {
  info: (_: object, text: string) => lines.push(text),
  warn: (_: object, text: string) => lines.push(text),
} as unknown as Log;

function start(settings: Partial<PostgresSettings> = {}): PostgresClient {
  const { dir: host, port } = server;
  const client = new PostgresClient(
    {
      ...{ host, port, user: "postgres", passwordFile: null, database: "postgres" },
      ...{ queryTimeoutMs: 1_000, folder: "/nowhere", ...settings },
    },
    log,
    TIMERS,
  );
  clients.push(client);
  client.start();
  return client;
}

const connected = (client: PostgresClient) =>
  until("it is connected", () => client.isConnected || null);
const lost = (client: PostgresClient) =>
  until("it is not connected", () => !client.isConnected || null);

async function rowsOf(client: PostgresClient, text: string): Promise<readonly Row[]> {
  const outcome = await client.query(text);
  if (!outcome.ok) throw new Error(outcome.message);
  return outcome.rows;
}

async function numberOf(client: PostgresClient): Promise<unknown> {
  const outcome = await client.query("SELECT 1 + $1::int AS n", [1]);
  return outcome.ok ? outcome.rows[0]?.["n"] : outcome.code;
}

test("one connection, which says who it is and bounds its statements", async () => {
  const client = start();
  expect(await numberOf(client)).toBe("NOT_CONNECTED");
  await connected(client);
  expect(await Promise.all([numberOf(client), numberOf(client)])).toEqual([2, 2]);
  const rows = await rowsOf(
    client,
    "SELECT application_name, current_setting('statement_timeout') AS timeout, count(*) OVER ()::int AS sessions " +
      "FROM pg_stat_activity WHERE backend_type = 'client backend'",
  );
  expect(rows).toEqual([{ application_name: "selfscale-monitor", timeout: "1s", sessions: 1 }]);
});

test("over loopback too, with the password from its file", async () => {
  await server.query("CREATE ROLE keeper LOGIN PASSWORD 'right'");
  server.setAuthentication(["local all postgres trust", "host all all 127.0.0.1/32 scram-sha-256"]);
  await server.query("SELECT pg_reload_conf()");
  const passwordFile = path.join(server.dir, "password");
  fs.writeFileSync(passwordFile, "wrong\n");
  const client = start({ host: "127.0.0.1", user: "keeper", passwordFile });
  await until("it is refused", () => client.problem);
  expect(client.problem).toBe('password authentication failed for user "keeper"');
  const unarmed = start({ host: "127.0.0.1", user: "keeper" });
  await until("it is refused", () => unarmed.problem);
  expect(unarmed.problem).toMatch(/asks for a password, and postgres.passwordFile gives none/);
  // Once it is right, the next attempt is let in; the same refusal was said once, however often it was tried.
  fs.writeFileSync(passwordFile, "right\n");
  await connected(client);
  expect(await numberOf(client)).toBe(2);
  expect(lines.filter((line) => line.includes("authentication failed"))).toHaveLength(1);
  fs.rmSync(passwordFile);
});

test("an error is a value with its SQLSTATE, and the connection stays", async () => {
  const client = start();
  await connected(client);
  expect(await client.query("SELECT 1 / 0")).toEqual({
    ok: false,
    code: "22012",
    message: "division by zero",
  });
  expect(await numberOf(client)).toBe(2);
});

test("a slow query is cancelled by the server, and costs no connection", async () => {
  const client = start({ queryTimeoutMs: 100 });
  await connected(client);
  const slow = client.query("SELECT pg_sleep(60)");
  expect(await slow).toMatchObject({
    ok: false,
    code: expect.stringMatching(/57014|DEADLINE/) as string,
  });
  expect(
    await until("the next is served", async () => {
      const n = await numberOf(client);
      return n === "DEADLINE" ? null : n;
    }),
  ).toBe(2);
  expect(lines).toEqual(["PostgreSQL is connected"]);
});

test("a server that hangs is given up: whoever asks gets an answer in time, and the connection is made anew", async () => {
  const client = start({ queryTimeoutMs: 100 });
  await connected(client);
  const pid = Number((await rowsOf(client, "SELECT pg_backend_pid() AS pid"))[0]?.["pid"]);
  process.kill(pid, "SIGSTOP");
  try {
    const outcomes = await Promise.all([numberOf(client), numberOf(client)]);
    expect(outcomes).toEqual(["DEADLINE", "DEADLINE"]);
    await lost(client);
    await connected(client);
    expect(await numberOf(client)).toBe(2);
  } finally {
    process.kill(pid, "SIGCONT");
  }
});

test("too many questions at once are refused, not kept", async () => {
  const client = start();
  await connected(client);
  const outcomes = await Promise.all(Array.from({ length: 40 }, () => numberOf(client)));
  expect(outcomes.filter((outcome) => outcome === "BUSY").length).toBeGreaterThan(0);
  expect(await numberOf(client)).toBe(2);
});

test("absent, starting, restarted, crashed: it is connected again each time", async () => {
  await server.stop();
  const client = start();
  await until("it has tried", () => client.problem);
  expect(await client.query("SELECT 1")).toMatchObject({ ok: false, code: "NOT_CONNECTED" });
  const events: string[] = [];
  client.onConnected(() => events.push("connected"));
  client.onLost(() => events.push("lost"));
  server.launch();
  await connected(client);
  const running = client.query("SELECT pg_sleep(60)");
  await server.stop("immediate");
  expect(await running).toMatchObject({ ok: false });
  await lost(client);
  await server.run();
  await connected(client);
  expect(await numberOf(client)).toBe(2);
  expect(events).toEqual(["connected", "lost", "connected"]);
});

test("a connection that is reset is lost: the socket's words are no SQLSTATE", async () => {
  const calls: net.Socket[] = [];
  const relay = net.createServer((socket) => {
    const behind = net.connect(path.join(server.dir, `.s.PGSQL.${server.port}`));
    for (const end of [socket, behind]) end.on("error", () => end.destroy());
    socket.pipe(behind).pipe(socket);
    calls.push(socket);
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  const client = start({ host: "127.0.0.1", port: (relay.address() as net.AddressInfo).port });
  await connected(client);
  const running = client.query("SELECT pg_sleep(60)");
  calls[0]?.resetAndDestroy();
  expect(await running).toMatchObject({ ok: false, code: "LOST" });
  await client.stop();
  await new Promise((resolve) => relay.close(resolve));
});

test("a server that takes the call and says nothing costs one connectMs each time, and nothing else", async () => {
  const sockets: net.Socket[] = [];
  const mute = net.createServer((socket) => void sockets.push(socket));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const { port } = mute.address() as net.AddressInfo;
  const client = start({ host: "127.0.0.1", port });
  await until("it was called", () => sockets[0] ?? null);
  // Stopping does not wait for the deadline of an attempt.
  await client.stop();
  const patient = new PostgresClient(
    {
      ...{ host: "127.0.0.1", port, user: "postgres", passwordFile: null, database: "postgres" },
      ...{ queryTimeoutMs: 100, folder: "/nowhere" },
    },
    log,
    { ...TIMERS, connectMs: 50 },
  );
  clients.push(patient);
  patient.start();
  expect(await until("it gives up", () => patient.problem)).toBe("no answer within 50 ms");
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => mute.close(resolve));
});
