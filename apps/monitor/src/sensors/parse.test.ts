// Every parser against text recorded from real kernels (fixtures/), and against text that no kernel writes.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { parseCpuList } from "./cpu-list.ts";
import { parseLoadavg } from "./loadavg.ts";
import { createMemInfoParser } from "./meminfo.ts";
import { parsePressure } from "./pressure.ts";
import { parseSchedstat } from "./schedstat.ts";
import { parseStat } from "./stat.ts";
import { createVmStatParser } from "./vmstat.ts";

const KIB = 1024;

function fixture(kernel: string, name: string): string {
  return fs.readFileSync(new URL(`fixtures/${kernel}/${name}.txt`, import.meta.url), "latin1");
}

/** The parsers get a longer buffer with old bytes behind the text, as in production. */
function parsed<T>(parse: (bytes: Buffer, length: number) => T, text: string): T {
  return parse(Buffer.from(`${text}some avg10=9.99 cpu 99 MemTotal: 99 kB 99`), text.length);
}

describe("stat", () => {
  test.for([
    { name: "6.1 in TCG", text: fixture("linux-6.1-tcg", "stat"), want: [3070, 0] },
    { name: "6.18", text: fixture("linux-6.18", "stat"), want: [143_810, 210] },
    { name: "5.10 in TCG", text: fixture("linux-5.10-tcg", "stat"), want: [3420, 0] },
    { name: "6.12 in TCG", text: fixture("linux-6.12-tcg", "stat"), want: [4260, 0] },
    // Written after the documentation: Linux 2.6.10 had neither steal nor guest time.
    { name: "no idle, iowait", text: "cpu  1 2 4 8 16 32 64 128\n", want: [1030, 1280] },
    { name: "no steal column", text: "cpu  1 1 1 1 1 1 1\n", want: [50, 0] },
    { name: "too few columns", text: "cpu  1 1 1\n", want: null },
    { name: "words", text: "cpu  a b c d e f g h\n", want: null },
    { name: "empty", text: "", want: null },
  ])("$name", ({ text, want }) => {
    const times = parsed(parseStat, text);
    expect(times === null ? null : [times.busyMs, times.stolenMs]).toEqual(want);
  });
});

describe("schedstat", () => {
  test.for([
    {
      name: "6.1 in TCG",
      text: fixture("linux-6.1-tcg", "schedstat"),
      want: 556.595213 + 1246.279915,
    },
    {
      name: "5.10 in TCG",
      text: fixture("linux-5.10-tcg", "schedstat"),
      want: 263.306968 + 293.895192,
    },
    {
      name: "6.12 in TCG, version 16",
      text: fixture("linux-6.12-tcg", "schedstat"),
      want: 1142.527974 + 1277.156605,
    },
    {
      // Written after the documentation: version 17 names the domains.
      name: "version 17",
      text: "version 17\ntimestamp 1\ncpu0 0 0 0 0 0 0 5 3000000 1\ndomain0 MC 3 0 0\n",
      want: 3,
    },
    { name: "no CPU lines", text: "version 15\ntimestamp 1\n", want: null },
    { name: "a CPU line cut short", text: "cpu0 0 0 0 0 0 0 1\n", want: null },
    { name: "empty", text: "", want: null },
  ])("$name", ({ text, want }) => {
    const waitedMs = parsed(parseSchedstat, text);
    if (want === null) expect(waitedMs).toBeNull();
    else expect(waitedMs).toBeCloseTo(want, 6);
  });
});

describe("pressure", () => {
  const line = "some avg10=66.07 avg60=1.17 avg300=0.24 total=958845\n";
  test.for([
    { name: "6.1 in TCG", text: fixture("linux-6.1-tcg", "pressure-cpu"), want: 958.845 },
    { name: "6.18", text: fixture("linux-6.18", "pressure-cpu"), want: 25_449.612 },
    {
      name: "5.10, CPU without full",
      text: fixture("linux-5.10-tcg", "pressure-cpu"),
      want: 714.72,
    },
    { name: "6.12", text: fixture("linux-6.12-tcg", "pressure-cpu"), want: 1102.785 },
    { name: "5.10, memory", text: fixture("linux-5.10-tcg", "pressure-memory"), want: 2.86 },
    { name: "6.1, memory", text: fixture("linux-6.1-tcg", "pressure-memory"), want: 1.4 },
    { name: "6.12, memory", text: fixture("linux-6.12-tcg", "pressure-memory"), want: 3.894 },
    {
      name: "6.12, a cgroup's",
      text: fixture("linux-6.12-tcg", "cgroup-memory.pressure"),
      want: 3.561,
    },
    { name: "some without full", text: line, want: 958.845 },
    { name: "no total", text: "some avg10=1.00\n", want: null },
    { name: "full", text: line.replace("some", "full"), want: null },
    { name: "empty", text: "", want: null },
  ])("$name", ({ text, want }) => {
    expect(parsed(parsePressure, text)).toBe(want);
  });
});

describe("loadavg", () => {
  test.for([
    { name: "6.1 in TCG", text: fixture("linux-6.1-tcg", "loadavg"), want: [0, 0, 1] },
    { name: "6.18", text: fixture("linux-6.18", "loadavg"), want: [0.28, 0.25, 1] },
    { name: "5.10 in TCG", text: fixture("linux-5.10-tcg", "loadavg"), want: [0, 0, 1] },
    { name: "6.12 in TCG", text: fixture("linux-6.12-tcg", "loadavg"), want: [0, 0, 1] },
    { name: "busy", text: "12.07 3.50 1.00 31/812 99999\n", want: [12.07, 3.5, 31] },
    { name: "cut short", text: "0.1", want: null },
    { name: "empty", text: "", want: null },
  ])("$name", ({ text, want }) => {
    const seen = parsed(parseLoadavg, text);
    if (want === null) expect(seen).toBeNull();
    else expect([seen?.load1, seen?.load5, seen?.runnable]).toEqual(want);
  });
});

