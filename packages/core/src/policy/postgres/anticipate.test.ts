import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PostgresActivity } from "./activity.ts";
import { INITIAL_ANTICIPATION, stepAnticipation } from "./anticipate.ts";
import { ANTICIPATION_DEFAULTS, type AnticipationPolicy } from "./config.ts";
import { activity, build, query, vacuum } from "./testing/activity.ts";

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;

/** What is asked for and given back, moment by moment, one second apart. MiB. */
function play(
  moments: readonly PostgresActivity[],
  given: Readonly<{
    policy?: Partial<AnticipationPolicy>;
    mostBytes?: number;
    everyMs?: number;
  }> = {},
) {
  const policy = { ...ANTICIPATION_DEFAULTS, processBytes: 4 * MIB, ...given.policy };
  const mostBytes = given.mostBytes ?? 8 * GIB;
  let state = INITIAL_ANTICIPATION;
  return moments.map((moment, index) => {
    const now = 10_000 + index * (given.everyMs ?? 1_000);
    const step = stepAnticipation(state, moment, { mostBytes, policy }, now);
    state = step.state;
    const asked = step.ask.map(({ id, memBytes }) => `${id} ${Math.round(memBytes / MIB)}`);
    return [...asked, ...step.release.map((id) => `${id} over`)];
  });
}

const BIG = { workMemBytes: 64 * MIB };

test.for([
  { name: "nothing goes on", moment: activity(), want: [] },
  { name: "an index", moment: activity({ builds: [build(7)] }), want: ["build:7:7 78"] },
  {
    name: "an index of a small table is not worth it",
    moment: activity({ builds: [build(7, { tableBytes: 8 * MIB })] }),
    want: [],
  },
  {
    name: "an index whose table is read already",
    moment: activity({ builds: [build(7, { isRead: true })] }),
    want: [],
  },
  { name: "a vacuum", moment: activity({ vacuums: [vacuum(8)] }), want: ["vacuum:8:8 64"] },
  {
    name: "a vacuum of a small table is not worth it",
    moment: activity({ vacuums: [vacuum(8, { maxBytes: 3 * MIB })] }),
    want: [],
  },
  {
    name: "a long query",
    moment: activity({ queries: [query(9, { processes: 3 })] }, BIG),
    want: ["query:9:9 384"],
  },
  {
    name: "a short query",
    moment: activity({ queries: [query(9, { runMs: 499 })] }, BIG),
    want: [],
  },
  {
    name: "a query that waits for a lock",
    moment: activity({ queries: [query(9, { isWaiting: true })] }, BIG),
    want: [],
  },
  {
    name: "a long query with little work_mem is not worth it",
    moment: activity({ queries: [query(9)] }),
    want: [],
  },
  {
    name: "four of them are",
    moment: activity({ queries: [1, 2, 3, 4].map((pid) => query(pid)) }),
    want: ["query:1:1 8", "query:2:2 8", "query:3:3 8", "query:4:4 8"],
  },
  {
    name: "all at once, in the order of what they cost when they fail",
    moment: activity({ queries: [query(9)], vacuums: [vacuum(8)], builds: [build(7)] }, BIG),
    want: ["build:7:7 78", "vacuum:8:8 64", "query:9:9 128"],
  },
])("$name", ({ moment, want }) => {
  expect(play([moment])).toEqual([want]);
});

test.for([
  { off: "indexBuilds", id: "build:7:7" },
  { off: "vacuums", id: "vacuum:8:8" },
  { off: "sessions", id: "query:9:9" },
  { off: "connections", id: "connections:11000" },
] as const)("$off can be switched off alone", ({ off, id }) => {
  const busy = { queries: [query(9)], vacuums: [vacuum(8)], builds: [build(7)], connections: 60 };
  const moments = [activity(), activity(busy, { ...BIG, maxConnections: 1000 })];
  const ids = (policy: Partial<AnticipationPolicy>) =>
    (play(moments, { policy })[1] ?? []).map((line) => line.split(" ")[0]);
  expect(ids({})).toContain(id);
  expect(ids({})).toHaveLength(4);
  expect(ids({ [off]: false })).toEqual(ids({}).filter((one) => one !== id));
});

describe("once, until it is over", () => {
  const going = activity({ queries: [query(9)] }, BIG);
  const idle = activity({}, BIG);

  test("it is asked for once, and given back when it has ended", () => {
    expect(play([going, going, idle, idle])).toEqual([
      ["query:9:9 128"],
      [],
      ["query:9:9 over"],
      [],
    ]);
  });

  test("after its hold it is not asked for again", () => {
    const policy = { sessionHoldMs: 1_500 };
    expect(play([going, going, going, idle], { policy })).toEqual([
      ["query:9:9 128"],
      [],
      [],
      ["query:9:9 over"],
    ]);
  });

  test("the same process may begin another", () => {
    const next = activity({ queries: [query(9, { key: "second" })] }, BIG);
    expect(play([going, next])).toEqual([
      ["query:9:9 128"],
      ["query:9:second 128", "query:9:9 over"],
    ]);
  });

  test("an index is not given back while it is written", () => {
    const reads = activity({ builds: [build(7)] });
    const writes = activity({ builds: [build(7, { isRead: true })] });
    expect(play([reads, writes, activity()])).toEqual([["build:7:7 78"], [], ["build:7:7 over"]]);
  });

  test("a query that waits in between is not over", () => {
    const waits = activity({ queries: [query(9, { isWaiting: true })] }, BIG);
    expect(play([waits, going, waits, going])).toEqual([[], ["query:9:9 128"], [], []]);
  });

  test("what remains is kept although alone it would not be worth it", () => {
    const four = activity({ queries: [1, 2, 3, 4].map((pid) => query(pid)) });
    const three = activity({ queries: [1, 2, 3].map((pid) => query(pid)) });
    expect(play([four, three])[1]).toEqual(["query:4:4 over"]);
  });
});

