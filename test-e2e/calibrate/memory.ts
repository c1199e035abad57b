// How soon plugged memory can be used, how soon unplugged memory is gone, and how often not all of it goes.
import { setTimeout as pause } from "node:timers/promises";
import { type Calibration, type Unplugs } from "@selfscale/evaluation";
import { MIB } from "../harness/truth.ts";
import { BenchGuest } from "./bench-guest.ts";
import { lineOf, spreadOf, stepsOf, type Timed } from "./spread.ts";

const ROUNDS_PER_GUEST = 2;
const SIZES_MIB = [128, 256, 512, 1024, 2048];
/** Touched in pieces, half of which stay: with 512 MiB of base there is always room for the rest. */
const TOUCHED_MIB = 900;
const USED_PLUGGED_MIB = 1024;
/** 512 + 1024 − 896 MiB still hold 450 MiB and the kernel, but little else. */
const USED_UNPLUGS_MIB = [128, 256, 512, 768, 896];

type MemoryPart = Pick<
  Calibration,
  | "memUpSteps"
  | "memUpFixedMs"
  | "memUpBytesPerSec"
  | "memDownSteps"
  | "memDownFixedMs"
  | "memDownBytesPerSec"
>;
type Request = Readonly<{ asked: number; done: number }>;

/** The first plug of a new guest takes longest: several guests, and another size first in each round. */
export async function measureMemory(
  guests: number,
): Promise<MemoryPart & Readonly<{ idle: Unplugs }>> {
  const [up, down, requests]: [Timed[], Timed[], Request[]] = [[], [], []];
  for (let guest = 0; guest < guests; guest += 1) {
    await BenchGuest.with(async (bench) => {
      await bench.startProgram("watch-size");
      for (let round = 0; round < ROUNDS_PER_GUEST; round += 1) {
        for (const mib of rotated(SIZES_MIB, guest * ROUNDS_PER_GUEST + round)) {
          const bytes = mib * MIB;
          up.push({ bytes, ms: await timePlug(bench, bytes) });
          await pause(500);
          const { done, ms } = await timeUnplug(bench, bytes);
          if (done === bytes) down.push({ bytes, ms });
          requests.push({ asked: bytes, done });
        }
      }
    });
    process.stderr.write(`calibrate: memory: guest ${guest + 1} of ${guests}\n`);
  }
  const [upLine, downLine] = [lineOf(up), lineOf(down)];
  return {
    memUpSteps: stepsOf(up),
    memUpFixedMs: upLine.fixedMs,
    memUpBytesPerSec: upLine.bytesPerSec,
    memDownSteps: stepsOf(down),
    memDownFixedMs: downLine.fixedMs,
    memDownBytesPerSec: downLine.bytesPerSec,
    idle: unplugsOf(requests),
  };
}

function rotated<T>(list: readonly T[], by: number): T[] {
  return list.map((_, index) => list[(index + by) % list.length] as T);
}

/** Of everything that was plugged; what stays is waited for, but does not count. */
async function timeUnplug(bench: BenchGuest, bytes: number): Promise<{ done: number; ms: number }> {
  const startedAt = performance.now();
  await bench.requestMemory(0);
  const end = await bench.settle(0);
  if (end.bytes > 0) await waitForRest(bench);
  return { done: bytes - end.bytes, ms: end.at - startedAt };
}

/** Until all of it is in MemTotal; what the kernel keeps of it for itself shows there too. */
async function timePlug(bench: BenchGuest, bytes: number): Promise<number> {
  const before = Number(await bench.run("awk '/MemTotal/ {print $2}' /proc/meminfo"));
  bench.marks.forget();
  const startedAt = performance.now();
  await bench.requestMemory(bytes);
  const at = await bench.marks.await("memory", (kib) => (kib - before) * 1024 >= bytes * 0.98);
  return at - startedAt;
}

/** The guest's driver tries again by itself; the next measurement begins at nothing. */
async function waitForRest(bench: BenchGuest): Promise<void> {
  for (let tries = 0; (await bench.settle(0)).bytes > 0; tries += 1) {
    if (tries === 20) throw new Error("an idle guest keeps its memory");
  }
}

/** Each in a state of its own: an unplug moves what is held together. */
export async function measureUsedUnplugs(rounds: number): Promise<Unplugs> {
  const requests: Request[] = [];
  await BenchGuest.with(async (bench) => {
    for (let round = 0; round < rounds; round += 1) {
      for (const mib of USED_UNPLUGS_MIB) {
        await bench.requestMemory(USED_PLUGGED_MIB * MIB);
        const { bytes: before } = await bench.settle(USED_PLUGGED_MIB * MIB);
        bench.marks.forget();
        await bench.startProgram("hold-half", String(TOUCHED_MIB));
        await bench.marks.await("half", () => true, 120_000);
        const target = before - mib * MIB;
        await bench.requestMemory(target);
        const { bytes } = await bench.settle(target);
        requests.push({ asked: mib * MIB, done: before - bytes });
        await bench.endRequest(bytes);
        await bench.run("pkill -KILL -f '[h]old-half'; sleep 0.5");
      }
      process.stderr.write(`calibrate: used memory: round ${round + 1} of ${rounds}\n`);
    }
  });
  return unplugsOf(requests);
}

function unplugsOf(requests: readonly Request[]): Unplugs {
  const partial = requests.filter(({ asked, done }) => done < asked).length;
  const sum = (of: (request: Request) => number) =>
    requests.reduce((total, one) => total + of(one), 0);
  const round = (share: number) => Number(share.toFixed(4));
  return {
    n: requests.length,
    partial,
    share: round(partial / requests.length),
    doneShare: round(sum(({ done }) => done) / sum(({ asked }) => asked)),
  };
}

type PageInPart = Pick<Calibration, "pageInLoopBytesPerSec" | "pageInMemsetBytesPerSec">;

/** Into memory that is there already: 1 GiB, of 2.5 GiB. */
export async function measurePageIn(times: number): Promise<PageInPart> {
  const [loop, memset]: [number[], number[]] = [[], []];
  await BenchGuest.with(async (bench) => {
    await bench.requestMemory(2048 * MIB);
    await bench.settle(2048 * MIB);
    const rate = async (program: string) => {
      const said = await bench.run(`${program} --mib 1024`);
      return Number(/, (\d+) MB\/s$/m.exec(said)?.[1] ?? NaN) * 1e6;
    };
    for (let time = 0; time < times; time += 1) {
      loop.push(await rate("touch-loop"));
      memset.push(await rate("memset"));
    }
  });
  return { pageInLoopBytesPerSec: spreadOf(loop), pageInMemsetBytesPerSec: spreadOf(memset) };
}