describe("meminfo", () => {
  test("6.1 in TCG", () => {
    expect(parsed(createMemInfoParser(), fixture("linux-6.1-tcg", "meminfo"))).toEqual({
      totalBytes: 413_248 * KIB,
      availableBytes: 382_300 * KIB,
      cachedBytes: 2592 * KIB,
      swapTotalBytes: 0,
      swapFreeBytes: 0,
      anonBytes: 52 * KIB,
      shmemBytes: 2592 * KIB,
    });
  });

  test("6.18", () => {
    expect(parsed(createMemInfoParser(), fixture("linux-6.18", "meminfo"))).toMatchObject({
      totalBytes: 24_684_084 * KIB,
      availableBytes: 24_329_840 * KIB,
      cachedBytes: 352_096 * KIB,
      anonBytes: 28_612 * KIB,
      shmemBytes: 8872 * KIB,
    });
  });

  test.for([
    { kernel: "linux-5.10-tcg", totalKib: 486_896, availableKib: 451_860 },
    { kernel: "linux-6.12-tcg", totalKib: 475_596, availableKib: 419_080 },
  ])("$kernel", ({ kernel, totalKib, availableKib }) => {
    expect(parsed(createMemInfoParser(), fixture(kernel, "meminfo"))).toMatchObject({
      totalBytes: totalKib * KIB,
      availableBytes: availableKib * KIB,
      cachedBytes: 14_228 * KIB,
      anonBytes: 108 * KIB,
      shmemBytes: 14_228 * KIB,
    });
  });

  test("a second text with longer numbers is read at its new places", () => {
    const parse = createMemInfoParser();
    parsed(parse, "MemTotal: 9 kB\nMemFree: 8 kB\nAnonPages: 1 kB\nShmem: 2 kB\n");
    const grown =
      "MemTotal: 900000 kB\nMemFree: 80 kB\nNew: 5 kB\nAnonPages: 1000 kB\nShmem: 22 kB\n";
    expect(parsed(parse, grown)).toMatchObject({
      totalBytes: 900_000 * KIB,
      anonBytes: 1000 * KIB,
      shmemBytes: 22 * KIB,
    });
  });

  test("without the kernel's estimate, what is free is available", () => {
    expect(parsed(createMemInfoParser(), "MemTotal: 9 kB\nMemFree: 8 kB\n")).toMatchObject({
      availableBytes: 8 * KIB,
      anonBytes: 0,
    });
  });

  test.for(["", "MemFree: 8 kB\n", "MemTotal:\nMemFree:\n"])("%j is not meminfo", (text) => {
    expect(parsed(createMemInfoParser(), text)).toBeNull();
  });
});

describe("vmstat", () => {
  test("6.18", () => {
    expect(parsed(createVmStatParser(), fixture("linux-6.18", "vmstat"))).toMatchObject({
      refaultedFilePages: 281_104,
      oomKills: 0,
    });
  });

  test("counters of a kernel under pressure, all zones added", () => {
    const text = [
      "workingset_refault_anon 7\nworkingset_refault_file 11\npswpin 1\npswpout 2\n",
      "allocstall_dma 1\nallocstall_dma32 2\nallocstall_normal 4\nallocstall_movable 8\n",
      "allocstall_device 16\npgmajfault 5\npgscan_kswapd 3\npgscan_direct 9\n",
      "pgscan_direct_throttle 1000\noom_kill 2\n",
    ].join("");
    expect(parsed(createVmStatParser(), text)).toEqual({
      refaultedAnonPages: 7,
      refaultedFilePages: 11,
      allocationStalls: 31,
      oomKills: 2,
    });
  });

  test.for(["linux-5.10-tcg", "linux-6.12-tcg"])(
    "%s: a kill at a group's limit, and no allocation that stalled",
    (kernel) => {
      expect(parsed(createVmStatParser(), fixture(kernel, "vmstat"))).toEqual({
        refaultedAnonPages: 0,
        refaultedFilePages: 0,
        allocationStalls: 0,
        oomKills: 1,
      });
    },
  );

  // Written after the kernel's history: before 5.9, and before 4.10.
  test("an old kernel's single refault and stall counters", () => {
    const text = "workingset_refault 4\nallocstall 3\n";
    expect(parsed(createVmStatParser(), text)).toMatchObject({
      refaultedFilePages: 4,
      allocationStalls: 3,
    });
  });

  test("a text without any counter is none", () => {
    expect(parsed(createVmStatParser(), "nothing 1\n")).toBeNull();
  });
});

describe("cpu list", () => {
  test.for([
    { text: "0-1\n", want: [0, 1] },
    { text: "0\n", want: [0] },
    { text: "0-2,5,7-8\n", want: [0, 1, 2, 5, 7, 8] },
    { text: "\n", want: [] },
    { text: "3-1\n", want: null },
    { text: "0-99999999\n", want: null },
    { text: "0-9999\n", want: null },
    { text: "x\n", want: null },
    { text: "0,,1\n", want: null },
  ])("$text", ({ text, want }) => {
    expect(parseCpuList(text)).toEqual(want);
  });
});
