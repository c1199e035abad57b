// Work that needs more memory than the VM has, said before it is done. At a fixed size it is killed, and with it every session.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentProcess } from "../harness/agent-process.ts";
import { startGuest, type Guest } from "../harness/guest.ts";
import { GuestSqlError } from "../harness/guest-postgres.ts";
import { INDEX, PATIENCE, PostgresStory, RESERVED, SORT } from "../harness/postgres-story.ts";
import { entryFor } from "../harness/stack.ts";
import { MIB, Truth } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

let guest: Guest;
let truth: Truth;
let story: PostgresStory;
let agent: AgentProcess | null = null;

beforeAll(async () => {
  guest = await startGuest({ name: "pg", monitorArgs: ["--preset", "demo"] });
  truth = await Truth.open(guest.truthPath);
  story = new PostgresStory(guest, truth);
  await story.prepare();
});

afterAll(async () => {
  truth.close();
  await agent?.stop();
  await guest.kill();
});

describe("at a fixed 512 MiB", () => {
  beforeAll(async () => await story.preventThrashing(true));
  afterAll(async () => await story.preventThrashing(false));

  test.each([
    ["an index build", INDEX],
    ["a sort", SORT],
  ])("%s is killed, and every session with it", async (_, sql) => {
    const before = await story.life();
    const failed = await story.tell(sql).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(GuestSqlError);
    await story.postgres.untilAnswers();
    const after = await story.life();
    expect(after.oomKills).toBeGreaterThan(before.oomKills);
    expect(after.checkpointer).not.toBe(before.checkpointer);
  });
});

describe("with an agent that may let it grow", () => {
  beforeAll(async () => {
    agent = await AgentProcess.start({ node: { cpu: 8, mem: "8Gi" }, vms: [entryFor(guest)] });
    await story.watch();
    await until("the monitor decides", async () => {
      return (await agent?.vm("pg"))?.mode === "compute-controlled";
    });
  });

  const reserve = `SELECT granted, why FROM selfscale.reserve('${RESERVED}', wait => '60 s', reason => 'the story')`;

  test.each([
    ["an index build that was announced by reserve()", `${INDEX}; DROP INDEX big_s`],
    ["a sort that was announced by reserve()", `CREATE TEMP TABLE counted AS ${SORT}`],
  ])("%s is done: the memory was there first", async (_, work) => {
    const before = await story.life();
    const sql = `SET selfscale.anticipate = off; BEGIN; ${reserve}; ${work}; COMMIT;`;
    const { rows, mostBytes } = await story.tell(sql);
    expect(rows).toMatchObject([{ granted: "t" }]);
    expect(mostBytes).toBeGreaterThan(1024 * MIB);
    expect(await story.life()).toEqual(before);
  });

  test("it shrinks to what it was", async () => await story.untilSmall());

  test.each([
    ["an index build", `${INDEX}; DROP INDEX big_s`, "CREATE INDEX"],
    [
      "a sort into a view",
      `CREATE MATERIALIZED VIEW v AS ${SORT}; DROP MATERIALIZED VIEW v`,
      "CREATE MATERIALIZED VIEW",
    ],
  ])("%s is done without a word: the event trigger asks", async (_, work, tag) => {
    const before = await story.life();
    const { mostBytes } = await story.tell(work);
    expect(mostBytes).toBeGreaterThan(1024 * MIB);
    expect(await story.life()).toEqual(before);
    const asked = new RegExp(String.raw`\(anticipation, ${tag}\): [\d.]+ MiB granted`);
    expect((await guest.exec("cat /run/monitor.log")).stdout).toMatch(asked);
  });

  test("afterwards nothing is reserved, and it shrinks to what it was", async () => {
    expect(await story.postgres.query("SELECT * FROM selfscale.reservations")).toEqual([]);
    await story.untilSmall();
  });

  test("pgbench loses no transaction to a grow and a shrink", async () => {
    const before = await story.life();
    const pgbench = await story.beginPgbench();
    const reserved = await story.postgres.query(`BEGIN; ${reserve}; COMMIT;`, PATIENCE);
    expect(reserved).toMatchObject([{ granted: "t" }]);
    expect((await truth.size()).memBytes).toBeGreaterThanOrEqual(1024 * MIB);
    await story.untilSmall();
    const { processed, failed, complaints } = await pgbench.end();
    expect({ failed, complaints }).toEqual({ failed: 0, complaints: [] });
    expect(processed).toBeGreaterThan(0);
    expect(await story.life()).toEqual(before);
  });
});
