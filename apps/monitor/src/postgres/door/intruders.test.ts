// Who may do what, against people who try: locks taken on purpose, functions and files beneath the door, floods.
import fs from "node:fs";
import path from "node:path";
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
let root: string;
let rig: DoorRig;
let app: Client;

beforeAll(async () => {
  stage = await DoorStage.start({
    roles: `
      CREATE ROLE other LOGIN IN ROLE selfscale_user;
      CREATE ROLE stranger LOGIN;
      GRANT ALL ON SCHEMA public TO other, stranger;
    `,
  });
  ({ server, root } = stage);
});
afterAll(() => stage.remove());
beforeEach(async () => {
  ({ rig, app } = await stage.open());
});
afterEach(() => stage.close());

const session = (user: string) => stage.session(user);

const numberOf = (row: Record<string, unknown>) => String(row["id"]).slice("sql-".length);

describe("whoever holds a lock with somebody else's number", () => {
  test.for(["session", "hold"])(
    "ends nothing of theirs by release() or hold(): %s",
    async (scope) => {
      const row = await reserve(app, `'1GB', scope => '${scope}', hold => '1 hour'`);
      const other = await session("other");
      // All that pg_locks and the view show to everybody is enough for this one.
      await other.query(`SELECT pg_advisory_lock(${LOCK_CLASS}, ${numberOf(row)})`);
      expect(await rowOf(other, "SELECT selfscale.release()")).toEqual({ release: 0 });
      expect(await rowOf(other, "SELECT selfscale.hold('1 s')")).toEqual({ hold: 0 });
      await rig.looked();
      expect(rig.held()).toEqual(["app 1 GiB granted"]);
      const left = "SELECT until - now() > '50 min' AS long FROM selfscale.reservations";
      expect(await rowOf(app, left)).toEqual({ long: true });
      await rowOf(app, `SELECT selfscale.release('${String(row["id"])}')`);
    },
  );

  test("can't make reserve() wait for it", async () => {
    const stranger = await session("stranger");
    rig.isFull = true;
    const granted = reserve(app, "'1GB', wait => '1 s', if_refused => 'proceed'");
    const seen = await until("it is seen waiting", async () => {
      const text = `SELECT objid::int8 AS nonce FROM pg_locks WHERE classid = ${LOCK_CLASS}`;
      return (await rowsOf(stranger, text))[0] ?? null;
    });
    const take = `SELECT pg_try_advisory_lock(${LOCK_CLASS + 1}, ${String(seen["nonce"])})`;
    expect(await rowOf(stranger, take)).toEqual({ pg_try_advisory_lock: false });
    expect(await granted).toMatchObject({ granted: true });
    expect(await rowOf(app, "SELECT selfscale.release()")).toEqual({ release: 1 });
  });
});

