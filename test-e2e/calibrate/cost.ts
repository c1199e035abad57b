// What a resize takes from a busy guest: a program counts its own work, and what is missing around a resize was lost.
import { setTimeout as pause } from "node:timers/promises";
import { type Calibration } from "@selfscale/evaluation";
import { MIB } from "../harness/truth.ts";
import { BenchGuest } from "./bench-guest.ts";
import { spreadOf } from "./spread.ts";

const WINDOW_MS = 10;
/** The program's whole run, and when the resize begins in it. */
const RUN_MS = 7_000;
const RESIZE_AT_MS = 2_000;
/** Its start is no measure of its speed. */
const WARM_UP_MS = 300;
/** What a resize sets going in the guest goes on for a moment after it. */
const AFTERMATH_MS = 200;
/** A slice of our agent; the cost is told per memory block of Linux. */
const STEP_MIB = 256;
const BLOCK_MIB = 128;

/** Milliseconds of CPU that one resize took from a program that wants all of it. */
export async function measureCost(guests: number): Promise<Calibration["resizeCost"]> {
  const [cpu, up, down]: [number[], number[], number[]] = [[], [], []];
  const perBlock = (ms: number) => (ms * BLOCK_MIB) / STEP_MIB;
  for (let guest = 0; guest < guests; guest += 1) {
    await BenchGuest.with(async (bench) => {
      await bench.run("echo 0 >/proc/sys/kernel/watchdog; true");
      for (let time = 0; time < 3; time += 1) {
        up.push(perBlock(await costOf(bench, () => plugMemory(bench, STEP_MIB * MIB))));
        down.push(perBlock(await costOf(bench, () => plugMemory(bench, 0))));
      }
      await bench.startProgram("watch-size");
      for (let count = 2; count <= 4; count += 1) {
        cpu.push(await costOf(bench, () => plugCpu(bench, count)));
      }
    });
    process.stderr.write(`calibrate: cost: guest ${guest + 1} of ${guests}\n`);
  }
  return {
    cpuPlugMs: spreadOf(cpu),
    memPlugMsPer128MiB: spreadOf(up),
    memUnplugMsPer128MiB: spreadOf(down),
  };
}

async function plugMemory(bench: BenchGuest, bytes: number): Promise<void> {
  await bench.requestMemory(bytes);
  const end = await bench.settle(bytes);
  if (end.bytes !== bytes) throw new Error("a busy guest did not take or give its memory");
}

async function plugCpu(bench: BenchGuest, count: number): Promise<void> {
  await bench.plugCpu();
  await bench.marks.await("online", (online) => online === count);
}

/** The program's usual work is that of the same run, before the resize and after it. */
async function costOf(bench: BenchGuest, resize: () => Promise<void>): Promise<number> {
  bench.marks.forget();
  const run = bench.runProgram("spin", String(RUN_MS));
  const spunAt = await bench.marks.await("spin");
  await pause(RESIZE_AT_MS);
  const from = performance.now() - spunAt;
  await resize();
  const to = performance.now() - spunAt + AFTERMATH_MS;
  const work = (await run).trim().split(" ").map(Number);
  if (to > RUN_MS - RESIZE_AT_MS / 2) throw new Error("the resize outlasted the measurement");
  return lostMs(work, from, to);
}

export function lostMs(work: readonly number[], fromMs: number, toMs: number): number {
  const [from, to] = [Math.floor(fromMs / WINDOW_MS), Math.ceil(toMs / WINDOW_MS)];
  const around = [...work.slice(WARM_UP_MS / WINDOW_MS, from), ...work.slice(to)];
  const sum = (values: readonly number[]) => values.reduce((total, one) => total + one, 0);
  const usual = sum(around) / around.length;
  const during = work.slice(from, to);
  return (during.length - sum(during) / usual) * WINDOW_MS;
}
