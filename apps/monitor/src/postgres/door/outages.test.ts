// PostgreSQL taken away under the door in every way: restarted, crashed, full, closed to us, without the database, the role, the
// schema. What was granted stays for those who still hold it, and each is said in the log.
import fs from "node:fs";
import { type Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DoorRig, makeDoorRoot } from "../../testing/door-rig.ts";
import { PostgresServer } from "../../testing/postgres-server.ts";
import { refusalOf, reserve, rowOf } from "../../testing/sql.ts";
import { until } from "../../testing/until.ts";
import { installScript } from "../sql/script.ts";
import { LOCK_CLASS } from "../sql/version.ts";

/** Longer than any outage here: what was granted is not given up meanwhile. */
const NEVER_GONE = { timers: { goneMs: 60_000 } };
const TRUST = ["local all all trust"];
const FULL = /remaining connection slots are reserved|too many clients already/;

let server: PostgresServer;
let root: string;
let rig: DoorRig;
let app: Client;

beforeAll(async () => {
  // Six sessions at most, of which one is kept for superusers.
  server = await PostgresServer.start([
    "max_connections = 6",
    "superuser_reserved_connections = 1",
    "max_wal_senders = 0",
  ]);
  root = makeDoorRoot();
  await server.query(installScript(root));
  await server.query("CREATE ROLE app LOGIN IN ROLE selfscale_user");
  await server.query("CREATE DATABASE watched");
});
afterAll(async () => {
  await server.remove();
  fs.rmSync(root, { recursive: true });
});
beforeEach(async () => {
  rig = await DoorRig.start(server, root, { ...NEVER_GONE, database: "watched" });
  app = await server.connect({ user: "app" });
});
afterEach(async () => {
  await app.end();
  await until("nothing is held", () => rig.active.size === 0 || null);
  await rig.stop();
});

const said = (text: string | RegExp) =>
  until(
    `it is said: ${String(text)}`,
    () => rig.lines.find((line) => line.match(text) !== null) ?? null,
  );
const hangUp = () =>
  server.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'selfscale-monitor'",
  );
const connected = () => until("it is connected", () => rig.client.isConnected || null);
/** As if the monitor had been silent for long. */
function age(): void {
  const state = JSON.parse(fs.readFileSync(rig.stateFile, "utf8")) as object;
  fs.writeFileSync(rig.stateFile, JSON.stringify({ ...state, writtenAtMs: 0 }));
}

describe("the server goes down and comes back", () => {
  test.for([
    { name: "fast", how: () => restart("fast") },
    { name: "immediate", how: () => restart("immediate") },
    { name: "a session killed with SIGKILL, which resets all", how: crash },
  ])("$name: sessions lose what they held, holds stay, and it serves again", async ({ how }) => {
    await reserve(app, "'1GB'");
    const { id } = await reserve(app, "'2GB', hold => '1 h'");
    await how();
    await said("PostgreSQL's sessions can't be seen now");
    await until("one is left", () => rig.active.size === 1 || null);
    expect(rig.held()).toEqual(["app 2 GiB granted"]);
    await connected();
    app = await server.connect({ user: "app" });
    expect(await reserve(app, "'3GB'")).toMatchObject({ granted: true });
    expect(await rowOf(app, `SELECT selfscale.release('${String(id)}')`)).toEqual({ release: 1 });
  });

  async function restart(how: "fast" | "immediate"): Promise<void> {
    await server.stop(how);
    await until("it is noticed", () => !rig.client.isConnected || null);
    await server.run();
  }

  async function crash(): Promise<void> {
    const victim = await server.connect();
    const { pid } = await rowOf(victim, "SELECT pg_backend_pid() AS pid");
    process.kill(Number(pid), "SIGKILL");
    await until("all sessions are gone", () => !rig.client.isConnected || null);
    await until("it answers again", () =>
      server.query("SELECT 1").then(
        () => true as const,
        () => null,
      ),
    );
    await victim.end().catch(() => undefined);
  }
});

