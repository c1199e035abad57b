// What sessions may say and do that nobody had in mind: each ends with an SQLSTATE of its own, and leaves nothing.
import { type Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DoorRig } from "../../testing/door-rig.ts";
import { DoorStage } from "../../testing/door-stage.ts";
import { type PostgresServer } from "../../testing/postgres-server.ts";
import { refusalOf, reserve, rowOf, rowsOf } from "../../testing/sql.ts";
import { until } from "../../testing/until.ts";
import { LOCK_CLASS } from "../sql/version.ts";

let stage: DoorStage;
let server: PostgresServer;
let rig: DoorRig;
let app: Client;

beforeAll(async () => {
  stage = await DoorStage.start({ settings: ["max_prepared_transactions = 4"] });
  ({ server } = stage);
});
afterAll(() => stage.remove());
beforeEach(async () => {
  ({ rig, app } = await stage.open());
});
afterEach(() =>
  stage.close(() => until("nothing is left of it", () => stage.bells().length === 0 || null)),
);

const session = (user: string) => stage.session(user);

const nothingIsHeld = () => stage.nothingIsHeld();
const bells = () => stage.bells();
const locks = () =>
  server.query(
    `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid IN (${LOCK_CLASS}, ${LOCK_CLASS + 1})`,
  );

describe("arguments", () => {
  const MEGABYTE = "repeat('x', 1048576)";

  test.for([
    { args: MEGABYTE, code: "22023" },
    { args: "repeat('9', 1048576)", code: "22023" },
    { args: "'1GB' || chr(8203)", code: "22023" },
    { args: "'١GB'", code: "22023" },
    { args: "'1e9'", code: "22023" },
    { args: "'0x10'", code: "22023" },
    { args: "'NaN'", code: "22023" },
    { args: "'1GB; DROP SCHEMA selfscale'", code: "22023" },
    { args: "'1GB', cpu => 1e400", code: "22023" },
    { args: "'1GB', cpu => -1e130000", code: "22023" },
    { args: "'1GB', cpu => 1024.001", code: "22023" },
    { args: `'1GB', scope => ${MEGABYTE}`, code: "22023" },
    { args: `'1GB', if_refused => ${MEGABYTE}`, code: "22023" },
    { args: `'1GB', wait => ${MEGABYTE}::interval`, code: "22007" },
    { args: "'1GB', wait => '1 mon'", code: "22023" },
    { args: "'1GB', wait => '-0.0001 s'", code: "22023" },
    // PostgreSQL takes these for nothing, or for one day: twelve months are 360 days to it, and last 365.25.
    { args: "'1GB', wait => '12 mons -360 days'", code: "22023" },
    { args: "'1GB', wait => '-12 mons 360 days'", code: "22023" },
    { args: "'1GB', hold => '1200 mons -35999 days'", code: "22023" },
    { args: "'1GB', hold => '-12 mons 361 days'", code: "22023" },
    { args: "'1GB', hold => '178000000 years'", code: "22023" },
    { args: "'1GB', hold => '-1 s'", code: "22023" },
    { args: "'1GB', hold => '0.999 s'", code: "22023" },
  ])("$args is $code, said briefly, and nobody is asked", async ({ args, code }) => {
    const error = await refusalOf(app, `SELECT selfscale.reserve(${args})`);
    expect(error.code).toBe(code);
    if (code === "22023") expect(error.message.length).toBeLessThan(120);
    expect(rig.asked).toEqual([]);
    expect(bells()).toEqual([]);
  });

  test.for([
    { name: "1 MB", reason: MEGABYTE, chars: 200 },
    { name: "nothing", reason: "NULL", chars: 0 },
    { name: "beyond the basic plane", reason: "repeat('😀', 1000)", chars: 200 },
    { name: "control characters", reason: "repeat(E'\\x01\\x02\\n\\r\\t', 100)", chars: 200 },
    { name: "quotes and backslashes", reason: `repeat('"''\\', 100)`, chars: 200 },
    { name: "right to left", reason: "'לילה טוב'", chars: 8 },
  ])("a reason of $name is taken as it is, cut to 200 characters", async ({ reason, chars }) => {
    expect(await reserve(app, `'1GB', reason => ${reason}`)).toMatchObject({ granted: true });
    const { text } = await rowOf(app, `SELECT left(coalesce(${reason}, ''), 200) AS text`);
    expect(Array.from(String(text))).toHaveLength(chars);
    // Nothing at all is said as whose session it is.
    if (chars > 0) expect(rig.asked[0]?.reason).toBe(text);
    expect(await rowsOf(app, "SELECT owner FROM selfscale.reservations")).toEqual([
      { owner: "app" },
    ]);
  });

  test.for(["release", "hold"])("%s() of an id that is no id: nothing", async (name) => {
    const given = name === "hold" ? "'1 h', " : "";
    for (const id of [
      "''",
      "'sql-'",
      "'sql-99999999999999999999'",
      "'sql--1'",
      MEGABYTE,
      "E'\\x01'",
    ]) {
      expect(await rowOf(app, `SELECT selfscale.${name}(${given}${id}) AS done`)).toEqual({
        done: 0,
      });
    }
  });

  test.for([
    { args: "NULL", code: "22004" },
    { args: "'0'", code: "22023" },
    { args: "'8 days'", code: "22023" },
    { args: "'-12 mons 361 days'", code: "22023" },
  ])("hold($args) is $code", async ({ args, code }) => {
    await reserve(app, "'1GB'");
    expect((await refusalOf(app, `SELECT selfscale.hold(${args})`)).code).toBe(code);
    await rig.looked();
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
  });

  test("no wait at all: there at once, or not", async () => {
    expect(await reserve(app, "'1GB', wait => '0'")).toMatchObject({ granted: true });
    rig.isFull = true;
    expect(await refusalOf(app, "SELECT selfscale.reserve('2GB', wait => '0')")).toMatchObject({
      code: "53000",
    });
  });
});

