// The SQL functions and the door behind them, on a real PostgreSQL: what is granted, refused, ended, and by whom.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Client } from "pg";
import { type DoorRig } from "../../testing/door-rig.ts";
import { DoorStage } from "../../testing/door-stage.ts";
import { type PostgresServer } from "../../testing/postgres-server.ts";
import { refusalOf, reserve, rowOf, rowsOf } from "../../testing/sql.ts";
import { until } from "../../testing/until.ts";
import { installScript } from "../sql/script.ts";
import { LOCK_CLASS } from "../sql/version.ts";

let stage: DoorStage;
let server: PostgresServer;
let root: string;
let rig: DoorRig;
let app: Client;

beforeAll(async () => {
  stage = await DoorStage.start({
    roles: "CREATE ROLE stranger LOGIN; CREATE ROLE other LOGIN IN ROLE selfscale_user",
  });
  ({ server, root } = stage);
});
afterAll(() => stage.remove());
beforeEach(async () => {
  ({ rig, app } = await stage.open());
});
afterEach(() => stage.close());

const session = (user: string) => stage.session(user);

const nothingIsHeld = () => stage.nothingIsHeld();
/** The door has no more to do with any. */
const bells = () => stage.bells();

describe("what is granted", () => {
  test("a row says what, and why", async () => {
    const row = await reserve(app, "memory => '2GB', cpu => 1.5, reason => 'an index'");
    expect(row).toMatchObject({
      id: expect.stringMatching(/^sql-\d+$/) as string,
      granted: true,
      granted_memory: "2048 MB",
      granted_cpu: "1.5",
      why: "The rig says there.",
    });
    expect(rig.asked[0]).toMatchObject({
      ...{ id: row["id"], door: "sql", owner: "app", reason: "an index" },
      ...{ memBytes: 2 * 1024 ** 3, milliCpu: 1_500, holdUntil: null, ifNotGranted: "fail" },
    });
  });

  test("concurrent ones are all there, and the views show them to others who may look", async () => {
    const other = await session("other");
    await Promise.all([reserve(app, "'1GB'"), reserve(other, "'2GB', reason => 'Überprüfung'")]);
    expect([...rig.held()].sort()).toEqual(["app 1 GiB granted", "other 2 GiB granted"]);
    const seen = await rowsOf(
      app,
      "SELECT owner, memory, state, reason, scope FROM selfscale.reservations ORDER BY owner",
    );
    expect(seen).toMatchObject([
      { owner: "app", memory: "1024 MB", state: "granted", scope: "session" },
      { owner: "other", memory: "2048 MB", reason: "Überprüfung" },
    ]);
    expect(await rowOf(app, "SELECT rung, cpu, memory, note FROM selfscale.size LIMIT 1")).toEqual({
      ...{ rung: "desired", cpu: "2", memory: "2048 MB", note: "idle, met" },
    });
    expect(await rowsOf(app, "SELECT * FROM selfscale.decisions")).toEqual([]);
    expect(await rowsOf(app, "SELECT * FROM selfscale.explain()")).toEqual([
      { explain: "It has 2 vCPU, 2048 MiB." },
      { explain: "Nothing more is needed." },
    ]);
  });

  test("sessions of every database are served, whatever its encoding can't hold", async () => {
    await server.query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    const superuser = await server.connect({ database: "latin" });
    await superuser.query(installScript(root));
    await superuser.end();
    const latin = await stage.session("app", "latin");
    await reserve(app, String.raw`'1GB', reason => 'für \u03a9Ω\'`);
    expect(await reserve(latin, "'2GB', reason => 'süß'")).toMatchObject({ granted: true });
    expect(rig.asked.map(({ reason }) => reason)).toEqual([
      String.raw`für \u03a9Ω\ `.trim(),
      "süß",
    ]);
    const seen = "SELECT database, reason FROM selfscale.reservations ORDER BY database DESC";
    expect(await rowsOf(app, seen)).toEqual([
      { database: "postgres", reason: String.raw`für \u03a9Ω\ `.trim() },
      { database: "latin", reason: "süß" },
    ]);
    expect(await rowsOf(latin, seen)).toEqual([
      { database: "postgres", reason: String.raw`f?r \u03a9?\ `.trim() },
      { database: "latin", reason: "s??" },
    ]);
  });

  test.for(["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "SERIALIZABLE, READ ONLY"])(
    "inside a transaction, %s: it ends with it",
    async (level) => {
      for (const end of ["COMMIT", "ROLLBACK"]) {
        await app.query(`BEGIN ISOLATION LEVEL ${level}`);
        await app.query("SELECT count(*) FROM pg_class"); // the snapshot is taken
        expect(await reserve(app, "'1GB', scope => 'transaction'")).toMatchObject({
          granted: true,
        });
        expect(rig.held()).toEqual(["app 1 GiB granted"]);
        await app.query(end);
        await nothingIsHeld();
      }
    },
  );

  test("a savepoint that is rolled back takes its reservation with it", async () => {
    await app.query("BEGIN");
    await reserve(app, "'1GB', scope => 'transaction'");
    await app.query("SAVEPOINT s");
    await reserve(app, "'2GB', scope => 'transaction'");
    await app.query("ROLLBACK TO s");
    await until("one is left", () => rig.active.size === 1 || null);
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
    await app.query("COMMIT");
  });

  test("with the session: its transactions may end as they like", async () => {
    await app.query("BEGIN");
    await reserve(app, "'1GB', scope => 'session'");
    await app.query("ROLLBACK");
    await rig.looked();
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
    await app.end();
    await nothingIsHeld();
  });

  test("with the hold: the session may end before it, and it ends before the session", async () => {
    await reserve(app, "'1GB', hold => '1 hour'");
    expect(await reserve(app, "'2GB', hold => '1 s'")).toMatchObject({ granted: true });
    await until("the short one has ended", () => rig.active.size === 1 || null);
    await app.end();
    await rig.looked();
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
    const again = await session("app");
    const { id } = await rowOf(again, "SELECT id FROM selfscale.reservations");
    expect(await rowOf(again, `SELECT selfscale.release('${String(id)}')`)).toEqual({ release: 1 });
    expect(rig.held()).toEqual([]);
    expect(bells()).toEqual([]);
  });
});

describe("ending it by hand", () => {
  test("release() ends all of this session, whatever they would end with; twice is none", async () => {
    await app.query("BEGIN");
    await reserve(app, "'1GB', scope => 'transaction'");
    await reserve(app, "'2GB', scope => 'session'");
    expect(await rowOf(app, "SELECT selfscale.release()")).toEqual({ release: 2 });
    expect(rig.held()).toEqual([]);
    expect(await rowsOf(app, "SELECT * FROM selfscale.reservations")).toEqual([]);
    await app.query("COMMIT");
    expect(await rowOf(app, "SELECT selfscale.release()")).toEqual({ release: 0 });
    expect(await rowOf(app, "SELECT selfscale.release('sql-1')")).toEqual({ release: 0 });
    expect(await rowOf(app, "SELECT selfscale.release('''; DROP')")).toEqual({ release: 0 });
  });

  test("not those of others, except for who may act as them", async () => {
    const { id } = await reserve(app, "'1GB'");
    const other = await session("other");
    const error = await refusalOf(other, `SELECT selfscale.release('${String(id)}')`);
    expect(error).toMatchObject({
      code: "42501",
      message: `reservation "${String(id)}" belongs to role "app"`,
    });
    expect(await refusalOf(other, `SELECT selfscale.hold('1 s', '${String(id)}')`)).toMatchObject({
      code: "42501",
    });
    const superuser = await session("postgres");
    expect(await rowOf(superuser, `SELECT selfscale.release('${String(id)}')`)).toEqual({
      release: 1,
    });
    expect(rig.held()).toEqual([]);
  });

  test("hold() makes it last from now; afterwards it ends by itself", async () => {
    await reserve(app, "'1GB'");
    expect(await rowOf(app, "SELECT selfscale.hold('1 hour')")).toEqual({ hold: 1 });
    const { left } = await rowOf(
      app,
      "SELECT until - now() > '59 min' AS left FROM selfscale.reservations",
    );
    expect(left).toBe(true);
    expect(await rowOf(app, "SELECT selfscale.hold('1 s')")).toEqual({ hold: 1 });
    await nothingIsHeld();
  });
});

describe("what is not granted", () => {
  test.for([
    { args: "'-1GB'", code: "22023", message: "memory '-1GB' is not accepted" },
    { args: "'12 bananas'", code: "22023", message: "memory '12 bananas' is not accepted" },
    { args: "''", code: "22023", message: "memory '' is not accepted" },
    { args: "'9999999TB'", code: "22023", message: "memory '9999999TB' is not accepted" },
    { args: "NULL", code: "22004", message: "memory is NULL" },
    { args: "'1GB', cpu => NULL", code: "22004", message: "cpu is NULL" },
    { args: "'1GB', cpu => -1", code: "22023", message: "cpu -1 is not accepted" },
    { args: "'1GB', cpu => 'NaN'", code: "22023", message: "cpu NaN is not accepted" },
    { args: "cpu => 0", code: "22023", message: "nothing is asked for" },
    { args: "'1GB', wait => NULL", code: "22004", message: "wait is NULL" },
    { args: "'1GB', wait => '-1 s'", code: "22023", message: "wait '-00:00:01' is not accepted" },
    { args: "'1GB', wait => '1 year'", code: "22023", message: "wait '1 year' is not accepted" },
    {
      args: "'1GB', wait => 'soon'",
      code: "22007",
      message: 'invalid input syntax for type interval: "soon"',
    },
    { args: "'1GB', hold => '0'", code: "22023", message: "hold '00:00:00' is not accepted" },
    { args: "'1GB', scope => 'ever'", code: "22023", message: "scope 'ever' is not accepted" },
    { args: "'1GB', scope => 'hold'", code: "22023", message: "scope 'hold' needs a hold" },
    {
      args: "'1GB', if_refused => 'cry'",
      code: "22023",
      message: "if_refused 'cry' is not accepted",
    },
    { args: "'1GB', if_refused => NULL", code: "22004", message: "if_refused is NULL" },
    { args: "'9GB'", code: "53400", message: "9216 MB can never be granted here" },
  ])("$args is $code", async ({ args, code, message }) => {
    const error = await refusalOf(app, `SELECT selfscale.reserve(${args})`);
    expect({ code: error.code, message: error.message }).toEqual({ code, message });
    expect(rig.held()).toEqual([]);
  });

  test.for([
    { text: "1GB", bytes: 1024 ** 3 },
    { text: " 1.5 GiB ", bytes: 1.5 * 1024 ** 3 },
    { text: "512Mi", bytes: 512 * 1024 ** 2 },
    { text: "64kB", bytes: 64 * 1024 },
    { text: "1048577", bytes: 1024 ** 2 + 1 },
  ])("'$text' is $bytes bytes", async ({ text, bytes }) => {
    await reserve(app, `'${text}'`);
    expect(rig.asked[0]?.memBytes).toBe(bytes);
  });

  test("the node is full: it waits, and then fails, and nothing is left", async () => {
    rig.isFull = true;
    const error = await refusalOf(app, "SELECT selfscale.reserve('1GB', wait => '0.1 s')");
    expect(error).toMatchObject({
      code: "53000",
      message: "1024 MB was not granted within 00:00:00.1",
      detail: "The rig says node-full.",
    });
    expect(rig.held()).toEqual([]);
    await until("its files are gone", () => bells().length === 0 || null);
  });

  test("or goes on without, as was asked", async () => {
    rig.isFull = true;
    expect(await reserve(app, "'1GB', wait => '0.1 s', if_refused => 'proceed'")).toMatchObject({
      granted: true,
      granted_memory: "0 bytes",
      why: "The rig says proceeded.",
    });
    expect(await reserve(app, "'9GB', if_refused => 'proceed'")).toMatchObject({
      ...{ granted: false, granted_memory: null, why: "The rig says bounds." },
    });
  });

  test.for([
    { name: "cancel", settings: "", end: "SELECT pg_cancel_backend($1)" },
    { name: "statement_timeout", settings: "SET statement_timeout = '150 ms'", end: null },
    { name: "terminate", settings: "", end: "SELECT pg_terminate_backend($1)" },
  ])("$name ends the wait, and with it the request", async ({ settings, end }) => {
    rig.isFull = true;
    if (settings !== "") await app.query(settings);
    const { pid } = await rowOf(app, "SELECT pg_backend_pid() AS pid");
    const refused = refusalOf(
      app,
      "SELECT selfscale.reserve('1GB', wait => '1 min', scope => 'session')",
    );
    await until("it waits", () => rig.active.size === 1 || null);
    if (end !== null) await server.query(end, [pid]);
    expect((await refused).code).toBe(end?.includes("terminate") ? "57P01" : "57014");
    await nothingIsHeld();
  });

  test("after a failure that was caught the transaction goes on, and nothing is held", async () => {
    rig.isFull = true;
    await app.query("BEGIN");
    await app.query(
      "DO $$ BEGIN PERFORM selfscale.reserve('1GB', wait => '50 ms'); EXCEPTION WHEN insufficient_resources THEN END $$",
    );
    expect(rig.held()).toEqual([]);
    expect(
      await rowsOf(
        app,
        `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = ${LOCK_CLASS}`,
      ),
    ).toEqual([]);
    await app.query("COMMIT");
  });

  test("10 000 in a loop: as many as one role may have, then an error; after them everything is free", async () => {
    await app.query("BEGIN");
    const error = await refusalOf(
      app,
      "DO $$ BEGIN FOR i IN 1..10000 LOOP PERFORM selfscale.reserve('1MB', scope => 'transaction'); END LOOP; END $$",
    );
    expect(error).toMatchObject({
      code: "53400",
      message: 'role "app" has 48 reservations already',
    });
    expect(rig.asked).toHaveLength(48);
    await app.query("ROLLBACK");
    await nothingIsHeld();
    expect(bells()).toEqual([]);
  });

  test("short ones one after the other are no crowd", async () => {
    for (let i = 0; i < 60; i++) await reserve(app, "'1MB', scope => 'transaction'");
  });
});

describe("how many one role has already: what the monitor's last word lists counts", () => {
  /** A word that no monitor replaces, of one who has 48; the answer to one more is that nobody answers, or that it is too many. */
  async function askOneMore(rows: object): Promise<string | undefined> {
    await rig.kill();
    const state = JSON.parse(fs.readFileSync(rig.stateFile, "utf8")) as object;
    const reservations = NONCES.map((nonce) => ({ id: `sql-${nonce}`, nonce, ...rows }));
    const word = { ...state, reservations, writtenAtMs: Date.now() };
    fs.writeFileSync(rig.stateFile, JSON.stringify(word));
    return (await refusalOf(app, "SELECT selfscale.reserve('1MB', wait => '0 s')")).code;
  }
  const NONCES = Array.from({ length: 48 }, (_, index) => 1_001 + 2 * index);
  const UNANSWERED = "53000";
  const TOO_MANY = "53400";

  test.for([
    { name: "a session that has ended: not", rows: { owner: "app", scope: "session" } },
    { name: "a transaction that has ended: not", rows: { owner: "app", scope: "transaction" } },
    { name: "somebody else's: not", rows: { owner: "other", scope: "hold" } },
  ])("$name", async ({ rows }) => {
    expect(await askOneMore(rows)).toBe(UNANSWERED);
  });

  test("those that need no session: they do", async () => {
    expect(await askOneMore({ owner: "app", scope: "hold" })).toBe(TOO_MANY);
  });

  test.for([LOCK_CLASS, LOCK_CLASS + 1])(
    "a session that holds its lock, of class %i: it does",
    async (lockClass) => {
      const holder = await session("app");
      const locks = `SELECT pg_advisory_lock($1, nonce) FROM unnest($2::int[]) AS nonce`;
      await holder.query(locks, [lockClass, NONCES]);
      expect(await askOneMore({ owner: "app", scope: "session" })).toBe(TOO_MANY);
    },
  );

  test("a lock of another kind is none of ours", async () => {
    const holder = await session("app");
    const locks = `SELECT pg_advisory_lock($1, nonce) FROM unnest($2::int[]) AS nonce`;
    await holder.query(locks, [LOCK_CLASS + 2, NONCES]);
    expect(await askOneMore({ owner: "app", scope: "session" })).toBe(UNANSWERED);
  });
});

describe("a stranger", () => {
  test.for([
    "SELECT selfscale.reserve('1GB')",
    "SELECT selfscale.release()",
    "SELECT selfscale.hold('1 s')",
    "SELECT selfscale.explain()",
    "SELECT * FROM selfscale.size",
    "SELECT * FROM selfscale.reservations",
    "SELECT * FROM selfscale.decisions",
    "SELECT selfscale._ring('ask', '{}')",
    "SELECT selfscale._state()",
    "SET ROLE selfscale_owner",
  ])("is refused: %s", async (text) => {
    expect(await refusalOf(await session("stranger"), text)).toMatchObject({ code: "42501" });
  });

  test("nor may who may reserve touch what is beneath it", async () => {
    for (const call of [
      "_ring('ask', '{}')",
      "_state()",
      "_ask(1, '{}')",
      "_root()",
      "_answer(1)",
    ]) {
      expect(await refusalOf(app, `SELECT selfscale.${call}`)).toMatchObject({ code: "42501" });
    }
  });

  test("who takes locks of our kind moves nothing", async () => {
    const stranger = await session("stranger");
    const row = await reserve(app, "'1GB'");
    const nonce = String(row["id"]).slice("sql-".length);
    await stranger.query(
      `SELECT pg_advisory_lock_shared(${LOCK_CLASS}, g) FROM generate_series(1, 50) g`,
    );
    await stranger.query(
      `SELECT pg_advisory_lock_shared(${LOCK_CLASS}, ${nonce}), pg_advisory_lock(${LOCK_CLASS}, -5)`,
    );
    await app.end();
    await nothingIsHeld();
    expect(rig.asked).toHaveLength(1);
  });
});

describe("when something goes away", () => {
  test("no monitor: an error at once, and words", async () => {
    await rig.stop();
    expect(await refusalOf(app, "SELECT selfscale.reserve('1GB')")).toMatchObject({
      ...{
        code: "55000",
        message: "no selfscale monitor serves this server",
        detail: "None is connected.",
      },
    });
    expect(await refusalOf(app, "SELECT * FROM selfscale.size")).toMatchObject({ code: "55000" });
    expect(await rowOf(app, "SELECT selfscale.explain()")).toEqual({
      explain: "The size stays what it is: no selfscale monitor serves this server.",
    });
    expect(await rowOf(app, "SELECT selfscale.release()")).toEqual({ release: 0 });
  });

  test("a monitor that dies while someone waits: the wait ends before its deadline", async () => {
    rig.isFull = true;
    const refused = refusalOf(app, "SELECT selfscale.reserve('1GB', wait => '10 min')");
    await until("it waits", () => rig.active.size === 1 || null);
    await rig.kill();
    rig.active.clear();
    expect(await refused).toMatchObject({
      ...{ code: "55000", message: "the selfscale monitor has gone while we waited" },
    });
    expect(await refusalOf(app, "SELECT selfscale.reserve('1GB')")).toMatchObject({
      ...{ code: "55000", detail: expect.stringMatching(/^The last word of one is of /) as string },
    });
  }, 30_000);

  test("a monitor that is started anew finds who holds and who waits", async () => {
    const [waiting, kept] = [await session("app"), await session("other")];
    await reserve(app, "'1GB'");
    await reserve(kept, "'3GB', hold => '1 hour'");
    await kept.end();
    rig.isFull = true;
    const waited = reserve(waiting, "'2GB', wait => '1 min'");
    await until("it waits", () => rig.active.size === 3 || null);
    rig = await stage.reopen();
    expect(await waited).toMatchObject({ granted: true });
    expect([...rig.held()].sort()).toEqual([
      "app 1 GiB granted",
      "app 2 GiB granted",
      "other 3 GiB granted",
    ]);
    // What was granted before goes on with what there is: its session was told so already.
    expect(rig.asked.map(({ ifNotGranted }) => ifNotGranted).sort()).toEqual([
      "fail",
      "proceed",
      "proceed",
    ]);
    const { id } = await rowOf(
      waiting,
      "SELECT id FROM selfscale.reservations WHERE owner = 'other'",
    );
    await (await session("other")).query("SELECT selfscale.release($1)", [id]);
  });

  test("what ended while no monitor was there is not brought back", async () => {
    await reserve(app, "'1GB'");
    await rig.stop();
    await app.end();
    await until(
      "the session is gone",
      async () =>
        (await server.query("SELECT FROM pg_locks WHERE locktype = 'advisory'")).length === 0 ||
        null,
    );
    rig = await stage.reopen();
    await until("the files are gone", () => bells().length === 0 || null);
    expect(rig.asked).toEqual([]);
  });

  test("a client killed while it waits or holds: the server ends its session, and with it the reservation", async () => {
    const kill = async (args: string, isReady: () => boolean) => {
      const psql = spawn(
        "psql",
        ["-h", server.dir, "-p", String(server.port), "-U", "app", "postgres"],
        {
          stdio: ["pipe", "ignore", "ignore"],
        },
      );
      psql.stdin.write(
        `SET client_connection_check_interval = '100 ms';\nSELECT selfscale.reserve(${args});\n`,
      );
      await until("it is there", () => isReady() || null);
      psql.kill("SIGKILL");
      await nothingIsHeld();
    };
    await kill("'1GB'", () => rig.held()[0] === "app 1 GiB granted");
    rig.isFull = true;
    await kill("'2GB', wait => '10 min'", () => rig.held()[0] === "app 2 GiB waiting");
  });

  test("PostgreSQL restarted under the monitor: its sessions are gone, what is held by time alone stays", async () => {
    await reserve(app, "'1GB'");
    await reserve(app, "'2GB', hold => '1 hour'");
    stage.loseSessions();
    await server.stop("immediate");
    await until("it is noticed", () => !rig.client.isConnected || null);
    await server.run();
    await until("one is left", () => rig.active.size === 1 || null);
    expect(rig.held()).toEqual(["app 2 GiB granted"]);
    expect(rig.lines).toContain("warn: PostgreSQL's sessions can't be seen now");
    const again = await session("app");
    await until("it serves again", () => rig.client.isConnected || null);
    await again.query("SELECT selfscale.release(id) FROM selfscale.reservations");
  });

  test("PostgreSQL away for long: what its sessions held ends", async () => {
    await reserve(app, "'1GB'");
    stage.loseSessions();
    await server.stop();
    await nothingIsHeld();
    expect(rig.lines).toContain(
      "warn: PostgreSQL has been away for too long: what its sessions had reserved has ended",
    );
    await server.run();
  });

  test("the schema dropped under the monitor, or of another version: a log line, and nothing is kept for ever", async () => {
    const said = (text: string) =>
      until("it is said", () => rig.lines.find((line) => line.includes(text)) ?? null);
    await said("info: the SQL functions are installed");
    await reserve(app, "'1GB'");
    const comment = "COMMENT ON SCHEMA selfscale IS";
    await server.query(`${comment} 'selfscale schema, version 0'`);
    await said('is not of version 1, but says "selfscale schema, version 0": run `sql upgrade`');
    await server.query(`${comment} 'selfscale schema, version 1'`);
    await server.query("ALTER SCHEMA selfscale RENAME TO dropped");
    await said('there is no schema "selfscale": run `sql install`');
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
    await app.end();
    await nothingIsHeld();
    await server.query("ALTER SCHEMA dropped RENAME TO selfscale");
  });

  test("a schema with another folder than the monitor's: said", async () => {
    await server.query(installScript("/nowhere"));
    await until(
      "it is said",
      () =>
        rig.lines.find((line) => line.includes("writes to /nowhere, postgres.folder is")) ?? null,
    );
    await server.query(installScript(root));
  });

  test("functions of another version than the monitor: 0A000", async () => {
    await rig.kill();
    const state = JSON.parse(fs.readFileSync(rig.stateFile, "utf8")) as object;
    fs.writeFileSync(
      rig.stateFile,
      JSON.stringify({ ...state, schema: 2, writtenAtMs: Date.now() }),
    );
    for (const call of ["SELECT selfscale.reserve('1GB')", "SELECT * FROM selfscale.size"]) {
      expect(await refusalOf(app, call)).toMatchObject({
        ...{
          code: "0A000",
          message: 'the schema "selfscale" is version 1, the monitor speaks version 2',
        },
      });
    }
    expect(await rowOf(app, "SELECT selfscale.explain()")).toMatchObject({
      explain: expect.stringMatching(/the monitor speaks version 2/) as string,
    });
  });

  test("the folder removed under both: it is made anew", async () => {
    fs.rmSync(path.join(root, String(server.port)), { recursive: true });
    await until("it is back", () => fs.existsSync(rig.stateFile) || null);
    expect(await reserve(app, "'1GB'")).toMatchObject({ granted: true });
  });

  test("rubbish in the bell's folder is thrown away, said, and no harm", async () => {
    const bell = path.join(root, String(server.port), "bell");
    fs.writeFileSync(path.join(bell, "ask-1.json"), "x".repeat(100_000));
    fs.writeFileSync(path.join(bell, "readme"), "hello");
    fs.symlinkSync("/etc/passwd", path.join(bell, "ask-2.json"));
    fs.mkdirSync(path.join(bell, "ask-3.json"));
    await until(
      "they are said",
      () => rig.lines.filter((line) => line.includes("no message")).length >= 4 || null,
    );
    expect(bells()).toEqual(["ask-3.json"]);
    fs.rmdirSync(path.join(bell, "ask-3.json"));
    expect(await reserve(app, "'1GB'")).toMatchObject({ granted: true });
  });
});