describe("the server stays, and does not let the monitor in", () => {
  test.for([
    {
      name: "refused by pg_hba.conf",
      close: () => authenticate("local all selfscale_monitor reject", ...TRUST),
      problem: /pg_hba.conf rejects connection for host .* user "selfscale_monitor"/,
      open: () => authenticate(...TRUST),
    },
    {
      name: "asked for a password that it has not",
      close: () => authenticate("local all selfscale_monitor scram-sha-256", ...TRUST),
      problem: "the server asks for a password, and postgres.passwordFile gives none",
      open: () => authenticate(...TRUST),
    },
    {
      name: "its role may not log in",
      close: () => server.query("ALTER ROLE selfscale_monitor NOLOGIN"),
      problem: 'role "selfscale_monitor" is not permitted to log in',
      open: () => server.query("ALTER ROLE selfscale_monitor LOGIN"),
    },
    {
      name: "its role dropped",
      close: () => server.query("DROP OWNED BY selfscale_monitor; DROP ROLE selfscale_monitor"),
      problem: 'role "selfscale_monitor" does not exist',
      open: () => server.query(installScript(root)),
    },
    {
      name: "its database dropped",
      close: () => server.query("DROP DATABASE watched WITH (FORCE)"),
      problem: 'database "watched" does not exist',
      open: () => server.query("CREATE DATABASE watched"),
    },
    {
      name: "all connections taken by others",
      close: fill,
      problem: FULL,
      open: empty,
    },
  ])(
    "$name: said once, sessions are told that nobody is there, and keep what they hold",
    async ({ close, problem, open }) => {
      await reserve(app, "'1GB'");
      await close();
      await hangUp();
      await said(problem);
      age();
      expect(await refusalOf(app, "SELECT selfscale.reserve('2GB')")).toMatchObject({
        code: "55000",
      });
      await open();
      await connected();
      await rig.looked();
      expect(rig.held()).toEqual(["app 1 GiB granted"]);
      await until("it serves again", () => reserve(app, "'2GB'").catch(() => null));
      // Each attempt has the same end: it is said once. (That all is full has two wordings.)
      const told = rig.lines.filter((line) => line.match(problem) !== null);
      expect(told.filter((line, index) => line === told[index - 1])).toEqual([]);
    },
  );

  async function authenticate(...lines: readonly string[]): Promise<void> {
    server.setAuthentication(lines);
    await server.query("SELECT pg_reload_conf()");
    // Taken by the postmaster in its own time: from then on it decides so.
    const expected = lines.length;
    await until("it is read", async () => {
      const [row] = await server.query("SELECT count(*)::int AS lines FROM pg_hba_file_rules");
      return row?.["lines"] === expected || null;
    });
  }

  const crowd: Client[] = [];

  /** Takes every place that is free, and ours as soon as it is. */
  async function fill(): Promise<void> {
    await until("all are taken", async () => {
      if (rig.lines.some((line) => FULL.test(line))) return true;
      try {
        crowd.push(await server.connect({ user: "app" }));
      } catch {
        await hangUp();
      }
      return null;
    });
  }

  async function empty(): Promise<void> {
    await Promise.all(crowd.splice(0).map((client) => client.end()));
  }
});

describe("connected, but not what it was", () => {
  afterEach(() => server.query(installScript(root)));

  test("the monitor's role dropped under its connection: who holds and who ends is still seen", async () => {
    await reserve(app, "'1GB'");
    await server.query("DROP OWNED BY selfscale_monitor; DROP ROLE selfscale_monitor");
    await rig.looked();
    expect(rig.held()).toEqual(["app 1 GiB granted"]);
  });

  test("locks that may not be looked at: said, what is held stays, and nobody waits for longer than was asked", async () => {
    await reserve(app, "'1GB'");
    const superuser = await server.connect({ database: "watched" });
    await superuser.query("REVOKE SELECT ON pg_catalog.pg_locks FROM PUBLIC");
    try {
      await said(
        "the SQL door is closed: PostgreSQL does not show its locks: permission denied for view pg_locks",
      );
      const error = await refusalOf(app, "SELECT selfscale.reserve('2GB', wait => '50 ms')");
      expect(error).toMatchObject({ code: "53000", detail: "The monitor did not answer." });
      expect(rig.held()).toEqual(["app 1 GiB granted"]);
    } finally {
      await superuser.query("GRANT SELECT ON pg_catalog.pg_locks TO PUBLIC");
      await superuser.end();
    }
  });

  test("the schema dropped while someone waits: the wait ends in its time, and leaves nothing", async () => {
    rig.isFull = true;
    const refused = refusalOf(
      app,
      "SELECT selfscale.reserve('1GB', wait => '1 s', scope => 'session')",
    );
    await until("it waits", () => rig.active.size === 1 || null);
    await server.query("DROP SCHEMA selfscale CASCADE");
    // It runs on as far as it has been read already; what comes after the wait is not there any more.
    expect((await refused).code).toMatch(/^(3F000|42883)$/);
    const locks = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid IN (${LOCK_CLASS}, ${LOCK_CLASS + 1})`;
    expect(await server.query(locks)).toEqual([]);
  });

  test.for([
    { text: "DROP FUNCTION selfscale._await(integer, bigint)", code: "42883" },
    { text: "ALTER FUNCTION selfscale.reserve SECURITY INVOKER", code: "42501" },
    { text: "REVOKE pg_write_server_files FROM selfscale_owner", code: "42501" },
    { text: "REVOKE pg_read_server_files FROM selfscale_owner", code: "42501" },
  ])(
    "what was installed is altered: $text: $code, and install puts it right",
    async ({ text, code }) => {
      await server.query(text);
      expect(
        await refusalOf(app, "SELECT selfscale.reserve('1GB', scope => 'session')"),
      ).toMatchObject({ code });
      const held = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
      expect((await app.query(held)).rows).toEqual([]);
      await server.query(installScript(root));
      expect(await reserve(app, "'1GB'")).toMatchObject({ granted: true });
    },
  );

  test.for([
    {
      comment: "selfscale schema, version 99",
      said: /version 99": a newer selfscale-monitor made it, use that one/,
    },
    { comment: "mine", said: /but says "mine": run `sql upgrade`/ },
  ])("a schema that says $comment: said, with what to do", async ({ comment, said: line }) => {
    await rig.stop();
    rig = await DoorRig.start(server, root, NEVER_GONE);
    await server.query(`COMMENT ON SCHEMA selfscale IS '${comment}'`);
    await said(line);
    await server.query("COMMENT ON SCHEMA selfscale IS 'selfscale schema, version 1'");
  });

  test("a role that may not use the schema: said", async () => {
    await rig.stop();
    await server.query("REVOKE USAGE ON SCHEMA selfscale FROM selfscale_monitor");
    rig = await DoorRig.start(server, root, NEVER_GONE);
    await said(
      /our role can't use the schema "selfscale" \(permission denied for schema selfscale\): run `sql install`/,
    );
  });
});