test("whatever a session has set, the functions read and write the same", async () => {
  const settings = await rowsOf(
    app,
    `SELECT name, CASE vartype WHEN 'bool' THEN CASE setting WHEN 'on' THEN 'off' ELSE 'on' END ELSE enumvals[cardinality(enumvals)] END AS value
     FROM pg_settings WHERE context = 'user' AND vartype IN ('bool', 'enum') AND category NOT LIKE 'Developer%'
       AND name NOT IN ('transaction_read_only', 'transaction_deferrable', 'transaction_isolation', 'client_min_messages',
         'default_transaction_isolation')`,
  );
  expect(settings.map(({ name }) => name)).toContain("standard_conforming_strings");
  for (const { name, value } of settings)
    await app.query(`SELECT set_config($1, $2, false)`, [name, value]).catch(() => undefined);
  await app.query(`SET search_path = ''; SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kathmandu'; SET extra_float_digits = -15;
    SET client_encoding = 'LATIN1'; SET lock_timeout = '1 ms'; SET default_transaction_isolation = 'serializable'`);
  const row = await reserve(app, "'1.5 GiB', hold => '1 h', reason => E'a \\\\ b'");
  expect(row).toMatchObject({ granted: true, granted_memory: "1536 MB" });
  expect(rig.asked[0]).toMatchObject({ memBytes: 1.5 * 1024 ** 3, reason: "a \\ b" });
  expect(
    await rowsOf(
      app,
      "SELECT owner, until - now() BETWEEN '59 min' AND '61 min' AS right FROM selfscale.reservations",
    ),
  ).toEqual([{ owner: "app", right: true }]);
  expect(await rowOf(app, `SELECT selfscale.hold('2 h', '${String(row["id"])}')`)).toEqual({
    hold: 1,
  });
  expect(await rowOf(app, `SELECT selfscale.release('${String(row["id"])}')`)).toEqual({
    release: 1,
  });
});

