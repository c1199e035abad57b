// What is seen of a real PostgreSQL, and what follows; and orders for its file cache, whose settings exist here without the
// extension that would act on them.
import { type AnticipationPolicy, ANTICIPATION_DEFAULTS, type MonitorEvent } from "@selfscale/core";
import { type Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Log } from "../../log.ts";
import { PostgresServer } from "../../testing/postgres-server.ts";
import { until } from "../../testing/until.ts";
import { PostgresClient } from "../client.ts";
import { type CacheAnswer, FileCacheHand } from "./file-cache-hand.ts";
import { PostgresSense, SENSE_TIMERS } from "./sense.ts";

const MIB = 1024 ** 2;
const LOCK_CLASS = 7;
const HOUR_MS = 3_600_000;

let server: PostgresServer;
let lines: string[] = [];
let stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  server = await PostgresServer.start([
    "maintenance_work_mem = '64MB'",
    "neon.file_cache_size_limit = '1024MB'",
    "neon.max_file_cache_size = '4096MB'",
  ]);
  await server.query("CREATE DATABASE bare");
  await server.query("ALTER DATABASE bare SET neon.max_file_cache_size = ''");
  await server.query("CREATE ROLE anna LOGIN SUPERUSER");
  await server.query("ALTER ROLE anna SET work_mem = '64MB'");
  await server.query("CREATE ROLE meek LOGIN");
  await server.query("GRANT pg_monitor TO meek");
  await server.query("CREATE TABLE busy AS SELECT 1 AS id FROM generate_series(1, 100000)");
  // An index on it is not built before somebody lets go of lock 1.
  await server.query(
    "CREATE FUNCTION held(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS " +
      "$$BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN id; END$$",
  );
});
afterAll(() => server.remove());
beforeEach(() => {
  lines = [];
  stops = [];
});
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
});

const log = {
  info: () => undefined,
  warn: (...words: readonly unknown[]) => lines.push(words.at(-1) as string),
} as unknown as Log;

function client(database = "postgres", user = "postgres"): PostgresClient {
  const { dir: host, port } = server;
  const more = { passwordFile: null, queryTimeoutMs: 2_000, folder: "/nowhere" };
  const kept = new PostgresClient({ host, port, user, database, ...more }, log);
  stops.push(() => kept.stop());
  return kept;
}

async function session(who: Parameters<PostgresServer["connect"]>[0] = {}): Promise<Client> {
  const one = await server.connect(who);
  stops.push(() => one.end().catch(() => undefined));
  return one;
}

/** Begins a statement that goes on until its session ends. */
async function endless(one: Client, sql: string): Promise<void> {
  const pid = (await one.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]?.pid;
  const done = one.query(sql).catch(() => undefined);
  stops.push(async () => {
    await server.query("SELECT pg_terminate_backend($1)", [pid]);
    await done;
  });
}

type Heard = Readonly<{
  events: MonitorEvent[];
  asked(reason: string | RegExp): string | null;
  released(id: string): true | null;
}>;

function sense(
  policy: Partial<AnticipationPolicy> = {},
  who: Parameters<typeof client> = [],
): Heard {
  const events: MonitorEvent[] = [];
  const kept = client(...who);
  const one = new PostgresSense({
    client: kept,
    policy: { ...ANTICIPATION_DEFAULTS, sessionMinRunMs: 0, processBytes: 4 * MIB, ...policy },
    reservedBy: { lockClasses: [LOCK_CLASS, LOCK_CLASS + 1] },
    now: () => performance.now(),
    mostBytes: () => 4096 * MIB,
    reserve: (request) => events.push({ kind: "reservation-asked", request }),
    feed: (event) => events.push(event),
    log,
    timers: { lookEveryMs: 20, settingsEveryMs: HOUR_MS },
  });
  one.start();
  kept.start();
  stops.push(async () => {
    one.stop();
    await kept.stop();
  });
  const requests = () =>
    events.flatMap((event) => (event.kind === "reservation-asked" ? [event.request] : []));
  return {
    events,
    asked: (reason) => {
      const pattern = typeof reason === "string" ? new RegExp(`^${reason}$`) : reason;
      const found = requests().find((one) => pattern.test(one.reason));
      if (found === undefined) return null;
      const { owner, memBytes, door } = found;
      return `${door}: ${owner.replace(/\d+/, "N")} ${Math.round(memBytes / MIB)} MiB`;
    },
    released: (id) =>
      events.some((event) => event.kind === "reservation-released" && event.id === id) || null,
  };
}

