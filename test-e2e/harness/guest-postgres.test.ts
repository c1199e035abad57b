// PostgreSQL 15 in a guest of 512 MiB: it starts with what a test asks for, answers in rows, and hides no kill.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Guest, startGuest } from "./guest.ts";
import { GuestPostgres, GuestSqlError, PG_CGROUP, PG_ENV } from "./guest-postgres.ts";
import { readCsv } from "./csv.ts";
import { until } from "./until.ts";

let guest: Guest;
let postgres: GuestPostgres;

beforeAll(async () => {
  guest = await startGuest({ name: "postgres" });
  postgres = new GuestPostgres(guest);
});
afterAll(async () => await guest.kill());

type MonitorStatus = Readonly<{
  monitor: Readonly<{ memory: Readonly<{ inputs: Readonly<Record<string, number>> }> }>;
  notes: readonly Readonly<{ reason: string; message: string }>[];
}>;

async function monitorStatus(): Promise<MonitorStatus> {
  const { stdout } = await guest.exec("node /opt/selfscale/selfscale-monitor.cjs status --json");
  return JSON.parse(stdout) as MonitorStatus;
}

test("rows come as they were", async () => {
  const sql = `SELECT 1 AS one, NULL AS nothing, '' AS empty, E'a "b",\\nc' AS hard UNION ALL SELECT 2, 'x', 'y', 'z'`;
  expect(await postgres.query(sql)).toEqual([
    { one: "1", nothing: null, empty: "", hard: 'a "b",\nc' },
    { one: "2", nothing: "x", empty: "y", hard: "z" },
  ]);
  expect(await postgres.query("SELECT 1 WHERE false")).toEqual([]);
  expect(await postgres.query("CREATE TEMP TABLE t (i int); DROP TABLE t")).toEqual([]);
  expect(await postgres.value("SHOW work_mem", { settings: { work_mem: "7MB" } })).toBe("7MB");
  expect(() => readCsv("a,b\n1\n")).toThrow("not one table");
});

test("a refusal has its SQLSTATE and the end of the log", async () => {
  const refused = await postgres.query("SELECT 1 / 0").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(GuestSqlError);
  expect(refused).toMatchObject({ sqlState: "22012" });
  expect((refused as Error).message).toContain("STATEMENT:  SELECT 1 / 0");
});

test("it is PostgreSQL 15, alone in its cgroup, and its postmaster is the last to be killed", async () => {
  expect(await postgres.value("SHOW server_version")).toMatch(/^15\./);
  const all = async (command: string) => (await guest.exec(command)).stdout.trim().split("\n");
  const members = await all(`sort ${PG_CGROUP}/cgroup.procs`);
  expect(members).toEqual(await all("pgrep -x postgres | sort"));
  const scores = await all(
    "for pid in $(pgrep -x postgres); do cat /proc/$pid/oom_score_adj; done",
  );
  expect(scores.sort()).toEqual(["-900", ...scores.slice(1).map(() => "0")]);
});

test("it starts anew with other settings, and that is seen", async () => {
  const before = await postgres.life();
  expect(await postgres.life()).toEqual(before);
  await postgres.start({ maintenance_work_mem: "300MB", log_min_messages: "warning" });
  expect(await postgres.value("SHOW maintenance_work_mem")).toBe("300MB");
  const after = await postgres.life();
  expect(after.postmaster).not.toBe(before.postmaster);
  expect([after.oomKills, after.ownOomKills]).toEqual([before.oomKills, before.ownOomKills]);
});

test("pgbench runs, and the server is the same afterwards", async () => {
  const before = await postgres.life();
  const bench = `export ${PG_ENV}; pgbench -i -q -s 1 && pgbench -n -c 2 -T 3`;
  const { code, stdout, stderr } = await guest.exec(bench);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain("number of failed transactions: 0");
  expect(await postgres.life()).toEqual(before);
});

test("a killed session shows, though the postmaster lives on", async () => {
  const before = await postgres.life();
  const session = postgres.query("SELECT pg_sleep(600)").catch((error: unknown) => error);
  const pid = await until("the session sleeps", async () =>
    postgres.value(
      "SELECT max(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND pid <> pg_backend_pid()",
    ),
  );
  await guest.exec(`kill -KILL ${pid}`);
  expect(await session).toBeInstanceOf(GuestSqlError);
  await postgres.untilAnswers();
  const after = await postgres.life();
  expect(after.postmaster).toBe(before.postmaster);
  expect(after.checkpointer).not.toBe(before.checkpointer);
});

test("memory that its own limit denies is its own kill, and the monitor knows whose", async () => {
  await guest.exec(`echo "cgroup: ${PG_CGROUP}" >/run/monitor.yaml`);
  await guest.restartMonitor(["--config", "/run/monitor.yaml"]);
  const group = (await monitorStatus()).monitor.memory.inputs["cgroupBytes"];
  expect(group).toBeGreaterThan(0);
  const before = await postgres.life();
  await guest.exec(`echo 100M >${PG_CGROUP}/memory.max`);
  // A process beside PostgreSQL's own: a session would read its program from disk again and again before it is killed.
  const hog = await guest.exec(`echo 0 >${PG_CGROUP}/cgroup.procs; exec touch-loop --mib 300`);
  expect(hog.code).toBe(128 + 9);
  await guest.exec(`echo max >${PG_CGROUP}/memory.max`);
  const after = await postgres.life();
  expect(after).toEqual({
    ...before,
    oomKills: before.oomKills + 1,
    ownOomKills: before.ownOomKills + 1,
  });
  const note = await until("the monitor says so", async () => {
    return (await monitorStatus()).notes.find(({ reason }) => reason === "oom-kill");
  });
  expect(note.message).toContain("at the limit of its cgroup");
});
