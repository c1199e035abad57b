// The event trigger on a real PostgreSQL, with a reserve() that writes down what it was asked for.
import { ANTICIPATION_DEFAULTS, indexBuildBytes, type SessionSettings } from "@selfscale/core";
import { type Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PostgresServer } from "../../testing/postgres-server.ts";
import { AHEAD, AHEAD_GRANTS, DROP_EVENT_TRIGGER, EVENT_TRIGGER } from "./ahead.ts";

const MIB = 1024 ** 2;

/** As the schema is before this part of it comes: closed to strangers, and owned by nobody who logs in. */
const SCHEMA = `
CREATE ROLE selfscale_user; CREATE ROLE selfscale_owner;
CREATE SCHEMA selfscale AUTHORIZATION selfscale_owner;
CREATE TABLE selfscale.asked (memory text, wait interval, scope text, reason text, door text);
GRANT ALL ON selfscale.asked TO selfscale_owner;
SET ROLE selfscale_owner;
CREATE FUNCTION selfscale._state() RETURNS jsonb LANGUAGE sql AS $$ SELECT '{}'::jsonb $$;
CREATE FUNCTION selfscale._is_fresh(state jsonb) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION selfscale._reserve(door text, memory text, cpu numeric, wait interval, hold interval, scope text, reason text,
  if_refused text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF reason = 'REFRESH MATERIALIZED VIEW' THEN RAISE EXCEPTION 'no selfscale monitor serves this server' USING ERRCODE = '55000'; END IF;
  INSERT INTO selfscale.asked VALUES (memory, wait, scope, reason, door);
  RETURN if_refused;
END $$;
${AHEAD}
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA selfscale FROM PUBLIC;
GRANT USAGE ON SCHEMA selfscale TO selfscale_user;
${AHEAD_GRANTS}
RESET ROLE;
${EVENT_TRIGGER}
CREATE ROLE anna LOGIN; GRANT selfscale_user TO anna;
CREATE ROLE stranger LOGIN;
GRANT CREATE ON SCHEMA public TO anna, stranger;
`;

let server: PostgresServer;
let session: Client;

beforeAll(async () => {
  server = await PostgresServer.start(["maintenance_work_mem = '64MB'"]);
  await server.query(SCHEMA);
  await server.query(`
    CREATE SCHEMA "Odd one"; GRANT ALL ON SCHEMA "Odd one" TO anna;
    SET ROLE anna;
    CREATE TABLE big AS SELECT i AS id, i::text AS t FROM generate_series(1, 300000) AS i;
    CREATE TABLE small AS SELECT i AS id FROM generate_series(1, 1000) AS i;
    CREATE TABLE "Odd one"."Big ""one""" AS SELECT * FROM big;
    CREATE TABLE parts (id int) PARTITION BY RANGE (id);
    CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (200000);
    CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (200000) TO (1000000);
    INSERT INTO parts SELECT id FROM big;
    ANALYZE;
    RESET ROLE;
    TRUNCATE selfscale.asked;
  `);
});
afterAll(() => server.remove());
beforeEach(async () => {
  session = await server.connect({ user: "anna" });
  await server.query("TRUNCATE selfscale.asked");
});
afterEach(() => session.end());

async function asked(): Promise<readonly Record<string, unknown>[]> {
  return await server.query(
    "SELECT (memory::bigint / 1048576.0)::int AS mib, reason FROM selfscale.asked ORDER BY ctid",
  );
}

/** Estimates in the same words as the monitor's. */
test("SQL and the monitor estimate alike", async () => {
  const amounts = [0, 1, 5 * MIB, 40 * MIB, 700 * MIB, 9_000 * MIB];
  const rows: (number | null)[] = [null, 0, 1_000_000, 40_000_000];
  for (const maintenance of [1, 31, 64, 96, 4096]) {
    for (const workers of [0, 2, 8]) {
      for (const bytes of [null, ...amounts]) {
        for (const count of bytes === null ? [null] : rows) {
          const settings = {
            maintenanceWorkMemBytes: maintenance * MIB,
            maxParallelMaintenanceWorkers: workers,
          } as SessionSettings;
          const ours = indexBuildBytes(settings, { bytes, rows: count }, ANTICIPATION_DEFAULTS);
          const sql = "SELECT selfscale._index_bytes($1, $2, $3, $4) AS bytes";
          const [row] = (
            await session.query<{ bytes: string }>(sql, [maintenance * MIB, workers, bytes, count])
          ).rows;
          expect(Number(row?.bytes), `${maintenance} ${workers} ${bytes} ${count}`).toBe(ours);
        }
      }
    }
  }
});

