// The event trigger with the real functions and the real door behind it, from installation to removal.
import fs from "node:fs";
import { type Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { DoorRig, makeDoorRoot } from "../../testing/door-rig.ts";
import { PostgresServer } from "../../testing/postgres-server.ts";
import { until } from "../../testing/until.ts";
import { installScript, removeScript, upgradeScript } from "./script.ts";

const MIB = 1024 ** 2;

let server: PostgresServer;
let root: string;
let rig: DoorRig;
let session: Client;

beforeAll(async () => {
  root = makeDoorRoot();
  server = await PostgresServer.start(["maintenance_work_mem = '64MB'"]);
  await server.query(installScript(root));
  await server.query("CREATE ROLE anna LOGIN; GRANT selfscale_user TO anna");
  await server.query("GRANT CREATE ON SCHEMA public TO anna");
});
afterAll(async () => {
  await server.remove();
  fs.rmSync(root, { recursive: true });
});
beforeEach(async () => {
  rig = await DoorRig.start(server, root);
  session = await server.connect({ user: "anna" });
  await session.query("SET selfscale.anticipate = off");
  await session.query("CREATE TABLE big AS SELECT i AS id FROM generate_series(1, 400000) AS i");
  await session.query("ANALYZE big");
  await session.query("RESET selfscale.anticipate");
});
afterEach(async () => {
  await session.query("DROP TABLE big");
  await session.end();
  await rig.stop();
});

test("CREATE INDEX reserves, waits until it is granted, and gives back at the end", async () => {
  await session.query("CREATE INDEX ON big (id)");
  expect(rig.asked).toHaveLength(1);
  const [request] = rig.asked;
  expect(request).toMatchObject({ door: "anticipation", owner: "anna", reason: "CREATE INDEX" });
  expect(request).toMatchObject({ ifNotGranted: "proceed" });
  // 64 bytes a row and the table, a tenth more, and two processes.
  expect(Math.round((request?.memBytes ?? 0) / MIB)).toBe(50);
  await until("it is given back", () => rig.active.size === 0 || null);
});

test("a full node is waited for as long as was said, and not longer; then the index is built all the same", async () => {
  rig.isFull = true;
  await session.query("SET selfscale.anticipate_wait = '300 ms'");
  await session.query("CREATE INDEX built ON big (id)");
  expect(rig.asked).toHaveLength(1);
  const found = await session.query("SELECT to_regclass('built') IS NOT NULL AS is_there");
  expect(found.rows).toEqual([{ is_there: true }]);
});

test("without a monitor the index is built at once", async () => {
  await rig.stop();
  await session.query("CREATE INDEX built ON big (id)");
  expect(rig.asked).toEqual([]);
});

test("the wait can be cancelled: the command ends, nothing is built", async () => {
  rig.isFull = true;
  await session.query("SET statement_timeout = '300 ms'");
  await expect(session.query("CREATE INDEX built ON big (id)")).rejects.toMatchObject({
    code: "57014",
  });
  await session.query("RESET statement_timeout");
  await until("it is given up", () => rig.active.size === 0 || null);
});

test("it is installed twice, upgraded and removed", async () => {
  const triggers = () => server.query("SELECT evtname, evtenabled FROM pg_event_trigger");
  const one = [{ evtname: "selfscale_anticipate", evtenabled: "O" }];
  expect(await triggers()).toEqual(one);
  await server.query(installScript(root));
  expect(await triggers()).toEqual(one);
  await server.query(upgradeScript(root));
  expect(await triggers()).toEqual(one);
  await server.query(
    "DROP OWNED BY anna CASCADE; CREATE TABLE big (id int); ALTER TABLE big OWNER TO anna",
  );
  await server.query(removeScript());
  expect(await triggers()).toEqual([]);
});
