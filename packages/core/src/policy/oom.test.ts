import { describe, expect, test } from "vitest";
import { type CgroupMemory, type MemorySample } from "../monitor/types.ts";
import { PRESETS } from "./presets.ts";
import { initialMemory, senseMemory, type MemoryNeed, type MemoryState } from "./memory.ts";

const MIB = 1024 ** 2;
const policy = PRESETS.default.memory;
const MINUTE_MS = 60_000;

type Look = Readonly<{
  kills?: number | null;
  stalls?: number;
  limitHits?: number | null;
  availableMib?: number;
  toldMib?: number;
  /** How long after the look before. */
  afterMs?: number;
}>;

const GROUP: CgroupMemory = {
  ...{ currentBytes: 90 * MIB, anonBytes: 10 * MIB, fileBytes: 70 * MIB, shmemBytes: 60 * MIB },
  ...{ limitBytes: 100 * MIB, somePressureMs: 0, limitHits: 0, oomKills: 0 },
};

/** A guest of 512 MiB at rest; `limitHits`: a cgroup is looked at. */
function sample({ kills = 0, stalls = 0, limitHits = null, ...look }: Look): MemorySample {
  const { availableMib = 300, toldMib = 512 } = look;
  const counters = { refaultedAnonPages: 0, refaultedFilePages: 0, allocationStalls: stalls };
  return {
    totalBytes: (toldMib - 43) * MIB,
    availableBytes: availableMib * MIB,
    ...{ anonBytes: 85 * MIB, shmemBytes: 0, cachedBytes: 0, swapTotalBytes: 0, swapFreeBytes: 0 },
    ...{ somePressureMs: 0, blocks: null },
    counters: kills === null ? null : { ...counters, oomKills: kills },
    ...(limitHits !== null && { cgroup: { ...GROUP, limitHits } }),
  };
}

function watch(looks: readonly Look[]): { state: MemoryState; need: MemoryNeed } {
  let state = initialMemory();
  let need: MemoryNeed | null = null;
  let now = 0;
  for (const look of looks) {
    now += look.afterMs ?? 250;
    const toldBytes = (look.toldMib ?? 512) * MIB;
    const given = { toldBytes, reserveBytes: 64 * MIB, stepBytes: 128 * MIB };
    [state, need] = senseMemory(state, sample(look), given, policy, now);
  }
  if (need === null) throw new Error("at least one look");
  return { state, need };
}

const mib = (bytes: number) => Math.round(bytes / MIB);

describe("whose kill it was", () => {
  test.for<{ name: string; looks: Look[]; kills: number; byLimit: number }>([
    { name: "none", looks: [{}, {}], kills: 0, byLimit: 0 },
    {
      name: "before the monitor started",
      looks: [{ kills: 7 }, { kills: 7 }],
      kills: 0,
      byLimit: 0,
    },
    {
      name: "the machine was short: allocations stalled",
      looks: [{}, { stalls: 4 }, { stalls: 4, kills: 1 }],
      ...{ kills: 1, byLimit: 0 },
    },
    {
      name: "the machine was short: little was available",
      looks: [{}, { availableMib: 20 }, { kills: 2 }],
      ...{ kills: 2, byLimit: 0 },
    },
    {
      name: "a group's limit: nothing stalled and there was plenty",
      looks: [{ stalls: 9 }, { stalls: 9, kills: 1 }],
      ...{ kills: 1, byLimit: 1 },
    },
    {
      name: "a group's limit, as the group itself says, though a copy made others stall",
      looks: [{ limitHits: 1 }, { limitHits: 2, stalls: 3, kills: 1 }],
      ...{ kills: 1, byLimit: 1 },
    },
    {
      name: "not that group's: it met no limit, and the machine was short",
      looks: [{ limitHits: 1 }, { limitHits: 1, stalls: 3, kills: 1 }],
      ...{ kills: 1, byLimit: 0 },
    },
    {
      name: "unknown counts as the machine: counters were missing a while",
      looks: [{ kills: 0 }, { kills: null }, { kills: 1 }],
      ...{ kills: 1, byLimit: 0 },
    },
    {
      name: "a restored machine counts from before",
      looks: [{ kills: 5 }, { kills: 2 }, { kills: 2 }],
      ...{ kills: 0, byLimit: 0 },
    },
  ])("$name", ({ looks, kills, byLimit }) => {
    const { state } = watch(looks);
    expect(state.oom.kills).toEqual({ count: kills, byLimit });
  });
});

describe("what is learnt from it", () => {
  const KILL: readonly Look[] = [{}, { stalls: 4, kills: 1 }];
  const after = (minutes: number, look: Look = {}): Look => ({
    ...{ stalls: 4, kills: 1 },
    ...look,
    afterMs: minutes * MINUTE_MS,
  });

  test("half as much again is needed, at once and for ten minutes", () => {
    const { need } = watch(KILL);
    expect([mib(need.needBytes), need.reason]).toEqual([768, "memory"]);
    expect(need.inputs["lessonBytes"]).toBe(768 * MIB);
    expect(mib(watch([...KILL, after(9.9)]).need.needBytes)).toBe(768);
    expect(mib(watch([...KILL, after(10)]).need.needBytes)).toBeLessThan(512);
  });

  test("while it is known, what is enough is not asked for again and again", () => {
    expect(mib(watch([...KILL, after(1, { toldMib: 768 })]).need.needBytes)).toBe(768);
  });

  test("killed again in the larger size: half as much again of that", () => {
    const { need } = watch([...KILL, after(5, { toldMib: 768, stalls: 9, kills: 2 })]);
    expect(mib(need.needBytes)).toBe(1152);
  });

  test("killed again soon after it was forgotten: remembered for forty minutes", () => {
    const again = [...KILL, after(11), after(1, { kills: 2, stalls: 9 })];
    const later = (minutes: number) =>
      watch([...again, after(minutes, { kills: 2, stalls: 9 })]).need.needBytes;
    expect(mib(later(39))).toBe(768);
    expect(mib(later(40))).toBeLessThan(512);
  });

  test("killed again much later: ten minutes as the first time", () => {
    const again = [...KILL, after(11), after(60, { kills: 2, stalls: 9 })];
    const later = (minutes: number) =>
      watch([...again, after(minutes, { kills: 2, stalls: 9 })]).need.needBytes;
    expect(mib(later(9.9))).toBe(768);
    expect(mib(later(10))).toBeLessThan(512);
  });

  test("of a group's own limit nothing: a larger machine does not move it; but nothing is released", () => {
    const { need } = watch([{}, { kills: 1 }]);
    expect(mib(need.needBytes)).toBeLessThan(512);
    expect(need.veto).toContain("OOM killer");
  });
});