describe("sessions and transactions", () => {
  test.for([
    { name: "DISCARD ALL", text: "DISCARD ALL" },
    { name: "a pooler's reset", text: "SELECT pg_advisory_unlock_all()" },
  ])("$name ends what the session held; the next user of it starts anew", async ({ text }) => {
    await reserve(app, "'1GB'");
    await reserve(app, "'2GB', hold => '1 h'");
    await app.query(text);
    await until("the session's is over", () => rig.active.size === 1 || null);
    expect(rig.held()).toEqual(["app 2 GiB granted"]);
    expect(await rowOf(app, "SELECT selfscale.release()")).toEqual({ release: 0 });
    await app.query("SELECT selfscale.release(id) FROM selfscale.reservations");
  });

  test("PREPARE TRANSACTION: the transaction is nobody's session any more, and what it held ends; what the session held stays", async () => {
    await app.query("BEGIN");
    await reserve(app, "'1GB', scope => 'transaction'");
    await reserve(app, "'2GB', scope => 'session'");
    await app.query("PREPARE TRANSACTION 'later'");
    await until("the transaction's is over", () => rig.active.size === 1 || null);
    expect(rig.held()).toEqual(["app 2 GiB granted"]);
    await app.query("COMMIT PREPARED 'later'");
    expect(await rowOf(app, "SELECT selfscale.release()")).toEqual({ release: 1 });
    expect(await locks()).toEqual([]);
  });

  test("ROLLBACK TO: ends what the transaction was to hold, not what the session or the hold is", async () => {
    await app.query("BEGIN; SAVEPOINT s");
    await reserve(app, "'1GB', scope => 'transaction'");
    await reserve(app, "'2GB', scope => 'session'");
    await reserve(app, "'3GB', hold => '1 h'");
    await app.query("ROLLBACK TO s");
    await until("one is over", () => rig.active.size === 2 || null);
    expect(rig.held()).toEqual(["app 2 GiB granted", "app 3 GiB granted"]);
    await app.query("COMMIT");
    await app.query("SELECT selfscale.release(id) FROM selfscale.reservations");
  });

  test("a transaction that failed can't ask, and loses what it had", async () => {
    await app.query("BEGIN");
    await reserve(app, "'1GB', scope => 'transaction'");
    expect((await refusalOf(app, "SELECT 1 / 0")).code).toBe("22012");
    expect((await refusalOf(app, "SELECT selfscale.reserve('1GB')")).code).toBe("25P02");
    await nothingIsHeld();
    await app.query("ROLLBACK");
  });

  test("read only and deferrable; and a cursor", async () => {
    await app.query("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE");
    expect(await reserve(app, "'1GB', scope => 'transaction'")).toMatchObject({ granted: true });
    await app.query("DECLARE c CURSOR FOR SELECT * FROM selfscale.reservations");
    expect(await rowsOf(app, "FETCH ALL FROM c")).toHaveLength(1);
    await app.query("COMMIT");
  });

  test("parallel workers, which have a process of their own, are not used for it", async () => {
    expect(
      await server.query(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'selfscale'::regnamespace AND proparallel <> 'u'",
      ),
    ).toEqual([]);
    await app.query(
      "SET force_parallel_mode = on; SET parallel_setup_cost = 0; SET min_parallel_table_scan_size = 0",
    );
    await app.query("SELECT count(*), max(r.id) FROM pg_class, selfscale.reserve('1GB') AS r");
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
  });

  test("idle_in_transaction_session_timeout ends the session, and with it what it holds", async () => {
    await app.query("SET idle_in_transaction_session_timeout = '50 ms'; BEGIN");
    await reserve(app, "'1GB', scope => 'session', wait => '0'");
    await nothingIsHeld();
    expect(await locks()).toEqual([]);
  });

  test("lock_timeout is not about this wait", async () => {
    rig.isFull = true;
    await app.query("SET lock_timeout = '1 ms'");
    expect(await refusalOf(app, "SELECT selfscale.reserve('1GB', wait => '50 ms')")).toMatchObject({
      code: "53000",
    });
  });

  test("many sessions at once, more than one role may have: so many are granted, the rest get the same error", async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => session("app")));
    const codes = new Set<string | undefined>();
    let granted = 0;
    const flood = async (client: Client) => {
      await client.query("BEGIN");
      for (let i = 0; i < 10; i++) {
        await client.query("SAVEPOINT s");
        try {
          await client.query("SELECT selfscale.reserve('1MB', scope => 'transaction')");
          granted += 1;
        } catch (error) {
          codes.add((error as { code?: string }).code);
          await client.query("ROLLBACK TO s");
        }
      }
    };
    await Promise.all(clients.map(flood));
    expect([...codes]).toEqual(["53400"]);
    // The rig grants whatever the functions let through: those that asked in the same moment saw the same list.
    expect(granted).toBeGreaterThanOrEqual(48);
    expect(granted).toBeLessThanOrEqual(48 + clients.length);
  });
});

describe("who it is", () => {
  test("a superuser who acts for another: theirs, and found", async () => {
    const superuser = await session("postgres");
    await superuser.query("SET SESSION AUTHORIZATION app");
    expect(await reserve(superuser, "'1GB'")).toMatchObject({ granted: true });
    await rig.looked();
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
    expect(await rowOf(superuser, "SELECT selfscale.release()")).toEqual({ release: 1 });
  });

  test("SET ROLE changes nobody's name", async () => {
    await server.query("CREATE ROLE team; GRANT selfscale_user TO team; GRANT team TO app");
    await app.query("SET ROLE team");
    await reserve(app, "'1GB'");
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
    await server.query("DROP ROLE team");
  });

  test("a role that is renamed keeps what it holds, and one that is dropped leaves its hold to superusers", async () => {
    await server.query("CREATE ROLE guest LOGIN IN ROLE selfscale_user");
    const guest = await session("guest");
    await reserve(guest, "'1GB'");
    const { id } = await reserve(guest, "'2GB', hold => '1 h'");
    await server.query("ALTER ROLE guest RENAME TO visitor");
    await rig.looked();
    expect(rig.held()).toEqual(["guest 1 GiB granted", "guest 2 GiB granted"]);
    await guest.end();
    await server.query("DROP ROLE visitor");
    const release = `SELECT selfscale.release('${String(id)}')`;
    expect(await refusalOf(app, release)).toMatchObject({
      ...{ code: "42501", message: `reservation "${String(id)}" belongs to role "guest"` },
    });
    expect(await rowOf(await session("postgres"), release)).toEqual({ release: 1 });
  });

  test("who loses the right while holding keeps it, and can ask for no more", async () => {
    await reserve(app, "'1GB'");
    await server.query("REVOKE selfscale_user FROM app");
    expect(await refusalOf(app, "SELECT selfscale.reserve('1GB')")).toMatchObject({
      code: "42501",
    });
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
    await server.query("GRANT selfscale_user TO app");
  });
});
