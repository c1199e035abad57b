// How soon a guest has one more vCPU, and how soon a quota works.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Calibration } from "@selfscale/evaluation";
import { cgroupUnavailable } from "../harness/guest.ts";
import { BenchGuest } from "./bench-guest.ts";
import { spreadOf } from "./spread.ts";

const PLUGS_PER_GUEST = 3;
/** Of the agent: a short period lets a small quota be small shares. */
const PERIOD_US = 20_000;
const HALF_US = PERIOD_US / 2;
/** What QEMU uses at once when it may run again. Milliseconds. */
const RUNS_AGAIN_MS = 1;

type CpuPart = Pick<Calibration, "cpuUpMs" | "cpuSeenMs" | "cpuOnlineMs" | "cpuOfflineMs">;
type QuotaPart = Pick<Calibration, "quotaDownMs" | "quotaUpMs">;

/** TCG can't unplug a vCPU: three plugs, then another guest. */
export async function measureCpu(guests: number): Promise<CpuPart> {
  const [up, seen, online, offline]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let guest = 0; guest < guests; guest += 1) {
    await BenchGuest.with(async (bench) => {
      await bench.startProgram("watch-size");
      await bench.marks.await("online", (count) => count === 1);
      for (let plugged = 2; plugged <= PLUGS_PER_GUEST + 1; plugged += 1) {
        await pause(1_000);
        const startedAt = performance.now();
        await bench.plugCpu();
        seen.push((await bench.marks.await("present", (count) => count === plugged)) - startedAt);
        up.push((await bench.marks.await("online", (count) => count === plugged)) - startedAt);
      }
      await bench.run("pkill -f '[w]atch-size'");
      for (const line of (await bench.runProgram("switch-cpu", "5")).trim().split("\n")) {
        const [off, on] = line.split(" ").map(Number);
        offline.push(off ?? NaN);
        online.push(on ?? NaN);
      }
    });
  }
  return {
    cpuUpMs: spreadOf(up),
    cpuSeenMs: spreadOf(seen),
    cpuOnlineMs: spreadOf(online),
    cpuOfflineMs: spreadOf(offline),
  };
}

/** nulls where QEMU can't have a CPU cgroup of version 1 of its own. */
export async function measureQuota(times: number): Promise<QuotaPart> {
  if (cgroupUnavailable() !== null) return { quotaDownMs: null, quotaUpMs: null };
  return await BenchGuest.with(async (bench) => {
    const folder = bench.guest.cgroup ?? "";
    if (!existsSync(join(folder, "cpu.cfs_quota_us")))
      return { quotaDownMs: null, quotaUpMs: null };
    const quota = new Quota(folder, bench.guest.pid);
    await bench.run("setsid burn --cpus 1 --seconds 600 >/dev/null 2>&1 </dev/null &");
    const [down, up]: [number[], number[]] = [[], []];
    for (let time = 0; time < times; time += 1) {
      quota.write(-1);
      await pause(500);
      const loweredAt = performance.now();
      const before = quota.throttledPeriods();
      quota.write(HALF_US);
      await untilTrue(() => quota.throttledPeriods() > before);
      down.push(performance.now() - loweredAt);
      await pause(500);
      // Raised while it is held back: otherwise it runs anyway.
      const held = quota.throttledPeriods();
      await untilTrue(() => quota.throttledPeriods() > held);
      const raisedAt = performance.now();
      const used = quota.usedMs();
      quota.write(-1);
      await untilTrue(() => quota.usedMs() > used + RUNS_AGAIN_MS);
      up.push(performance.now() - raisedAt);
    }
    return { quotaDownMs: spreadOf(down), quotaUpMs: spreadOf(up) };
  }, true);
}

class Quota {
  readonly #folder: string;
  readonly #tasks: string;

  constructor(folder: string, pid: number) {
    this.#folder = folder;
    this.#tasks = `/proc/${pid}/task`;
    writeFileSync(join(folder, "cpu.cfs_period_us"), String(PERIOD_US));
  }

  write(us: number): void {
    writeFileSync(join(this.#folder, "cpu.cfs_quota_us"), String(us));
  }

  throttledPeriods(): number {
    const text = readFileSync(join(this.#folder, "cpu.stat"), "utf8");
    return Number(/^nr_throttled (\d+)/m.exec(text)?.[1] ?? NaN);
  }

  /** CPU time of all threads of QEMU: the first field is nanoseconds on a CPU. */
  usedMs(): number {
    const nanos = readdirSync(this.#tasks).map((task) =>
      Number(readFileSync(join(this.#tasks, task, "schedstat"), "utf8").split(" ")[0]),
    );
    return nanos.reduce((sum, one) => sum + one, 0) / 1e6;
  }
}

/** Looks without a pause: it is over within a few periods. */
async function untilTrue(probe: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!probe()) {
    if (performance.now() > deadline) throw new Error("the quota shows no effect");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
