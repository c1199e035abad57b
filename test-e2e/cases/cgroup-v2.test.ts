// The agent's cgroup writer against a real cgroup v2: it runs inside a guest, because many machines that run these tests
// still have version 1. Everything expected is read from the kernel's own files.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Guest, startGuest } from "../harness/guest.ts";
import { until } from "../harness/until.ts";

const WRITER = "apps/agent/src/hypervisor/cgroup.ts";
const WRITER_IN_GUEST = "/run/cgroup.cjs";
const FOLDER = "/sys/fs/cgroup/selfscale-vm";
/** Where libvirt puts a VM's threads: below the folder that has the limit. */
const INNER = `${FOLDER}/emulator`;
const HALF = 500;

let guest: Guest;
/** A process that never sleeps, in INNER. */
let busyPid: number;

beforeAll(async () => {
  guest = await startGuest({ name: "v2" });
  await run(`base64 -d >${WRITER_IN_GUEST} <<'END'\n${await bundledWriter()}\nEND`);
  await run("echo +cpu >/sys/fs/cgroup/cgroup.subtree_control");
  await run(`mkdir -p ${INNER}`);
  busyPid = Number(await run(burnIn(INNER)));
});

afterAll(async () => {
  await guest.kill();
});

describe("the cgroup v2 of a real kernel", () => {
  test("is told apart from version 1, and has no limit at first", async () => {
    expect(await run("stat -f -c %T /sys/fs/cgroup")).toBe("cgroup2fs");
    expect(await cat("cpu.max")).toBe("max 100000");
    const seen = await inGuest(`[cgroup.readQuota(), cgroup.holds(${busyPid}), cgroup.holds(1)]`);
    expect(seen).toEqual([null, true, false]);
  });

  test("takes half a CPU, and holds a busy process to it", async () => {
    const seen = await inGuest(`[cgroup.writeQuota(${HALF}), cgroup.readQuota()]`);
    expect(seen).toEqual([null, HALF]);
    expect(await cat("cpu.max")).toBe("10000 20000");

    const before = await stat();
    const after = await until("it was throttled in fifty periods more", async () => {
      const now = await stat();
      return now.throttled >= before.throttled + 50 ? now : null;
    });
    expect(after.throttledUs).toBeGreaterThan(before.throttledUs);
    console.log(`half a CPU, by the guest's clock: ${share(before, after).toFixed(3)}`);
    // 0.5 and what a timer that comes late lets through.
    expect(share(before, after)).toBeLessThan(0.65);
    expect(share(before, after)).toBeGreaterThan(0.1);
    const { periods, usageUs } = await inGuest<{ periods: CgroupPeriods; usageUs: number }>(
      "({ periods: cgroup.readPeriods(), usageUs: cgroup.readUsageUs() })",
    );
    expect(periods.throttled).toBeGreaterThanOrEqual(after.throttled);
    expect(periods.periods).toBeGreaterThanOrEqual(periods.throttled);
    expect(usageUs).toBeGreaterThanOrEqual(after.usageUs);
  });

  test.for([
    { milliCpu: 250, cpuMax: "5000 20000", reads: 250 },
    { milliCpu: 1, cpuMax: "1000 20000", reads: 50 },
    { milliCpu: 333, cpuMax: "6660 20000", reads: 333 },
    { milliCpu: 2_750, cpuMax: "55000 20000", reads: 2_750 },
    { milliCpu: 1_024_000, cpuMax: "20480000 20000", reads: 1_024_000 },
  ])("$milliCpu milli-vCPU is $cpuMax", async ({ milliCpu, cpuMax, reads }) => {
    const seen = await inGuest(`[cgroup.writeQuota(${milliCpu}), cgroup.readQuota()]`);
    expect(seen).toEqual([null, reads]);
    expect(await cat("cpu.max")).toBe(cpuMax);
  });

  test("more than the process can use throttles nothing", async () => {
    await inGuest("cgroup.writeQuota(2000)");
    // On a busy host the guest's clock jumps, and what is caught up with then can fill a period: the count begins anew.
    let from = await stat();
    await until("fifty periods on end went by, and none was throttled", async () => {
      const now = await stat();
      if (now.throttled !== from.throttled) from = now;
      return now.periods >= from.periods + 50;
    });
  });

  test("a limit that somebody takes away again is seen to be gone", async () => {
    await run(`echo max >${FOLDER}/cpu.max`);
    expect(await inGuest("cgroup.readQuota()")).toBeNull();
    // The kernel keeps the period, and so must be told one with every quota.
    expect(await cat("cpu.max")).toBe("max 20000");
    await run(`echo 'max 100000' >${FOLDER}/cpu.max`);
    await inGuest("cgroup.writeQuota(1000)");
    expect(await cat("cpu.max")).toBe("20000 20000");
  });

  test("a folder without the cpu controller is refused by name", async () => {
    expect(await run(`ls ${INNER} | grep -c cpu.max || true`)).toBe("0");
    const said = await guest.exec(
      `node -e 'require("${WRITER_IN_GUEST}").findCgroup("${INNER}")' 2>&1`,
    );
    expect(said.code).not.toBe(0);
    expect(said.stdout).toContain(`CgroupError: ${INNER} has neither cpu.cfs_quota_us nor cpu.max`);
  });
});

type CgroupPeriods = Readonly<{ periods: number; throttled: number }>;
type Stat = CgroupPeriods & Readonly<{ throttledUs: number; usageUs: number; uptimeUs: number }>;

/** The module as it is, without the rest of the agent: it needs nothing but node. Base64. */
async function bundledWriter(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "selfscale-cgroup-"));
  try {
    const outfile = join(dir, "cgroup.cjs");
    const options = { bundle: true, platform: "node", format: "cjs", keepNames: true } as const;
    await build({ entryPoints: [WRITER], outfile, ...options });
    return await readFile(outfile, "base64");
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** Evaluates an expression over the writer's `cgroup` of FOLDER, in the guest. */
async function inGuest<T>(expression: string): Promise<T> {
  const script = `const cgroup = require("${WRITER_IN_GUEST}").findCgroup("${FOLDER}");
    console.log(JSON.stringify(${expression}) ?? "null")`;
  return JSON.parse(await run(`node -e '${script}'`)) as T;
}

async function cat(file: string): Promise<string> {
  return await run(`cat ${FOLDER}/${file}`);
}

async function stat(): Promise<Stat> {
  const text = await run(`cat /proc/uptime ${FOLDER}/cpu.stat`);
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? NaN);
  return {
    periods: number(/^nr_periods (\d+)$/m),
    throttled: number(/^nr_throttled (\d+)$/m),
    throttledUs: number(/^throttled_usec (\d+)$/m),
    usageUs: number(/^usage_usec (\d+)$/m),
    uptimeUs: number(/^(\S+) /) * 1e6,
  };
}

/** CPUs used between two looks. */
function share(before: Stat, after: Stat): number {
  return (after.usageUs - before.usageUs) / (after.uptimeUs - before.uptimeUs);
}

/** Starts a busy process in a cgroup and prints its pid. */
function burnIn(folder: string): string {
  const loop = `echo $$ >${folder}/cgroup.procs; while :; do :; done`;
  return `setsid nice sh -c '${loop}' </dev/null >/dev/null 2>&1 & echo $!`;
}

async function run(command: string): Promise<string> {
  const { code, stdout, stderr } = await guest.exec(command, { timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`${command}: ${code}: ${stderr}`);
  return stdout.trim();
}
