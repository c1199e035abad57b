// The registry alone: who is taken in, granted, refused and ended, and what of it counts twice, late or never.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { floorFor, roomIn } from "./floor.ts";
import { ask, find, floorOf, grantedOf, listed, release, settle, wakeAtOf } from "./registry.ts";
import { NO_RESERVATIONS, type Change, type Facts, type Reservations } from "./state.ts";
import {
  MAX_RESERVATIONS_PER_DOOR,
  MAX_RESERVATIONS_PER_OWNER,
  type Base,
  type ReservationDoor,
  type ReservationRequest,
} from "./types.ts";

const MIB = 1024 ** 2;
const CELL = 128 * MIB;
const BASE: Base = { usedBytes: 300 * MIB, kernelBytes: 40 * MIB, toldBytes: 512 * MIB };

const request = (id: string, more: Partial<ReservationRequest> = {}): ReservationRequest => ({
  id,
  door: "http",
  owner: "anna",
  reason: "",
  memBytes: 256 * MIB,
  milliCpu: 0,
  waitUntil: 1_000,
  holdUntil: null,
  ifNotGranted: "fail",
  ...more,
});

const usable = (mib: number, milliCpu: number) => ({
  memBytes: mib * MIB,
  totalBytes: 0,
  milliCpu,
});

const facts = (mib: number, more: Partial<Facts> = {}): Facts => ({
  inUse: BASE,
  usable: usable(mib, 1_000),
  max: { milliCpu: 4_000, memBytes: 4096 * MIB },
  cellUp: ({ milliCpu, memBytes }) => ({
    milliCpu: Math.ceil(milliCpu / 250) * 250,
    memBytes: Math.ceil(memBytes / CELL) * CELL,
  }),
  obstacle: { reason: "growing", text: "on its way" },
  ...more,
});

/** A registry with its clock, as the stage drives it: every word is followed by `settle`. */
class Desk {
  now = 0;
  state: Reservations = NO_RESERVATIONS;
  facts = facts(512);
  said: string[] = [];
  last: Change | null = null;

  ask(one: ReservationRequest): void {
    this.take(ask(this.state, one, this.facts.inUse, this.now));
    this.settle();
  }

  release(id: string): void {
    this.take(release(this.state, id, this.now));
    this.settle();
  }

  list(door: ReservationDoor, ...ids: string[]): void {
    this.take(listed(this.state, door, ids, this.now));
    this.settle();
  }

  at(now: number, mib: number | null = null): void {
    this.now = now;
    if (mib !== null) this.facts = facts(mib);
    this.settle();
  }

  settle(): void {
    this.take(settle(this.state, this.facts, this.now));
  }

  take([state, changes]: readonly [Reservations, readonly Change[]]): void {
    this.state = state;
    for (const change of changes) {
      this.last = change;
      this.said.push(`${change.request.id} ${change.state} ${change.verdict.reason}`);
    }
  }

  /** What was said since the last call. */
  news(): string[] {
    return this.said.splice(0);
  }
}