/** Advisory locks of our kind, whoever has them. */
const LOCKS = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid IN (${LOCK_CLASS}, ${LOCK_CLASS + 1})`;

describe("a wait that ends without a grant leaves no lock of the session", () => {
  test.for([
    { name: "refused", args: "'9GB', wait => '0'", code: "53400" },
    { name: "refused and going on", args: "'9GB', if_refused => 'proceed'", code: null },
    { name: "the wait is over", args: "'1GB', wait => '20 ms'", code: "53000" },
    { name: "statement_timeout", args: "'1GB', wait => '1 min'", code: "57014" },
  ])("$name", async ({ args, code }) => {
    rig.isFull = true;
    await app.query(`SET statement_timeout = '${code === "57014" ? "100 ms" : "0"}'`);
    const call = `SELECT selfscale.reserve(${args}, scope => 'session')`;
    if (code === null) await app.query(call);
    else expect((await refusalOf(app, call)).code).toBe(code);
    expect(await rowsOf(app, LOCKS)).toEqual([]);
  });

  test("nor does a message that can't be left", async () => {
    const bell = path.join(root, String(server.port), "bell");
    fs.chmodSync(bell, 0o500);
    const error = await refusalOf(app, "SELECT selfscale.reserve('1GB')");
    expect(error.code).toBe("42501");
    expect(await rowsOf(app, LOCKS)).toEqual([]);
  });
});

describe("what a role may call, look at and read", () => {
  const MAY = {
    app: [
      ...["_ahead(text,text,regclass)", "_ahead_bytes(text,text,regclass)", "_decisions()"],
      ...["_index_bytes(bigint,integer,bigint,double precision)"],
      ...["_query_bytes(bigint,double precision,integer)", "_reservations()"],
      ...["_reserve_ahead(bigint,interval,text)", "_size()", "_table_in(text,text)"],
      ...["_table_size(regclass)", "explain()", "hold(interval,text)", "release(text)"],
      "reserve(text,numeric,interval,interval,text,text,text)",
    ],
    stranger: [],
    selfscale_monitor: ["_root()"],
  } as const;

  test.for(["app", "stranger", "selfscale_monitor"] as const)(
    "%s: this, and nothing else",
    async (role) => {
      const rows = await server.query(
        `SELECT replace(oid::regprocedure::text, 'selfscale.', '') AS name FROM pg_proc
       WHERE pronamespace = 'selfscale'::regnamespace AND has_function_privilege($1, oid, 'EXECUTE')
         AND has_schema_privilege($1, 'selfscale', 'USAGE') ORDER BY 1`,
        [role],
      );
      expect(rows.map(({ name }) => name)).toEqual(MAY[role]);
      const writable = await server.query(
        `SELECT FROM pg_class WHERE relnamespace = 'selfscale'::regnamespace
         AND has_table_privilege($1, oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')`,
        [role],
      );
      expect(writable).toEqual([]);
      expect(
        await server.query("SELECT has_schema_privilege($1, 'selfscale', 'CREATE') AS may", [role]),
      ).toEqual([{ may: false }]);
    },
  );

  test.for(["app", "stranger"])("the files are closed to %s, whichever way", async (role) => {
    const client = await session(role);
    const state = rig.stateFile;
    const bell = path.join(path.dirname(state), "bell");
    for (const text of [
      `SELECT pg_read_file('${state}')`,
      `SELECT pg_read_binary_file('${state}')`,
      `SELECT pg_stat_file('${state}')`,
      `SELECT pg_ls_dir('${bell}')`,
      `SELECT lo_import('${state}')`,
      `CREATE TEMP TABLE t (line text); COPY t FROM '${state}'`,
      `COPY (SELECT '{}') TO '${bell}/ask-1.json'`,
      `COPY (SELECT '{}') TO PROGRAM 'cat > ${bell}/ask-1.json'`,
    ]) {
      expect(await refusalOf(client, text), text).toMatchObject({ code: "42501" });
    }
    expect(rig.lines.filter((line) => line.includes("no message"))).toEqual([]);
  });
});

describe("a flood costs the monitor nothing, or as much as was really asked", () => {
  const LOOK_EVERY_MS = 200;
  const TIMES = 200;

  beforeEach(async () => {
    rig = await stage.reopen({
      timers: { lookEveryMs: LOOK_EVERY_MS, schemaEveryMs: 3_600_000 },
    });
    // While something is held the door looks by itself.
    await reserve(app, "'1GB'");
    await rig.looked();
  });

  /** Questions to PostgreSQL while this is done, less those that the clock alone asked for. */
  async function questionsOf(flood: () => Promise<void>): Promise<number> {
    const [before, since] = [rig.queries, performance.now()];
    await flood();
    const looks = Math.ceil((performance.now() - since) / LOOK_EVERY_MS);
    return rig.queries - before - looks;
  }

  test.for([
    {
      name: "locks of our kind, taken and let go by a stranger",
      user: "stranger",
      text: `SELECT pg_advisory_lock(${LOCK_CLASS}, g), pg_advisory_lock(${LOCK_CLASS + 1}, g), pg_advisory_unlock_all()
        FROM generate_series(1, ${TIMES}) g`,
    },
    { name: "calls of a stranger", user: "stranger", text: "SELECT selfscale.reserve('1MB')" },
    { name: "nonsense", user: "other", text: "SELECT selfscale.reserve('12 bananas')" },
    {
      name: "ends of nothing",
      user: "other",
      text: `SELECT pg_advisory_lock_shared(${LOCK_CLASS}, 7), selfscale.release(), selfscale.hold('1 h')`,
    },
    {
      name: "looking",
      user: "other",
      text: "SELECT * FROM selfscale.size, selfscale.reservations",
    },
  ])("$name: no question to PostgreSQL", async ({ user, text }) => {
    const client = await session(user);
    const questions = await questionsOf(async () => {
      for (let i = 0; i < TIMES; i++) await client.query(text).catch(() => undefined);
    });
    expect(questions).toBeLessThanOrEqual(1);
  });

  test("requests of a role that may: a few questions each, and no more of them are kept than it may have", async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => session("other")));
    const call = "SELECT selfscale.reserve('1MB', scope => 'transaction')";
    const questions = await questionsOf(async () => {
      const flood = async (client: Client) => {
        for (let i = 0; i < TIMES / clients.length; i++) await client.query(call);
      };
      await Promise.all(clients.map(flood));
    });
    expect(rig.asked.filter(({ owner }) => owner === "other")).toHaveLength(TIMES);
    // One each for what came; those that fall into a look that runs are one more for all of them.
    expect(questions).toBeLessThanOrEqual(2 * TIMES);
  });
});
