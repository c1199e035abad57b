// The monitor's own process, killed and stopped while sessions wait and hold: they are told within their deadline, and whoever comes
// back knows who is still there.
import fs from "node:fs";
import path from "node:path";
import { type Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { fetchText } from "../local-api/client.ts";
import { makeDoorRoot } from "../testing/door-rig.ts";
import { PostgresServer } from "../testing/postgres-server.ts";
import { Program, type Started } from "../testing/program.ts";
import { refusalOf, rowOf } from "../testing/sql.ts";
import { until } from "../testing/until.ts";
import { installScript } from "./sql/script.ts";

const program = new Program();
let server: PostgresServer;
let root: string;
let monitor: Started;
let app: Client;

beforeAll(async () => {
  await program.build();
  server = await PostgresServer.start();
  root = makeDoorRoot();
  await server.query(installScript(root));
  await server.query("CREATE ROLE app LOGIN IN ROLE selfscale_user");
}, 60_000);
afterAll(async () => {
  await server.remove();
  fs.rmSync(root, { recursive: true });
  program.remove();
});
beforeEach(async () => {
  monitor = await start();
  app = await server.connect({ user: "app" });
});
afterEach(async () => {
  await app.end();
  await kill();
});

const socket = () => path.join(program.dir, "run", "monitor.sock");

async function start(): Promise<Started> {
  const config = path.join(program.dir, "monitor.yaml");
  const postgres = { host: server.dir, port: server.port, folder: root };
  fs.writeFileSync(config, JSON.stringify({ postgres, logLevel: "info" }));
  const ports = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
  const run = program.start("--config", config, "--status", socket(), ...ports);
  await until(
    "the door is open",
    () => run.lines().find(({ msg }) => msg === "the SQL functions are installed") ?? null,
    20_000,
  );
  return run;
}

async function kill(): Promise<void> {
  monitor.child.kill("SIGKILL");
  await monitor.exited();
}

async function reservations(): Promise<readonly Record<string, unknown>[]> {
  const text = await fetchText(socket(), "/reservations");
  return (JSON.parse(text) as { active: Record<string, unknown>[] }).active;
}
const waiting = () =>
  until(
    "it waits",
    async () => (await reservations()).find(({ state }) => state === "waiting") ?? null,
  );
const nothingIsKept = () =>
  until("nothing is kept", async () => (await reservations()).length === 0 || null);
const bells = () => fs.readdirSync(path.join(root, String(server.port), "bell"));

/** Nobody can make this machine larger, for no agent is there: it is waited for. */
const WAIT = "SELECT selfscale.reserve('1TB', wait => '10 min', scope => 'session')";

test("killed while someone waits, and started anew in time: the wait goes on, for the same request", async () => {
  const { pid } = await rowOf(app, "SELECT pg_backend_pid() AS pid");
  const cancelled = refusalOf(app, WAIT);
  const { id } = await waiting();
  await kill();
  monitor = await start();
  expect(await waiting()).toMatchObject({ id, owner: "app" });
  await server.query("SELECT pg_cancel_backend($1)", [pid]);
  expect((await cancelled).code).toBe("57014");
  await nothingIsKept();
  expect(bells()).toEqual([]);
}, 60_000);

test("stopped while someone waits: told within the deadline; nobody else is kept waiting; continued, it has forgotten them", async () => {
  const refused = refusalOf(app, WAIT);
  await waiting();
  monitor.child.kill("SIGSTOP");
  const message = "the selfscale monitor has gone while we waited";
  expect(await refused).toMatchObject({ code: "55000", message });
  expect(await refusalOf(app, WAIT)).toMatchObject({
    ...{ code: "55000", message: "no selfscale monitor serves this server" },
  });
  expect(await rowOf(app, "SELECT selfscale.release()")).toEqual({ release: 0 });
  expect((await app.query("SELECT FROM pg_locks WHERE locktype = 'advisory'")).rows).toEqual([]);
  monitor.child.kill("SIGCONT");
  await nothingIsKept();
  await until("their messages are gone", () => bells().length === 0 || null);
}, 60_000);
