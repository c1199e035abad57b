import { describe, expect, test } from "vitest";
import { type CgroupMemory, type MemorySample } from "../monitor/types.ts";
import { PRESETS } from "./presets.ts";
import {
  initialMemory,
  lowestSafeBytes,
  senseMemory,
  type MemoryGiven,
  type MemoryNeed,
  type MemoryState,
} from "./memory.ts";

const MIB = 1024 ** 2;
const policy = PRESETS.default.memory;

type Counters = NonNullable<MemorySample["counters"]>;
/** `counters: null` takes all of them away. */
type Look = Partial<
  Omit<MemorySample, "counters"> &
    Counters & { counters: null; heldMib: number; sizeMib: number; usedMib: number }
>;

/** PostgreSQL's cgroup, whose tasks waited so long. */
function group(somePressureMs: number): CgroupMemory {
  const none = { anonBytes: null, fileBytes: null, shmemBytes: null, limitBytes: null };
  return { currentBytes: 60 * MIB, ...none, somePressureMs, limitHits: null, oomKills: null };
}

/** A guest of `sizeMib` whose kernel keeps 43 MiB. `usedMib`: all that is not available. */
function look({ heldMib = 85, sizeMib = 512, usedMib = heldMib, ...rest }: Look): MemorySample {
  const totalBytes = (sizeMib - 43) * MIB;
  const {
    refaultedAnonPages = 0,
    refaultedFilePages = 0,
    allocationStalls = 0,
    oomKills = 0,
    ...own
  } = rest;
  return {
    totalBytes,
    availableBytes: totalBytes - usedMib * MIB,
    anonBytes: heldMib * MIB,
    shmemBytes: 0,
    cachedBytes: 0,
    swapTotalBytes: 0,
    swapFreeBytes: 0,
    somePressureMs: 0,
    blocks: null,
    counters: { refaultedAnonPages, refaultedFilePages, allocationStalls, oomKills },
    ...own,
  };
}

/** Looks in order, 100 ms apart; a number repeats the look before it for so many more times. */
function watch(
  looks: readonly (Look | number)[],
  given: Partial<MemoryGiven> = {},
): { state: MemoryState; need: MemoryNeed; now: number } {
  const full = { toldBytes: 512 * MIB, reserveBytes: 200 * MIB, stepBytes: 128 * MIB, ...given };
  let state = initialMemory();
  const needs: MemoryNeed[] = [];
  let now = 10_000;
  const feed = (one: Look) => {
    now += 100;
    const [next, need] = senseMemory(state, look(one), full, policy, now);
    state = next;
    needs.push(need);
  };
  let last: Look = {};
  for (const one of looks) {
    if (typeof one === "number") for (let i = 0; i < one; i += 1) feed(last);
    else feed((last = one));
  }
  const need = needs.at(-1);
  if (need === undefined) throw new Error("at least one look");
  return { state, need, now };
}

const mib = (bytes: number) => Math.round(bytes / MIB);

describe("what is needed, MiB", () => {
  test.for([
    { name: "idle: 85 ÷ 0.92 + 200 + 43", looks: [{}, 20], given: {}, need: 335, keep: 353 },
    {
      name: "with the least reserve",
      looks: [{}, 20],
      given: { reserveBytes: 64 * MIB },
      need: 199,
      keep: 228,
    },
    {
      name: "shared memory counts as held",
      looks: [{ heldMib: 50, usedMib: 85, shmemBytes: 35 * MIB }, 20],
      given: {},
      need: 335,
      keep: 353,
    },
    {
      name: "swapped memory too",
      looks: [{ swapTotalBytes: 100 * MIB, swapFreeBytes: 0 }, 20],
      given: {},
      need: 444,
      keep: 461,
    },
    {
      name: "the kernel's own slabs count by what is not available",
      looks: [{ usedMib: 180 }, 20],
      given: {},
      need: 423,
      keep: 423,
    },
    {
      name: "0.016 more for what is beyond the present size",
      looks: [{ heldMib: 400 }, 20],
      given: { toldBytes: 768 * MIB },
      need: 678,
      keep: 695,
    },
  ])("$name: $need, kept $keep", ({ looks, given, need, keep }) => {
    const told = given as Partial<MemoryGiven>;
    const sizeMib = mib(told.toldBytes ?? 512 * MIB);
    const seen = looks.map((one) => (typeof one === "number" ? one : { sizeMib, ...one }));
    const { need: result } = watch(seen, given);
    expect(mib(result.needBytes)).toBe(need);
    expect(mib(result.keepBytes)).toBe(keep);
    expect(result.reason).toBe("memory");
  });

  test("growth is followed along its slope, not far beyond what was seen", () => {
    const { need } = watch([{}, 20, { heldMib: 105 }]); // 20 MiB in 100 ms: 200 MiB/s
    expect(need.inputs.slopeBytesPerSec).toBe(200 * MIB);
    expect(mib(need.inputs.leadBytes ?? 0)).toBe(160); // 8 × 20, less than 1.5 s of it
    const later = watch([{}, 20, { heldMib: 105 }, { heldMib: 125 }, { heldMib: 145 }]).need;
    expect(mib(later.inputs.leadBytes ?? 0)).toBe(300); // 1.5 s of it
    expect(mib(later.aimBytes - later.needBytes)).toBeGreaterThan(190); // up to 8 × 60 in 4.5 s
  });

  test("memory that was plugged and can't be used is no kernel's share", () => {
    const { need } = watch([{ sizeMib: 512 }, 20], { toldBytes: 2048 * MIB });
    expect(mib(need.inputs.kernelBytes ?? 0)).toBe(512); // a quarter at most
  });

  test("while size and MemTotal disagree for a moment the kernel's share stays", () => {
    const { need } = watch([{}, 20, { sizeMib: 1024 }, 5]);
    expect(mib(need.inputs.kernelBytes ?? 0)).toBe(43);
  });
});