describe("what is reserved", () => {
  test.for([
    { sql: "CREATE INDEX probe ON big (id)", want: ["CREATE INDEX"], mib: [30, 50] },
    {
      sql: "CREATE UNIQUE INDEX probe ON ONLY public.big USING btree (id)",
      want: ["CREATE INDEX"],
      mib: [30, 50],
    },
    {
      sql: 'CREATE INDEX probe ON "Odd one"."Big ""one""" (id)',
      want: ["CREATE INDEX"],
      mib: [30, 50],
    },
    { sql: "create index\n probe\ton big\n(id)", want: ["CREATE INDEX"], mib: [30, 50] },
    // The largest of its parts: smaller than the whole.
    { sql: "CREATE INDEX probe ON parts (id)", want: [], mib: [] },
    { sql: "CREATE INDEX probe ON small (id)", want: [], mib: [] },
    { sql: "CREATE INDEX probe ON big USING brin (id)", want: [], mib: [] },
    {
      sql: "ALTER TABLE big ADD CONSTRAINT probe PRIMARY KEY (id)",
      want: ["ALTER TABLE"],
      mib: [30, 50],
    },
    { sql: "ALTER TABLE IF EXISTS ONLY big ADD UNIQUE (id)", want: ["ALTER TABLE"], mib: [30, 50] },
    { sql: "ALTER TABLE big ADD COLUMN more int", want: [], mib: [] },
    { sql: "DO $$BEGIN EXECUTE 'CREATE INDEX probe ON small (id)'; END$$", want: [], mib: [] },
    // Two in one text, and in a text that does not name it: by the settings alone.
    {
      sql: "CREATE INDEX probe ON big (id); CREATE INDEX probe2 ON small (id)",
      want: ["CREATE INDEX", "CREATE INDEX"],
      mib: [70, 80],
    },
    {
      sql: "DO $$BEGIN EXECUTE 'CREATE IN' || 'DEX probe ON small (id)'; END$$",
      want: ["CREATE INDEX"],
      mib: [70, 80],
    },
    {
      sql: "CREATE MATERIALIZED VIEW probe_view AS SELECT * FROM big ORDER BY t",
      want: ["CREATE MATERIALIZED VIEW"],
      mib: [40, 40],
    },
    {
      sql: "CREATE MATERIALIZED VIEW probe_view AS SELECT * FROM big WITH NO DATA",
      want: [],
      mib: [],
    },
    {
      sql: "CREATE TABLE probe_table AS SELECT * FROM big",
      want: ["CREATE TABLE AS"],
      mib: [40, 40],
    },
    { sql: "SELECT * INTO probe_table FROM big", want: ["SELECT INTO"], mib: [40, 40] },
    { sql: "CREATE TABLE probe_table (id int PRIMARY KEY)", want: [], mib: [] },
  ])("$sql: $want", async ({ sql, want, mib }) => {
    await session.query("SET client_min_messages = error");
    await session.query(sql);
    await session.query(`
      ALTER TABLE big DROP CONSTRAINT IF EXISTS probe, DROP CONSTRAINT IF EXISTS big_id_key, DROP COLUMN IF EXISTS more;
      DROP INDEX IF EXISTS probe, probe2, "Odd one".probe;
      DROP MATERIALIZED VIEW IF EXISTS probe_view;
      DROP TABLE IF EXISTS probe_table;
    `);
    const seen = await asked();
    expect(seen.map(({ reason }) => reason)).toEqual(want);
    const [least = 0, most = 0] = mib;
    for (const one of seen) {
      expect(one["mib"]).toBeGreaterThanOrEqual(least);
      expect(one["mib"]).toBeLessThanOrEqual(most);
    }
  });

  test("CONCURRENTLY commits in between, and is left to the progress views", async () => {
    await session.query("CREATE INDEX CONCURRENTLY probe ON big (id)");
    await session.query("DROP INDEX probe");
    expect(await asked()).toEqual([]);
  });

  test("by the session's own settings, for the transaction, and it goes on when refused", async () => {
    await session.query("SET maintenance_work_mem = '28MB'; SET selfscale.anticipate_wait = '3 s'");
    await session.query("CREATE INDEX probe ON big (id)");
    await session.query("DROP INDEX probe");
    const rows = await server.query("SELECT wait::text, scope, door FROM selfscale.asked");
    expect(rows).toEqual([{ wait: "00:00:03", scope: "transaction", door: "anticipation" }]);
    expect((await asked())[0]?.["mib"]).toBe(35);
  });
});