describe("a reservation's life", () => {
  test("waits until the memory is there, is granted, is released; each is said once", () => {
    const desk = new Desk();
    desk.ask(request("a"));
    desk.at(100);
    desk.at(200, 640);
    desk.at(300);
    desk.release("a");
    desk.release("a");
    expect(desk.news()).toEqual(["a waiting growing", "a granted there", "a ended released"]);
    expect(desk.state).toEqual(NO_RESERVATIONS);
    expect(wakeAtOf(desk.state)).toBeNull();
  });

  test("what is there already is granted at once", () => {
    const desk = new Desk();
    desk.facts = facts(1024);
    desk.ask(request("a", { waitUntil: 0 }));
    expect(desk.news()).toEqual(["a granted there"]);
    expect(desk.last?.verdict).toMatchObject({ granted: { memBytes: 256 * MIB, milliCpu: 0 } });
  });

  test("MemTotal alone is proof enough, before any agent has said so", () => {
    const desk = new Desk();
    desk.ask(request("a"));
    // 300 MiB in use and 256 MiB asked for, with a kernel's share that was known before.
    desk.facts = facts(512, { usable: { ...usable(512, 1_000), totalBytes: 555 * MIB } });
    desk.at(100);
    desk.facts = facts(512, { usable: { ...usable(512, 1_000), totalBytes: 556 * MIB } });
    desk.at(200);
    expect(desk.news()).toEqual(["a waiting growing", "a granted there"]);
    expect(desk.last?.verdict.waitedMs).toBe(200);
  });

  test("what is there once is granted once", () => {
    const desk = new Desk();
    desk.ask(request("a"));
    desk.ask(request("b"));
    desk.news();
    desk.at(100, 640);
    expect(desk.news()).toEqual(["a granted there"]);
    desk.at(200, 896);
    expect(desk.news()).toEqual(["b granted there"]);
  });

  test("a wait that is over is refused, and says what it waited for", () => {
    const desk = new Desk();
    desk.ask(request("a"));
    expect(wakeAtOf(desk.state)).toBe(1_000);
    desk.facts = facts(512, { obstacle: { reason: "node-full", text: "the node is full" } });
    desk.at(999);
    desk.at(1_000);
    expect(desk.news()).toEqual(["a waiting growing", "a refused node-full"]);
    expect(desk.last?.verdict.text).toBe("not there in time: the node is full");
    expect(desk.last?.verdict.waitedMs).toBe(1_000);
    expect(desk.state).toEqual(NO_RESERVATIONS);
  });

  test("who goes on in any case gets what is there when the wait is over, and keeps it", () => {
    const desk = new Desk();
    desk.ask(request("a", { ifNotGranted: "proceed" }));
    desk.at(1_000);
    expect(desk.news()).toEqual(["a waiting growing", "a granted proceeded"]);
    expect(desk.last?.verdict.granted).toEqual({ milliCpu: 0, memBytes: 172 * MIB });
    expect(desk.state.active).toHaveLength(1);
  });

  test.for<[string, Partial<ReservationRequest>, number]>([
    ["while it is held", { holdUntil: 700 }, 1024],
    ["while it waits", { holdUntil: 700 }, 512],
  ])("its time is over %s", ([, more, mib]) => {
    const desk = new Desk();
    desk.facts = facts(mib);
    desk.ask(request("a", more));
    expect(wakeAtOf(desk.state)).toBe(700);
    desk.at(699);
    expect(desk.state.active).toHaveLength(1);
    desk.at(700);
    expect(desk.news().at(-1)).toBe("a ended expired");
    expect(desk.state).toEqual(NO_RESERVATIONS);
  });

  test("given up before it was granted: cancelled", () => {
    const desk = new Desk();
    desk.ask(request("a"));
    desk.release("a");
    expect(desk.news()).toEqual(["a waiting growing", "a ended cancelled"]);
  });

  test("a door that starts anew lists what it has: the rest of that door is gone", () => {
    const desk = new Desk();
    desk.ask(request("a"));
    desk.ask(request("b"));
    desk.ask(request("c", { door: "sql" }));
    desk.news();
    desk.list("http", "b", "unknown");
    expect(desk.news()).toEqual(["a ended gone"]);
    expect(desk.state.active.map((one) => one.request.id)).toEqual(["b", "c"]);
  });

  test("asked twice: counted once, its hold is the new one", () => {
    const desk = new Desk();
    desk.ask(request("a"));
    const floor = floorOf(desk.state);
    desk.ask(request("a", { holdUntil: 5_000, memBytes: 999 * MIB }));
    expect(floorOf(desk.state)).toEqual(floor);
    desk.at(500, 640);
    desk.ask(request("a", { holdUntil: 9_000 }));
    expect(desk.news()).toEqual([
      "a waiting growing",
      "a waiting growing",
      "a granted there",
      "a granted there",
    ]);
    expect(wakeAtOf(desk.state)).toBe(9_000);
  });

  test("before anything is measured it waits, and what is in use counts from then", () => {
    const desk = new Desk();
    const blind = { inUse: null, usable: null, max: null } as const;
    desk.facts = facts(0, { ...blind, obstacle: { reason: "no-measurements", text: "nothing" } });
    desk.ask(request("a"));
    expect(floorOf(desk.state).memBytes).toBe(0);
    desk.at(100, 640);
    expect(desk.news()).toEqual(["a waiting no-measurements", "a granted there"]);
    expect(floorOf(desk.state).memBytes).toBeGreaterThan(556 * MIB);
  });
});