describe("bounds", () => {
  const two = activity({ queries: [query(1), query(2)] }, { workMemBytes: 512 * MIB });

  test("the last one gets what is left of the share, the next nothing", () => {
    const three = activity(
      { queries: [query(1), query(2), query(3)] },
      { workMemBytes: 512 * MIB },
    );
    expect(play([three], { mostBytes: 3 * GIB, policy: { maxShare: 0.5 } })).toEqual([
      ["query:1:1 1024", "query:2:2 512"],
    ]);
  });

  test("a hold that ended makes room", () => {
    const later = activity({ queries: [query(1), query(3)] }, { workMemBytes: 512 * MIB });
    const policy = { sessionHoldMs: 500, maxShare: 0.5 };
    expect(play([two, later], { mostBytes: 2 * GIB, policy })).toEqual([
      ["query:1:1 1024"],
      ["query:3:3 1024"],
    ]);
  });

  test("not more than so many, the largest first", () => {
    const queries = [query(1), query(2, { processes: 5 }), query(3, { processes: 2 })];
    const moment = activity({ queries }, BIG);
    expect(play([moment], { policy: { maxCount: 2 } })).toEqual([
      ["query:2:2 640", "query:3:3 256"],
    ]);
  });

  test("however wild, Σ stays within the share, ids are unique and amounts whole", () => {
    const wild = fc.record({
      connections: fc.nat({ max: 2000 }),
      queries: fc.array(
        fc.record({
          pid: fc.nat({ max: 50 }),
          runMs: fc.nat({ max: 2000 }),
          processes: fc.nat({ max: 9 }),
        }),
        { maxLength: 60 },
      ),
      workMemBytes: fc.nat({ max: 2 * GIB }),
      mostBytes: fc.nat({ max: 16 * GIB }),
      waitMs: fc.nat({ max: 4000 }),
    });
    fc.assert(
      fc.property(fc.array(wild, { maxLength: 20 }), (moments) => {
        const policy = ANTICIPATION_DEFAULTS;
        let state = INITIAL_ANTICIPATION;
        let now = 0;
        const open = new Map<string, Readonly<{ memBytes: number; holdUntil: number }>>();
        for (const { connections, queries, workMemBytes, mostBytes, waitMs } of moments) {
          now += waitMs;
          const unique = new Map(queries.map((one) => [one.pid, query(one.pid, one)]));
          const moment = activity(
            { connections, queries: [...unique.values()] },
            { workMemBytes, maxConnections: 1000 },
          );
          const step = stepAnticipation(state, moment, { mostBytes, policy }, now);
          state = step.state;
          for (const id of step.release) expect(open.delete(id)).toBe(true);
          const heldBytes = () =>
            [...open.values()]
              .filter(({ holdUntil }) => now < holdUntil)
              .reduce((sum, { memBytes }) => sum + memBytes, 0);
          const before = heldBytes();
          for (const one of step.ask) {
            expect(open.has(one.id)).toBe(false);
            expect(Number.isSafeInteger(one.memBytes) && one.memBytes > 0).toBe(true);
            open.set(one.id, one);
          }
          expect(heldBytes()).toBeLessThanOrEqual(Math.max(before, policy.maxShare * mostBytes));
          expect(open.size).toBeLessThanOrEqual(policy.maxCount);
        }
      }),
      { seed: 17, numRuns: 300 },
    );
  });
});

describe("connections", () => {
  const with_ = (connections: number, max = 1000) =>
    activity({ connections }, { maxConnections: max });

  test("a rush: as many as came may come again", () => {
    expect(play([with_(10), with_(60)])).toEqual([[], ["connections:11000 213"]]);
  });

  test("no more than max_connections", () => {
    expect(play([with_(10, 70), with_(60, 70)])).toEqual([[], ["connections:11000 43"]]);
  });

  test("a few more are no rush; many that stay neither", () => {
    expect(play([with_(10), with_(17)])).toEqual([[], []]);
    expect(play([with_(900), with_(900)])).toEqual([[], []]);
  });

  test("slow growth is none: the window forgets", () => {
    const slow = Array.from({ length: 30 }, (_, n) => with_(10 + n));
    expect(play(slow, { everyMs: 1_000 }).flat()).toEqual([]);
  });

  test("it is given back when its hold is over, and may come again", () => {
    const policy = { connectionsWindowMs: 1_500, sessionHoldMs: 2_000 };
    const moments = [with_(10), with_(60), with_(60), with_(60), with_(60), with_(120)];
    expect(play(moments, { policy })).toEqual([
      [],
      ["connections:11000 213"],
      [],
      ["connections:11000 over"],
      [],
      ["connections:15000 255"],
    ]);
  });

  test("one that goes on when its hold is over is another reservation, and no id is used twice", () => {
    const policy = { sessionHoldMs: 1_000 };
    expect(play([with_(10), with_(60), with_(60), with_(60)], { policy })).toEqual([
      [],
      ["connections:11000 213"],
      ["connections:12000 213", "connections:11000 over"],
      ["connections:13000 213", "connections:12000 over"],
    ]);
  });
});
