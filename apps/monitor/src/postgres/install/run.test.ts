// `selfscale-monitor sql` on a real PostgreSQL: once, twice, from an older version, in the wrong place, by the wrong role, and gone again.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { PostgresServer } from "../../testing/postgres-server.ts";
import { SCHEMA_VERSION } from "../sql/version.ts";
import { type SqlOptions, type SqlVerb } from "./command.ts";
import { runSql } from "./run.ts";

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start();
  await server.query("CREATE DATABASE second");
});
afterAll(() => server.remove());
afterEach(async () => {
  await run("remove");
  await run("remove", { database: "second" });
});

type Given = SqlOptions["given"];

async function run(verb: SqlVerb, given: Given = {}, isPrint = false) {
  const lines: string[] = [];
  const where = { host: server.dir, port: String(server.port), ...given };
  const code = await runSql(
    { verb, isPrint, configFile: null, given: where },
    (line) => void lines.push(line),
  );
  return { code, text: lines.join("\n") };
}

async function problemOf(verb: SqlVerb, given: Given = {}): Promise<string> {
  try {
    await run(verb, given);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("expected a problem");
}

const comment = (text: string) => server.query(`COMMENT ON SCHEMA selfscale IS '${text}'`);
const functions = () =>
  server.query(
    "SELECT oid::regprocedure::text AS name FROM pg_proc WHERE pronamespace = to_regnamespace('selfscale') ORDER BY 1",
  );

test("install says what it did; again is the same; status shows it", async () => {
  const absent = await run("status");
  expect(absent.code).toBe(1);
  expect(absent.text).toMatch(/^schema {4}not installed in database "postgres"/m);
  const first = await run("install");
  expect(first).toEqual({
    code: 0,
    text:
      `installed: version ${SCHEMA_VERSION} in database "postgres", with files in /run/selfscale-postgres\n` +
      "now let roles call it: GRANT selfscale_user TO …",
  });
  const made = await functions();
  await server.query("CREATE ROLE app LOGIN IN ROLE selfscale_user");
  await server.query("CREATE VIEW mine AS SELECT * FROM selfscale.size");
  expect(await run("install")).toEqual(first);
  expect(await functions()).toEqual(made);
  const status = await run("status", { folder: "/elsewhere" });
  expect(status.code).toBe(0);
  expect(status.text.split("\n").slice(1)).toEqual([
    `schema    installed, version ${SCHEMA_VERSION} in database "postgres"; this is version ${SCHEMA_VERSION}`,
    "folder    /run/selfscale-postgres (here: /elsewhere)",
    "users     app",
    "monitor   not connected",
  ]);
  // What others made out of ours is not torn down behind their back.
  expect(await problemOf("remove")).toMatch(
    /cannot drop view selfscale.size because other objects depend on it \(2BP01\)/,
  );
  expect(await functions()).toEqual(made);
  await server.query("DROP VIEW mine; DROP ROLE app");
});

test("upgrade drops what an older version had and makes what this one has; who may call may still call", async () => {
  await run("install");
  const made = await functions();
  await server.query("CREATE ROLE app LOGIN IN ROLE selfscale_user");
  await server.query(
    "CREATE FUNCTION selfscale.forgotten() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION selfscale.explain();" +
      "CREATE FUNCTION selfscale.explain() RETURNS int LANGUAGE sql AS 'SELECT 1'",
  );
  await comment("selfscale schema, version 0");
  expect(await problemOf("install")).toBe(
    `PostgreSQL: version 0 of the schema is installed, this is version ${SCHEMA_VERSION} (55000). Run: selfscale-monitor sql upgrade`,
  );
  await run("upgrade", { folder: "/other" });
  expect(await functions()).toEqual(made);
  expect((await run("status")).text).toContain("folder    /other");
  const app = await server.connect({ user: "app" });
  await expect(app.query("SELECT selfscale.reserve('1GB')")).rejects.toMatchObject({
    code: "55000",
  });
  await app.end();
  await server.query("DROP ROLE app");
});

test("a version that is newer, a schema that is not ours, and nothing at all are refused in one sentence", async () => {
  expect(await problemOf("upgrade")).toMatch(
    /the schema is not installed in database "postgres" \(3F000\)/,
  );
  await run("install");
  await comment("selfscale schema, version 999");
  for (const verb of ["install", "upgrade"] as const) {
    expect(await problemOf(verb)).toMatch(
      /version 999 .* \(55000\)\. A newer selfscale-monitor made it: use that one\./,
    );
  }
  await comment("mine");
  for (const verb of ["install", "upgrade", "remove"] as const) {
    expect(await problemOf(verb)).toMatch(
      /there is a schema "selfscale" that is not ours \(42P06\)/,
    );
  }
  await comment(`selfscale schema, version ${SCHEMA_VERSION}`);
});

test("remove leaves nothing, twice is no mistake, and roles stay as long as another database needs them", async () => {
  const roles = () =>
    server.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'selfscale%' ORDER BY 1");
  const grants = () =>
    server.query(
      "SELECT FROM pg_proc WHERE proname = 'pg_read_file' AND proacl::text LIKE '%selfscale%'",
    );
  await run("install");
  await run("install", { database: "second" });
  await run("remove");
  expect(await server.query("SELECT FROM pg_namespace WHERE nspname = 'selfscale'")).toEqual([]);
  expect(await grants()).toEqual([]);
  expect(await roles()).toContainEqual({ rolname: "selfscale_owner" });
  expect((await run("status", { database: "second" })).code).toBe(0);
  await run("remove", { database: "second" });
  expect(await roles()).toEqual([]);
  await run("remove");
});

test("only a superuser installs, and whoever does gives nobody more than is needed", async () => {
  await server.query("CREATE ROLE weak LOGIN CREATEROLE");
  expect(await problemOf("install", { user: "weak" })).toMatch(
    /role "weak" is no superuser \(42501\)/,
  );
  await server.query("DROP ROLE weak");
  await run("install");
  expect(
    await server.query(
      "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname LIKE 'selfscale%' ORDER BY 1",
    ),
  ).toEqual(
    [
      { rolname: "selfscale_monitor", rolcanlogin: true },
      { rolname: "selfscale_owner", rolcanlogin: false },
      { rolname: "selfscale_user", rolcanlogin: false },
    ].map((role) => ({
      ...role,
      rolsuper: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolbypassrls: false,
    })),
  );
  expect(
    await server.query(
      "SELECT m.rolname AS member, r.rolname AS role FROM pg_auth_members JOIN pg_roles m ON m.oid = member JOIN pg_roles r ON r.oid = roleid WHERE m.rolname LIKE 'selfscale%' ORDER BY 1, 2",
    ),
  ).toEqual([
    { member: "selfscale_monitor", role: "pg_monitor" },
    { member: "selfscale_owner", role: "pg_read_server_files" },
    { member: "selfscale_owner", role: "pg_write_server_files" },
  ]);
  // Every function that runs as its owner says where it looks for names.
  expect(
    await server.query(
      "SELECT proname FROM pg_proc WHERE pronamespace = 'selfscale'::regnamespace AND prosecdef AND NOT proconfig @> ARRAY['search_path=pg_catalog, pg_temp']",
    ),
  ).toEqual([]);
});

test("what is printed can be given to psql", async () => {
  const { text } = await run("install", {}, true);
  const file = path.join(server.dir, "install.sql");
  fs.writeFileSync(file, text);
  const args = [
    "-h",
    server.dir,
    "-p",
    String(server.port),
    "-U",
    "postgres",
    "-v",
    "ON_ERROR_STOP=1",
    "-qf",
    file,
  ];
  execFileSync("psql", args, { stdio: "pipe" });
  expect((await run("status")).code).toBe(0);
  expect((await run("remove", {}, true)).text).toMatch(/^BEGIN;[^]*COMMIT;\n$/);
});

test("a server that is not there, a wrong role, a bad option: one sentence", async () => {
  expect(await problemOf("status", { port: "1" })).toMatch(
    /^PostgreSQL: connect ENOENT .*\.s\.PGSQL\.1 \(ENOENT\)$/,
  );
  expect(await problemOf("status", { user: "nobody" })).toBe(
    'PostgreSQL: role "nobody" does not exist (28000)',
  );
  expect(await problemOf("status", { port: "many" })).toBe(
    '--port: "many" is not accepted: expected a port, a whole number from 1 to 65535',
  );
  expect(await problemOf("install", { folder: "/a'; DROP" })).toMatch(
    /^--folder: .* expected the absolute path of a folder$/,
  );
  expect(await problemOf("install", { passwordFile: "/no/file" })).toMatch(/ENOENT/);
});