function idsOf({ events }: Heard): string[] {
  return events.flatMap((event) => (event.kind === "reservation-asked" ? [event.request.id] : []));
}

describe("what is anticipated", () => {
  test("an index that is being built, from when its table is known until it is there", async () => {
    const holder = await session();
    await holder.query("SELECT pg_advisory_lock(1)");
    const builder = await session({ user: "anna" });
    const heard = sense({ leastBytes: 1 });
    const built = builder.query("CREATE INDEX held_index ON busy (held(id))");
    const asked = await until("it is anticipated", () => heard.asked("CREATE INDEX"));
    // Three times its 100 000 narrow rows, a tenth more, and a process.
    expect(asked).toBe("anticipation: anna, pid N 15 MiB");
    await holder.query("SELECT pg_advisory_unlock(1)");
    await built;
    const [id = ""] = idsOf(heard);
    await until("it is over", () => heard.released(id));
    expect(idsOf(heard)).toEqual([id]);
    await builder.query("DROP INDEX held_index");
  });

  test("no index of who has a reservation of his own, as the event trigger makes it", async () => {
    const holder = await session();
    await holder.query("SELECT pg_advisory_lock(1)");
    const heard = sense({ leastBytes: 1, sessions: false });
    const reserver = await session({ user: "anna" });
    await reserver.query("BEGIN");
    await reserver.query(`SELECT pg_advisory_xact_lock(${LOCK_CLASS}, 4711)`);
    await endless(reserver, "CREATE INDEX ON busy (held(id))");
    await until("it is being built", async () => {
      const rows = await server.query("SELECT FROM pg_stat_progress_create_index");
      return rows.length === 1 || null;
    });
    // One more is seen after it, and is the only one.
    const sweeper = await session();
    await sweeper.query("SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1");
    await server.query("CREATE TABLE swept AS SELECT 1 AS id FROM generate_series(1, 50000)");
    await endless(sweeper, "VACUUM (DISABLE_PAGE_SKIPPING) swept");
    await until("the other is anticipated", () => heard.asked("VACUUM"));
    expect(idsOf(heard)).toHaveLength(1);
  });

  test("REINDEX CONCURRENTLY, which no event trigger of PostgreSQL 15 sees, before it reads the table", async () => {
    await server.query("CREATE INDEX again ON busy (id)");
    const writer = await session();
    await writer.query("BEGIN");
    await writer.query("DELETE FROM busy WHERE id = 2");
    const builder = await session();
    const heard = sense();
    const built = builder.query("REINDEX INDEX CONCURRENTLY again");
    const asked = await until("it is anticipated", () => heard.asked("REINDEX CONCURRENTLY"));
    expect(asked).toBe("anticipation: postgres, pid N 78 MiB");
    await writer.query("COMMIT");
    await built;
    await until("it is over", () => heard.released(idsOf(heard)[0] ?? ""));
    await server.query("DROP INDEX again");
  });

  test("a long query, by the settings of whoever runs it", async () => {
    const heard = sense();
    await endless(await session({ user: "anna" }), "SELECT count(*) FROM generate_series(1, 1e15)");
    const asked = await until("it is anticipated", () => heard.asked("query"));
    expect(asked).toBe("anticipation: anna, pid N 128 MiB");
  });

  test("none that waits for a lock, nor one of who has a reservation of his own", async () => {
    const holder = await session();
    await holder.query("SELECT pg_advisory_lock(2)");
    const heard = sense();
    await endless(await session({ user: "anna" }), "SELECT pg_advisory_lock(2)");
    const reserver = await session({ user: "anna" });
    await reserver.query(`SELECT pg_advisory_lock_shared(${LOCK_CLASS}, 4711)`);
    await endless(reserver, "SELECT count(*) FROM generate_series(1, 1e15)");
    await endless(await session({ user: "anna" }), "SELECT sum(g) FROM generate_series(1, 1e15) g");
    await until("the third is anticipated", () => heard.asked("query"));
    expect(idsOf(heard)).toHaveLength(1);
  });

  test("VACUUM, by the list that its table can fill", async () => {
    const heard = sense({ leastBytes: 1, sessions: false });
    const sweeper = await session();
    await sweeper.query("SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1");
    await server.query("DELETE FROM busy WHERE ctid > '(10,1)' AND ctid < '(200,1)'");
    await endless(sweeper, "VACUUM (DISABLE_PAGE_SKIPPING) busy");
    const asked = await until("it is anticipated", () => heard.asked("VACUUM"));
    expect(asked).toMatch(/^anticipation: postgres, pid N \d MiB$/);
  });

  test("a rush of connections", async () => {
    let sessions = 0;
    const heard = sense({ leastBytes: 1, sessions: false, connectionsLeast: 2 });
    // One more and one more, for the first may come before the first look.
    const asked = await until("it is anticipated", async () => {
      if (sessions < 25) await session();
      sessions += 1;
      return heard.asked(/^\d+ connections in 5 s$/);
    });
    expect(asked).toMatch(/^anticipation: clients \d+ MiB$/);
  });
});

