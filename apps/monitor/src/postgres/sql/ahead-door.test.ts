// The event trigger with the real functions and the real door behind it, from installation to removal.
import fs from "node:fs";
import path from "node:path";
import { type Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
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
  const { rows } = await session.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const built = session.query("CREATE INDEX built ON big (id)").catch((error: unknown) => error);
  await until("it waits", () => rig.active.size === 1 || null);
  await server.query("SELECT pg_cancel_backend($1)", [rows[0]?.pid]);
  expect(await built).toMatchObject({ code: "57014" });
  await until("it is given up", () => rig.active.size === 0 || null);
});

describe("the command does not fail for it", () => {
  const build = async () => {
    await session.query("CREATE INDEX built ON big (id)");
    const found = await session.query("SELECT to_regclass('built') IS NOT NULL AS is_there");
    expect(found.rows).toEqual([{ is_there: true }]);
  };

  test("nor when a statement may last less than the wait: it waits for half of that", async () => {
    rig.isFull = true;
    await session.query("SET statement_timeout = '2 s'");
    await build();
    expect(rig.asked).toHaveLength(1);
  });

  test("a monitor that was killed is not waited for", async () => {
    await rig.kill();
    const state = JSON.parse(fs.readFileSync(rig.stateFile, "utf8")) as object;
    fs.writeFileSync(rig.stateFile, JSON.stringify({ ...state, writtenAtMs: 0 }));
    await session.query("SET statement_timeout = '1 s'");
    await build();
    expect(rig.asked).toEqual([]);
  });

  test.for([
    {
      name: "a function dropped",
      text: "DROP FUNCTION selfscale._ahead_bytes(text, text, regclass)",
    },
    {
      name: "a function closed",
      text: "REVOKE EXECUTE ON FUNCTION selfscale._reserve_ahead(bigint, interval, text) FROM selfscale_user",
    },
    {
      name: "a function of another owner",
      text: "ALTER FUNCTION selfscale._state() OWNER TO anna",
    },
    { name: "the schema closed", text: "REVOKE USAGE ON SCHEMA selfscale FROM selfscale_user" },
    { name: "the schema renamed", text: "ALTER SCHEMA selfscale RENAME TO elsewhere" },
  ])("what was installed is altered: $name", async ({ text }) => {
    await server.query(text);
    await build();
    expect(rig.asked).toEqual([]);
    await session.query("DROP INDEX built");
    const names = "ALTER SCHEMA elsewhere RENAME TO selfscale";
    if (text.endsWith("elsewhere")) await server.query(names);
    await server.query("ALTER FUNCTION selfscale._state() OWNER TO selfscale_owner");
    await server.query(installScript(root));
    await build();
    expect(rig.asked).toHaveLength(1);
  });

  test("the bell's folder closed, or a state that nobody can read", async () => {
    const bell = path.join(path.dirname(rig.stateFile), "bell");
    fs.chmodSync(bell, 0o500);
    await build();
    fs.chmodSync(bell, 0o700);
    await rig.kill();
    for (const text of ["", "{", "[]", '{"writtenAtMs":"soon"}']) {
      fs.writeFileSync(rig.stateFile, text);
      await session.query("DROP INDEX built");
      await build();
    }
  });
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