describe("the bounds", () => {
  test("more than they hold is refused at once, and says so", () => {
    const desk = new Desk();
    desk.ask(request("a", { memBytes: 4096 * MIB }));
    expect(desk.news()).toEqual(["a refused bounds"]);
    expect(desk.last?.verdict.text).toContain("the largest size of this machine is 4096 MiB");
    desk.ask(request("b", { memBytes: 0, milliCpu: 5_000 }));
    expect(desk.news()).toEqual(["b refused bounds"]);
    expect(desk.last?.verdict.text).toBe(
      "5 vCPU are more than this machine may have: its largest size is 4 vCPU",
    );
  });

  test("what the others hold already counts", () => {
    const desk = new Desk();
    desk.ask(request("a", { memBytes: 2048 * MIB }));
    desk.ask(request("b", { memBytes: 2048 * MIB }));
    expect(desk.news()).toEqual(["a waiting growing", "b refused bounds"]);
  });

  test("who goes on in any case gets as much as fits, and is refused when that is nothing", () => {
    const desk = new Desk();
    desk.ask(request("a", { memBytes: 9000 * MIB, ifNotGranted: "proceed" }));
    const all = facts(4096).cellUp(floorOf(desk.state));
    expect(all.memBytes).toBe(4096 * MIB);
    desk.ask(request("b", { memBytes: 9000 * MIB, ifNotGranted: "proceed" }));
    expect(desk.news()).toEqual(["a waiting growing", "b refused bounds"]);
  });

  test("bounds that are learned or cut later refuse who waits; who was granted stays", () => {
    const desk = new Desk();
    desk.facts = facts(1024, { max: null });
    desk.ask(request("a", { memBytes: 512 * MIB }));
    desk.ask(request("b", { memBytes: 2048 * MIB }));
    desk.facts = facts(1024, { max: { milliCpu: 1_000, memBytes: 640 * MIB } });
    desk.at(10);
    expect(desk.news()).toEqual(["a granted there", "b waiting growing", "b refused bounds"]);
    expect(desk.state.active.map((one) => one.request.id)).toEqual(["a"]);
  });
});

describe("limits", () => {
  test("per door, and per owner within it", () => {
    const desk = new Desk();
    const fill = (owner: string, count: number) => {
      for (let i = 0; i < count; i += 1) desk.ask(request(`${owner}-${i}`, { owner, memBytes: 1 }));
    };
    fill("anna", MAX_RESERVATIONS_PER_OWNER + 1);
    expect(desk.news().at(-1)).toBe(`anna-${MAX_RESERVATIONS_PER_OWNER} refused too-many`);
    fill("ben", MAX_RESERVATIONS_PER_DOOR);
    expect(desk.state.active).toHaveLength(MAX_RESERVATIONS_PER_DOOR);
    desk.ask(request("of another door", { door: "sql" }));
    expect(desk.state.active).toHaveLength(MAX_RESERVATIONS_PER_DOOR + 1);
    desk.release("anna-0");
    desk.ask(request("in its place"));
    expect(desk.state.active.at(-1)?.request.id).toBe("in its place");
  });

  test.for<[string, Partial<ReservationRequest>]>([
    ["no id", { id: "" }],
    ["a long id", { id: "x".repeat(129) }],
    ["an id that can't be shown", { id: "a\nb" }],
    ["negative memory", { memBytes: -1 }],
    ["half a byte", { memBytes: 0.5 }],
    ["no number", { memBytes: NaN }],
    ["beyond 2^53", { memBytes: 2 ** 60 }],
    ["negative CPU", { milliCpu: -1 }],
    ["nothing at all", { memBytes: 0, milliCpu: 0 }],
    ["a wait without an end", { waitUntil: Infinity }],
    ["a hold that is no time", { holdUntil: NaN }],
    ["a door that is none", { door: "window" as ReservationDoor }],
  ])("%s is refused and leaves no trace", ([, more]) => {
    const desk = new Desk();
    desk.ask({ ...request("a"), ...more });
    expect(desk.last?.verdict.reason).toBe("bad-request");
    expect(desk.state).toEqual(NO_RESERVATIONS);
  });

  test("an id of another door is nobody else's", () => {
    const desk = new Desk();
    desk.ask(request("a"));
    desk.ask(request("a", { door: "sql", holdUntil: 1 }));
    expect(desk.news()).toEqual(["a waiting growing", "a refused bad-request"]);
    expect(desk.state.active[0]?.request.holdUntil).toBeNull();
  });

  test("long and strange texts are kept short and printable", () => {
    const desk = new Desk();
    desk.ask(
      request("a", { owner: "😀".repeat(1_000), reason: `x\u0000\n\ud800${"y".repeat(10_000)}` }),
    );
    const { owner, reason } = desk.state.active[0]?.request ?? request("a");
    expect(Array.from(owner)).toHaveLength(64);
    expect(Buffer.from(owner).toString()).toBe(owner); // no half of a character
    expect(reason).toMatch(/^x yyy.*…$/);
    expect(reason).toHaveLength(200);
  });
});