describe("emergency", () => {
  test.for([
    { name: "held above 0.88 of the usable", looks: [{ heldMib: 420 }, 3], grow: 775 },
    {
      name: "swapping while little is available",
      looks: [
        { usedMib: 400, swapTotalBytes: 100 * MIB, swapFreeBytes: 90 * MIB },
        3,
        { usedMib: 400, swapTotalBytes: 100 * MIB, swapFreeBytes: 80 * MIB },
      ],
      grow: 768,
    },
    {
      name: "stalls while little is available",
      looks: [{ usedMib: 400 }, 3, { usedMib: 400, allocationStalls: 3 }],
      grow: 768,
    },
    {
      name: "pressure while little is available",
      looks: [{ usedMib: 400 }, 6, { usedMib: 400, somePressureMs: 80 }],
      grow: 768,
    },
  ])("$name: half as much again", ({ looks, grow }) => {
    const { need } = watch(looks);
    expect(need.reason).toBe("memory-emergency");
    expect(mib(need.needBytes)).toBe(grow);
    expect(need.veto).not.toBeNull();
  });

  test.for([
    { name: "stalls with plenty available", looks: [{}, 3, { allocationStalls: 50 }] },
    { name: "pressure with plenty available", looks: [{}, 6, { somePressureMs: 400 }] },
    {
      name: "swap that is only full",
      looks: [{ usedMib: 400, swapTotalBytes: 9 * MIB, swapFreeBytes: 0 }, 9],
    },
    { name: "stalls before the first sample", looks: [{ usedMib: 400, allocationStalls: 900 }] },
  ])("none: $name", ({ looks }) => {
    expect(watch(looks).need.reason).toBe("memory");
  });
});

describe("nothing is released", () => {
  test.for([
    { name: "calm", looks: [{}, 120], veto: null },
    {
      name: "pressure of 12 ms in 10 s",
      looks: [{}, 110, { somePressureMs: 12 }],
      veto: "tasks waited",
    },
    {
      name: "pressure of 8 ms in 10 s is nothing",
      looks: [{}, 110, { somePressureMs: 8 }],
      veto: null,
    },
    { name: "it passes", looks: [{}, { somePressureMs: 500 }, 115], veto: null },
    {
      name: "swapped-in pages",
      looks: [{}, 9, { refaultedAnonPages: 1 }],
      veto: "swapped back in",
    },
    { name: "the OOM killer", looks: [{}, 9, { oomKills: 1 }, 290], veto: "OOM killer" },
    { name: "half a minute after it", looks: [{}, 9, { oomKills: 1 }, 310], veto: null },
    { name: "kills before the first sample", looks: [{ oomKills: 7 }, 9], veto: null },
    {
      name: "pressure that can't be read any more",
      looks: [{}, 9, { somePressureMs: null }],
      veto: "memory pressure can't be read",
    },
    {
      name: "counters that can't be read any more",
      looks: [{}, 9, { counters: null }],
      veto: "event counters can't be read",
    },
    {
      name: "neither pressure nor counters, ever",
      looks: [{ somePressureMs: null, counters: null }, 120],
      veto: "can't be read",
    },
    { name: "a kernel without PSI, at rest", looks: [{ somePressureMs: null }, 120], veto: null },
    {
      name: "a kernel without PSI, stalls",
      looks: [{ somePressureMs: null }, 110, { somePressureMs: null, allocationStalls: 1 }],
      veto: "allocations stalled",
    },
    {
      name: "with PSI stalls alone are no pressure",
      looks: [{}, 110, { allocationStalls: 1 }],
      veto: null,
    },
    {
      name: "pressure that comes back is no pressure",
      looks: [{}, { somePressureMs: null }, 110, { somePressureMs: 9_000 }],
      veto: null,
    },
    {
      name: "its cgroup waits",
      looks: [{ cgroup: group(0) }, 110, { cgroup: group(12) }],
      veto: "its cgroup waited",
    },
    {
      name: "a cgroup that came anew",
      looks: [{ cgroup: group(900) }, 9, { cgroup: group(3) }],
      veto: null,
    },
    {
      name: "a cgroup that is gone",
      looks: [{ cgroup: group(0) }, 9, { cgroup: null }],
      veto: null,
    },
  ])("$name: $veto", ({ looks, veto }) => {
    const { need } = watch(looks);
    if (veto === null) expect(need.veto).toBeNull();
    else expect(need.veto).toContain(veto);
  });
});

