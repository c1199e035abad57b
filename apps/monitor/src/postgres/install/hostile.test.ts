// A superuser installs into a database where somebody has been before: what they left is neither taken for ours nor run.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PostgresServer } from "../../testing/postgres-server.ts";
import { PostgresConnection } from "../connection.ts";
import { type SqlVerb } from "./command.ts";
import { runSql } from "./run.ts";
import { installScript, removeScript, upgradeScript } from "../sql/script.ts";

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start();
  await server.query(`
    CREATE ROLE mallory LOGIN; GRANT CREATE ON DATABASE postgres TO mallory;
    GRANT CREATE ON SCHEMA public TO mallory;
    CREATE TABLE public.trapped (who text, what text); GRANT ALL ON public.trapped TO PUBLIC;
  `);
});
afterAll(() => server.remove());

async function run(verb: SqlVerb): Promise<string> {
  const lines: string[] = [];
  const given = { host: server.dir, port: String(server.port) };
  await runSql({ verb, isPrint: false, configFile: null, given }, (line) => void lines.push(line));
  return lines.join("\n");
}

async function asMallory(text: string): Promise<void> {
  const mallory = await server.connect({ user: "mallory" });
  try {
    await mallory.query(text);
  } finally {
    await mallory.end();
  }
}

const trapped = () => server.query("SELECT * FROM public.trapped");

describe("a schema that somebody made before, with our comment", () => {
  beforeEach(() =>
    asMallory(`
      CREATE SCHEMA selfscale; GRANT ALL ON SCHEMA selfscale TO PUBLIC;
      COMMENT ON SCHEMA selfscale IS 'selfscale schema, version 1';
      CREATE FUNCTION selfscale._root() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.trapped VALUES (current_user, '_root'); RETURN '/nowhere'; END $$;
    `),
  );
  afterEach(() => server.query("DROP SCHEMA selfscale CASCADE"));

  test.for(["install", "upgrade", "remove"] as const)(
    "%s: refused, and nothing is made",
    async (verb) => {
      await expect(run(verb)).rejects.toThrow(
        /there is a schema "selfscale" that is not ours \(42P06\)/,
      );
      expect(await server.query("SELECT FROM pg_roles WHERE rolname LIKE 'selfscale%'")).toEqual(
        [],
      );
      expect(await server.query("SELECT FROM pg_event_trigger")).toEqual([]);
      expect(await trapped()).toEqual([]);
    },
  );

  test("status runs nothing of it", async () => {
    await server.query("DROP FUNCTION selfscale._root()");
    await asMallory(`
      CREATE FUNCTION selfscale.inner() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.trapped VALUES (current_user, 'status'); RETURN '/nowhere'; END $$;
      CREATE FUNCTION selfscale._root() RETURNS text LANGUAGE sql RETURN selfscale.inner();
    `);
    expect(await run("status")).toMatch(/^schema {4}not installed/m);
    expect(await trapped()).toEqual([]);
  });
});

describe("a role selfscale_owner that somebody made before", () => {
  test.for([
    { name: "who can log in", make: "CREATE ROLE selfscale_owner LOGIN" },
    { name: "with members", make: "CREATE ROLE selfscale_owner; GRANT selfscale_owner TO mallory" },
  ])("$name: it is not given our powers", async ({ make }) => {
    await server.query(make);
    await expect(run("install")).rejects.toThrow(
      /there is a role "selfscale_owner" .* \(42710\)\. Drop it, or ALTER ROLE /,
    );
    expect(
      await server.query("SELECT FROM pg_auth_members WHERE member = 'selfscale_owner'::regrole"),
    ).toEqual([]);
    await server.query("DROP ROLE selfscale_owner");
  });
});

describe("functions in the path of whoever installs, which fit better than PostgreSQL's own", () => {
  /** The type of the second argument is exactly what we give; PostgreSQL's own takes any. */
  const TRAPS = ["text", "regclass", "regprocedure", "name"].map(
    (type) => `CREATE FUNCTION public.format(text, ${type}) RETURNS text LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO public.trapped VALUES (current_user, 'format'); RETURN pg_catalog.format($1, $2); END $$;`,
  );

  test("are not run by install, upgrade, status and remove, and not by the printed scripts", async () => {
    await asMallory(TRAPS.join("\n"));
    const scripts = [installScript("/nowhere"), upgradeScript("/nowhere"), removeScript()];
    for (const script of scripts) await server.query(script);
    for (const verb of ["install", "status", "remove"] as const) await run(verb);
    expect(await trapped()).toEqual([]);
  });

  test("nor by the monitor", async () => {
    await run("install");
    const connection = await PostgresConnection.open(
      {
        host: server.dir,
        port: server.port,
        user: "selfscale_monitor",
        passwordFile: null,
        database: "postgres",
      },
      { deadlineMs: 5_000, statementTimeoutMs: 5_000 },
    );
    const rows = await connection.run(
      "SELECT format('%s', 'x'::text) AS text, current_setting('search_path') AS path",
      [],
    );
    await connection.close(1_000);
    expect(rows).toEqual([{ text: "x", path: "pg_catalog" }]);
    expect(await trapped()).toEqual([]);
    await run("remove");
  });
});