test("idle, PostgreSQL is asked twice a second at most", () => {
  const { lookEveryMs, settingsEveryMs } = SENSE_TIMERS;
  expect(1_000 / lookEveryMs + 1_000 / settingsEveryMs).toBeLessThanOrEqual(2);
});

describe("what goes wrong", () => {
  test("PostgreSQL is started anew: it is prepared again, and looked at again", async () => {
    const heard = sense();
    await until("it has looked", () => heard.events.length > 0 || null);
    await server.stop("immediate");
    await until("the cache is gone", () => {
      const last = heard.events.at(-1);
      return (last?.kind === "file-cache-seen" && last.cache === null) || null;
    });
    const seen = heard.events.length;
    await server.run();
    await until("it is back", () => heard.events.length > seen || null, 30_000);
    await endless(await session({ user: "anna" }), "SELECT count(*) FROM generate_series(1, 1e15)");
    await until("it is anticipated", () => heard.asked("query"));
    expect(lines.filter((line) => line.includes("nothing is anticipated"))).toEqual([]);
  });

  test("a role that may see nothing of others anticipates nothing, and a prepared statement that is gone is said once", async () => {
    const heard = sense({}, ["postgres", "meek"]);
    await until("it has looked", () => heard.events.length > 0 || null);
    expect(idsOf(heard)).toEqual([]);
  });
});

describe("the file cache", () => {
  async function hand(who: Parameters<typeof client> = []) {
    const answers: CacheAnswer[] = [];
    const kept = client(...who);
    kept.start();
    await until("it is connected", () => kept.isConnected || null);
    const one = new FileCacheHand(
      kept,
      () => performance.now(),
      (answer) => answers.push(answer),
    );
    const answer = (order: number) =>
      until("it is answered", () => answers.find((said) => said.order === order) ?? null);
    return { one, answer, answers };
  }
  const soon = () => performance.now() + 5_000;

  test("is seen where there is one", async () => {
    const heard = sense();
    const first = await until("it is seen", () => heard.events[0] ?? null);
    const cache = { limitBytes: 1024 * MIB, maxBytes: 4096 * MIB };
    expect(first).toEqual({ kind: "file-cache-seen", cache });
  });

  test("is not seen where there is none", async () => {
    const heard = sense({}, ["bare"]);
    const first = await until("it is looked for", () => heard.events[0] ?? null);
    expect(first).toEqual({ kind: "file-cache-seen", cache: null });
  });

  test("is set, and seen to be set", async () => {
    const { one, answer } = await hand();
    one.set({ order: 1, bytes: 512 * MIB, until: soon() });
    expect(await answer(1)).toEqual({ order: 1, limitBytes: 512 * MIB, problem: null });
    const seen = await server.query("SHOW neon.file_cache_size_limit");
    expect(seen).toEqual([{ "neon.file_cache_size_limit": "512MB" }]);
    one.set({ order: 2, bytes: 1024 * MIB, until: soon() });
    expect(await answer(2)).toMatchObject({ limitBytes: 1024 * MIB, problem: null });
  });

  test("a newer order replaces one that has not begun", async () => {
    const { one, answer, answers } = await hand();
    for (const order of [1, 2, 3]) one.set({ order, bytes: order * 64 * MIB, until: soon() });
    expect(await answer(3)).toMatchObject({ limitBytes: 192 * MIB });
    expect(answers.map(({ order }) => order)).toEqual([1, 3]);
  });

  test("a role that may not is told so, and so are we", async () => {
    const { one, answer } = await hand(["postgres", "meek"]);
    one.set({ order: 1, bytes: 512 * MIB, until: soon() });
    expect(await answer(1)).toMatchObject({
      limitBytes: null,
      problem: expect.stringContaining("permission denied") as string,
    });
  });

  test("an order that is late before it begins is not begun", async () => {
    const { one, answer } = await hand();
    one.set({ order: 1, bytes: 333 * MIB, until: performance.now() - 1 });
    expect(await answer(1)).toEqual({
      order: 1,
      limitBytes: null,
      problem: "PostgreSQL was too slow",
    });
  });
});