describe("the lowest safe size", () => {
  test("is null before two samples", () => {
    const { state, now } = watch([{}]);
    const given = { toldBytes: 512 * MIB, reserveBytes: 200 * MIB, stepBytes: 128 * MIB };
    expect(lowestSafeBytes(state, given, policy, now)).toBeNull();
  });

  test("satisfies the shrink rule: held ≤ 0.92 · (size − kernel) − reserve", () => {
    for (const heldMib of [20, 85, 300, 700, 1_500]) {
      const toldBytes = 2048 * MIB;
      const { state, now } = watch([{ heldMib, sizeMib: 2048 }, 20], { toldBytes });
      const given = { toldBytes, reserveBytes: 200 * MIB, stepBytes: 128 * MIB };
      const safe = lowestSafeBytes(state, given, policy, now) ?? 0;
      const reserve = Math.min(200, 2 * (heldMib + 43));
      expect(heldMib).toBeLessThanOrEqual(0.92 * (safe / MIB - 43) - reserve + 0.001);
      expect(heldMib).toBeGreaterThan(0.92 * (safe / MIB - 44) - reserve);
    }
  });
});

describe("cache", () => {
  const cached = (mibs: number, more: Look = {}) => ({
    sizeMib: 2048,
    cachedBytes: mibs * MIB,
    ...more,
  });
  const given = { toldBytes: 2048 * MIB };

  test("what is there is kept at first", () => {
    const { need } = watch([cached(1_500), 3], given);
    expect(mib(need.keepBytes)).toBeGreaterThan(141 + 1_490);
    expect(need.needBytes).toBeLessThan(512 * MIB); // and asks for nothing
  });

  test("the claim falls by 1 % of the size per 6 s", () => {
    const at = (seconds: number) => watch([cached(1_500), seconds * 10], given).need.keepBytes;
    expect(mib(at(10) - at(22))).toBe(41);
  });

  test("never more than one shrink below what is there", () => {
    const { need } = watch([cached(1_000), 6_000], given);
    expect(mib(need.keepBytes)).toBe(135 + 1_000 - 256); // 8 % of 2048 MiB, in whole steps
  });

  test("what is read back is proven: it may grow the VM, and is kept for ten minutes", () => {
    const full = { usedMib: 120, sizeMib: 512, cachedBytes: 340 * MIB };
    const looks: (Look | number)[] = [full, 20];
    for (let i = 1; i <= 20; i += 1) looks.push({ ...full, refaultedFilePages: i * 100 });
    const { need } = watch(looks);
    expect(need.reason).toBe("cache");
    // What is in use, the kernel's share, the cache and 5 % of the size; the reserve is in the cache.
    expect(mib(need.needBytes)).toBe(120 + 43 + 340 + Math.round(0.05 * 512));
    const minutes = watch([...looks, 5_900]).need;
    expect(minutes.needBytes).toBe(need.needBytes);
    expect(watch([...looks, 6_100]).need.needBytes).toBeLessThan(512 * MIB);
  });

  test("counters that come back are no pages read back", () => {
    const back = cached(1_000, { refaultedFilePages: 1_000_000 });
    const { need } = watch([cached(1_000, { counters: null }), 20, back, 3], given);
    expect(need.reason).toBe("memory");
    expect(need.needBytes).toBeLessThan(512 * MIB);
  });

  test("a quarter of a MiB per second is borne", () => {
    const looks: (Look | number)[] = [cached(1_000), 20];
    for (let i = 1; i <= 30; i += 1) looks.push(cached(1_000, { refaultedFilePages: i * 6 }));
    expect(watch(looks, given).need.reason).toBe("memory");
  });
});