describe("what is in use", () => {
  test("use that the reservations don't explain raises the base for the next one", () => {
    const desk = new Desk();
    desk.facts = facts(1024);
    desk.ask(request("a"));
    const inUse = { ...BASE, usedBytes: 900 * MIB };
    desk.facts = facts(1024, { inUse });
    desk.ask(request("b"));
    // 900 in use, of which 256 may be a's own; b comes on top of all that is in use.
    expect(desk.state.base?.usedBytes).toBe(644 * MIB);
    expect(floorOf(desk.state)).toEqual(
      floorFor({ ...BASE, usedBytes: 900 * MIB }, [{ memBytes: 256 * MIB, milliCpu: 0 }]),
    );
  });

  test("what a reservation uses itself is not counted twice", () => {
    const desk = new Desk();
    desk.facts = facts(2048);
    desk.ask(request("a", { memBytes: 512 * MIB }));
    const floor = floorOf(desk.state);
    desk.facts = facts(2048, { inUse: { ...BASE, usedBytes: 812 * MIB } });
    desk.at(100);
    expect(floorOf(desk.state)).toEqual(floor);
  });

  test("room is the inverse of the floor, to the mebibyte", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000 }), fc.nat(40_000), (mib, used) => {
        const base = { ...BASE, usedBytes: used * MIB };
        const amounts = [{ memBytes: mib * MIB, milliCpu: 0 }];
        const { memBytes } = floorFor(base, amounts);
        expect(Math.abs(roomIn(base, memBytes, amounts))).toBeLessThanOrEqual(MIB);
        const room = roomIn(base, memBytes, []);
        const back = floorFor(base, [{ memBytes: room, milliCpu: 0 }]).memBytes;
        if (room > 0) expect(back).toBeLessThanOrEqual(memBytes);
      }),
    );
  });
});

const amounts = fc.record({
  memBytes: fc.integer({ min: 0, max: 900 }).map((mib) => mib * MIB),
  milliCpu: fc.constantFrom(0, 250, 1_000, 4_000),
  ifNotGranted: fc.constantFrom("fail", "proceed"),
});

test("property: in any order the same floor, more for each one, and never above what was in use and asked", () => {
  fc.assert(
    fc.property(fc.array(amounts, { maxLength: 12 }), fc.integer(), (all, salt) => {
      const asked = all.filter((one) => one.memBytes + one.milliCpu > 0);
      const requests = asked.map((one, index) => request(String(index), one));
      const floorAfter = (some: readonly ReservationRequest[]) => {
        const desk = new Desk();
        desk.facts = facts(8192, { max: null, usable: usable(1024 ** 2, 8_000) });
        let before = { milliCpu: 0, memBytes: 0 };
        for (const one of some) {
          desk.ask(one);
          const floor = floorOf(desk.state);
          expect(floor.memBytes).toBeGreaterThanOrEqual(before.memBytes);
          expect(floor.milliCpu).toBeGreaterThanOrEqual(before.milliCpu);
          before = floor;
        }
        return before;
      };
      const other = [...requests].sort(
        (a, b) => ((Number(a.id) * 7919 + salt) % 13) - ((Number(b.id) * 7919 + salt) % 13),
      );
      expect(floorAfter(other)).toEqual(floorAfter(requests));
    }),
    { seed: 20_261_126 },
  );
});

type Deed = readonly [pause: number, what: string, id: number];
const deed: fc.Arbitrary<Deed> = fc.tuple(
  fc.constantFrom(0, 0, 10, 300, 2_000),
  fc.constantFrom("ask", "ask", "ask", "release", "list", "shrink", "grow", "max"),
  fc.nat(7),
);

test("property: whatever comes twice, late or never, each is told its end once and nothing is left", () => {
  fc.assert(
    fc.property(
      fc.array(deed, { maxLength: 60 }),
      fc.array(amounts, { minLength: 8, maxLength: 8 }),
      (deeds, all) => {
        const desk = new Desk();
        // Own books: what is alive by what was told.
        const alive = new Map<string, string>();
        const heed = () => {
          for (const line of desk.news()) {
            const [id = "", state = ""] = line.split(" ");
            const was = alive.get(id) ?? "none";
            const isBad = line.endsWith("bad-request");
            if (isBad) continue;
            if (state === "ended") expect(["waiting", "granted"]).toContain(was);
            if (state === "waiting") expect(["none", "waiting"]).toContain(was);
            if (state === "refused") expect(["none", "waiting"]).toContain(was);
            if (state === "waiting" || state === "granted") alive.set(id, state);
            else alive.delete(id);
          }
          const active = desk.state.active.map((one) => `${one.request.id} ${one.state}`).sort();
          expect(active).toEqual([...alive].map(([id, state]) => `${id} ${state}`).sort());
          const due = wakeAtOf(desk.state);
          expect(due === null || due > desk.now).toBe(true);
        };
        for (const [pause, what, id] of deeds) {
          desk.now += pause;
          const one = all[id];
          const holdUntil = id % 2 === 0 ? null : desk.now + 1_500;
          if (what === "ask") {
            desk.ask(request(String(id), { ...one, waitUntil: desk.now + id * 200, holdUntil }));
          } else if (what === "release") desk.release(String(id));
          else if (what === "list") desk.list("http", "0", "1", "2");
          else if (what === "max") {
            desk.facts = { ...desk.facts, max: { milliCpu: 1_000 * id, memBytes: id * 512 * MIB } };
          } else desk.facts = { ...desk.facts, usable: usable(id * 512, 4_000) };
          desk.settle();
          heed();
        }
        desk.list("http");
        heed();
        expect(desk.state).toEqual(NO_RESERVATIONS);
      },
    ),
    { seed: 20_261_126, numRuns: 500 },
  );
});