describe("off switches", () => {
  test.for([
    { name: "in a session", set: "SET selfscale.anticipate = off", undo: "" },
    {
      name: "of a role",
      set: "ALTER ROLE anna SET selfscale.anticipate = off",
      undo: "ALTER ROLE anna RESET selfscale.anticipate",
    },
    {
      name: "of a database",
      set: "ALTER DATABASE postgres SET selfscale.anticipate = 'no'",
      undo: "ALTER DATABASE postgres RESET selfscale.anticipate",
    },
  ])("$name", async ({ set, undo }) => {
    const isOurs = undo === "";
    if (!isOurs) await server.query(set);
    const other = await server.connect({ user: "anna" });
    if (isOurs) await other.query(set);
    await other.query("CREATE INDEX probe ON big (id); DROP INDEX probe");
    await other.end();
    if (!isOurs) await server.query(undo);
    expect(await asked()).toEqual([]);
  });

  test("one that was disabled stays so when it is installed again", async () => {
    await server.query("ALTER EVENT TRIGGER selfscale_anticipate DISABLE");
    await server.query(EVENT_TRIGGER);
    await session.query("CREATE INDEX probe ON big (id); DROP INDEX probe");
    expect(await asked()).toEqual([]);
    await server.query("ALTER EVENT TRIGGER selfscale_anticipate ENABLE");
  });
});

describe("a command never fails for it", () => {
  test("a stranger's works, reserves nothing, and is not logged", async () => {
    const stranger = await server.connect({ user: "stranger" });
    await stranger.query("CREATE TABLE his AS SELECT * FROM generate_series(1, 400000) AS id");
    await stranger.query("CREATE INDEX probe ON his (id)");
    await stranger.query("DROP TABLE his");
    await stranger.end();
    expect(await asked()).toEqual([]);
  });

  test("without a monitor it goes on", async () => {
    await session.query("SET selfscale.anticipate = off");
    await session.query("CREATE MATERIALIZED VIEW seen AS SELECT * FROM big");
    await session.query("RESET selfscale.anticipate");
    await session.query("REFRESH MATERIALIZED VIEW seen");
    await session.query("DROP MATERIALIZED VIEW seen");
  });

  test("with a switch that is neither on nor off it goes on", async () => {
    await session.query("SET selfscale.anticipate = 'perhaps'");
    await session.query("CREATE INDEX probe ON big (id); DROP INDEX probe");
    expect(await asked()).toEqual([]);
  });

  test("operators and functions in the path of whoever gives the command are not used", async () => {
    await server.query("CREATE SCHEMA trap; GRANT ALL ON SCHEMA trap TO stranger");
    const stranger = await server.connect({ user: "stranger" });
    await stranger.query(
      `CREATE FUNCTION trap.left(text, int) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$`,
    );
    await stranger.query(
      `CREATE FUNCTION trap.to_regclass(text) RETURNS regclass LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$`,
    );
    await stranger.end();
    const root = await server.connect();
    await root.query("SET search_path = trap, pg_catalog, public");
    await root.query("CREATE INDEX probe ON big (id)");
    await root.query("DROP INDEX probe");
    await root.end();
    expect((await asked()).map(({ reason }) => reason)).toEqual(["CREATE INDEX"]);
  });
});

test("it goes without a trace", async () => {
  await server.query(DROP_EVENT_TRIGGER);
  await server.query("DROP FUNCTION selfscale._anticipate() RESTRICT");
  await session.query("CREATE INDEX probe ON big (id); DROP INDEX probe");
  expect(await asked()).toEqual([]);
});
