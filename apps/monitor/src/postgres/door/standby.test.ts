// A primary and its hot standby, each with a monitor of its own: on the standby nothing can be written, and reserve() works all the same.
import fs from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DoorRig, makeDoorRoot } from "../../testing/door-rig.ts";
import { PostgresServer } from "../../testing/postgres-server.ts";
import { until } from "../../testing/until.ts";
import { installScript, upgradeScript } from "../sql/script.ts";

let primary: PostgresServer;
let standby: PostgresServer;
let root: string;
let rig: DoorRig;
/** Undone in the end, newest first, however far the beginning came. */
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  root = makeDoorRoot();
  undo.push(() => fs.rmSync(root, { recursive: true }));
  primary = await PostgresServer.start();
  undo.push(() => primary.remove());
  standby = await primary.standby();
  undo.push(() => standby.remove());
  // After the standby was made: the schema comes over by streaming.
  await primary.query(installScript(root));
  await primary.query("CREATE ROLE app LOGIN IN ROLE selfscale_user; CREATE ROLE stranger LOGIN");
  await until(
    "the standby has it",
    async () => (await standby.query("SELECT FROM pg_roles WHERE rolname = 'stranger'"))[0] ?? null,
  );
  rig = await DoorRig.start(standby, root);
  undo.push(() => rig.stop());
}, 60_000);

afterAll(async () => {
  for (const step of undo.reverse()) await step();
});

test("it is a standby, and refuses to be installed on", async () => {
  expect(await standby.query("SELECT pg_is_in_recovery() AS is")).toEqual([{ is: true }]);
  for (const script of [installScript(root), upgradeScript(root)]) {
    const session = await standby.connect();
    await expect(session.query(script)).rejects.toMatchObject({
      ...{ code: "25006", message: "this server is a standby" },
    });
    await session.end();
  }
});

test.for(["READ COMMITTED", "REPEATABLE READ"])(
  "reserve() in a transaction of the standby, %s, ends with it",
  async (level) => {
    const app = await standby.connect({ user: "app" });
    await app.query(`BEGIN ISOLATION LEVEL ${level}`);
    const { rows } = await app.query<{ granted: boolean }>(
      "SELECT granted FROM selfscale.reserve('1GB', scope => 'transaction')",
    );
    expect(rows).toEqual([{ granted: true }]);
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
    await app.query("COMMIT");
    await until("nothing is held", () => rig.active.size === 0 || null);
    await app.end();
  },
);

test("sessions, holds and release() too", async () => {
  const app = await standby.connect({ user: "app" });
  await app.query("SELECT selfscale.reserve('1GB'), selfscale.reserve('2GB', hold => '1 hour')");
  const { rows } = await app.query<{ id: string }>(
    "SELECT id FROM selfscale.reservations WHERE scope = 'hold'",
  );
  await app.query("SELECT selfscale.hold('30 min', $1)", [rows[0]?.id]);
  await app.end();
  await until("the session's has ended", () => rig.active.size === 1 || null);
  const again = await standby.connect({ user: "app" });
  await again.query("SELECT selfscale.release($1)", [rows[0]?.id]);
  expect(rig.held()).toEqual([]);
  await again.end();
});

test("a stranger is one here too", async () => {
  const stranger = await standby.connect({ user: "stranger" });
  await expect(stranger.query("SELECT selfscale.reserve('1GB')")).rejects.toMatchObject({
    code: "42501",
  });
  await stranger.end();
});

test("the primary's monitor is another one: its sessions find none here, and then their own", async () => {
  const app = await primary.connect({ user: "app" });
  await expect(app.query("SELECT selfscale.reserve('1GB')")).rejects.toMatchObject({
    code: "55000",
  });
  const other = await DoorRig.start(primary, root);
  await app.query("SELECT selfscale.reserve('1GB')");
  expect(other.held()).toEqual(["app 1 GiB granted"]);
  expect(rig.held()).toEqual([]);
  await app.end();
  await other.stop();
});

test("promoted under the monitor, it serves on", async () => {
  const app = await standby.connect({ user: "app" });
  await app.query("SELECT selfscale.reserve('1GB')");
  await standby.query("SELECT pg_promote()");
  await app.query("SELECT selfscale.reserve('2GB')");
  expect([...rig.held()].sort()).toEqual(["app 1 GiB granted", "app 2 GiB granted"]);
  await app.end();
  await until("nothing is held", () => rig.active.size === 0 || null);
});