describe("a monitor that is started anew", () => {
  /** What the monitor before it left: `a` granted and in use since, `b` granted, `c` waiting. */
  function left(): Desk {
    const desk = new Desk();
    desk.facts = facts(896);
    desk.ask(request("a"));
    desk.ask(request("b", { holdUntil: 5_000 }));
    desk.ask(request("c", { memBytes: 2_048 * MIB }));
    expect(desk.news()).toEqual(["a granted there", "b granted there", "c waiting growing"]);
    return desk;
  }
  const started = () => {
    const desk = new Desk();
    desk.now = 3_000;
    return desk;
  };

  test("keeps what was granted as it was: on top of what was in use before, though its owner uses it now", () => {
    const before = left();
    const desk = started();
    desk.facts = facts(896, { inUse: { ...BASE, usedBytes: 700 * MIB } });
    desk.take(find(desk.state, grantedOf(before.state), desk.now));
    desk.settle();
    expect(desk.news()).toEqual(["a granted found", "b granted found"]);
    expect(floorOf(desk.state)).toEqual(floorFor(BASE, [request("a"), request("b")]));
    // And the next one comes on top of what the granted ones do not explain, as ever.
    desk.ask(request("d", { waitUntil: 9_000 }));
    expect(desk.state.base?.usedBytes).toBe(300 * MIB);
    desk.at(5_000);
    expect(desk.news()).toEqual(["d waiting growing", "b ended expired", "d granted there"]);
  });

  test("what the agent took away meanwhile, or the operator forbade, changes nothing of what was granted", () => {
    const desk = started();
    desk.facts = facts(512, { max: { milliCpu: 1_000, memBytes: 512 * MIB } });
    desk.take(find(desk.state, grantedOf(left().state), desk.now));
    desk.settle();
    expect(desk.news()).toEqual(["a granted found", "b granted found"]);
  });

  test("is told at once that time was over while nobody was there", () => {
    const desk = started();
    desk.now = 6_000;
    desk.take(find(desk.state, grantedOf(left().state), desk.now));
    desk.settle();
    expect(desk.news()).toEqual(["a granted found", "b granted found", "b ended expired"]);
  });

  test("asked for again it is the same, and its hold is the new one", () => {
    const desk = started();
    desk.take(find(desk.state, grantedOf(left().state), desk.now));
    desk.ask(request("b", { holdUntil: null }));
    expect(desk.news().at(-1)).toBe("b granted found");
    desk.at(100_000);
    expect(desk.state.active.map(({ request: { id } }) => id)).toEqual(["a", "b"]);
  });

  test("found after it was asked for anew, or twice: it counts once", () => {
    const desk = started();
    const found = grantedOf(left().state);
    desk.ask(request("a"));
    desk.take(find(desk.state, found, desk.now));
    desk.take(find(desk.state, found, desk.now));
    desk.settle();
    expect(desk.state.active.map(({ request: { id } }) => id)).toEqual(["a", "b"]);
  });

  test("what can't be a reservation is left out, and what was not measured is measured then", () => {
    const desk = started();
    const bad = [{ memBytes: -1 }, { memBytes: 0 }, { holdUntil: NaN }, { id: "" }];
    const all = bad.map((more) => ({
      request: request("x", more),
      granted: { milliCpu: 0, memBytes: 0 },
    }));
    desk.take(find(desk.state, { base: null, all }, desk.now));
    expect(desk.state).toEqual(NO_RESERVATIONS);
    const one = { request: request("y"), granted: { milliCpu: 0, memBytes: 256 * MIB } };
    desk.take(find(desk.state, { base: null, all: [one] }, desk.now));
    desk.settle();
    expect(desk.state.base).toEqual(BASE);
  });
});
