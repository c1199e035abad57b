import fs from "node:fs";
import { parseCpuList, type CpuList } from "../sensors/cpu-list.ts";
import { SysfsWriteError } from "./errors.ts";

/** One CPU to switch. */
export type CpuStep = Readonly<{ cpu: number; isOnline: boolean }>;

/**
 * The next CPU to switch so that `goal` are online; null when there is none to switch.
 *
 * The lowest offline one comes online first and the highest online one leaves first, so that the
 * ones in use stay a dense range. CPU 0 is never touched: most kernels can't take it offline.
 */
export function nextCpuStep(
  cpus: Readonly<{ present: CpuList; online: CpuList }>,
  goal: number,
): CpuStep | null {
  if (cpus.online.length < goal) {
    const cpu = cpus.present.find((candidate) => !cpus.online.includes(candidate));
    return cpu === undefined ? null : { cpu, isOnline: true };
  }
  if (cpus.online.length > Math.max(goal, 1)) {
    const cpu = cpus.online.findLast((candidate) => candidate !== 0);
    return cpu === undefined ? null : { cpu, isOnline: false };
  }
  return null;
}

/** How an order ended. */
export type CpuOutcome = Readonly<{ onlineCount: number; error: SysfsWriteError | null }>;

/**
 * Switches CPUs through sysfs. An order is a level: a newer one replaces the one under way.
 *
 * A switch takes 0.1 to 0.25 s in an emulated guest, so it is written from the thread pool; the
 * loop that watches memory must not wait for it.
 */
export class CpuActuator {
  readonly #dir: string;
  #goal = 1;
  #running: Promise<CpuOutcome> | null = null;

  /** `dir` is /sys/devices/system/cpu. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The last order. */
  get goal(): number {
    return this.#goal;
  }

  /** Brings `goal` CPUs online, as far as they are present. Never rejects. */
  bringTo(goal: number): Promise<CpuOutcome> {
    this.#goal = goal;
    this.#running ??= this.#run().finally(() => (this.#running = null));
    return this.#running;
  }

  async #run(): Promise<CpuOutcome> {
    // Every step changes a CPU for good, so there are at most as many as there are CPUs, twice if
    // the goal turns around on the way; the bound only stops a sysfs that pretends.
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const step = nextCpuStep(this.#read(), this.#goal);
      if (step === null) break;
      const error = await write(`${this.#dir}/cpu${step.cpu}/online`, step.isOnline ? "1" : "0");
      if (error !== null) return { onlineCount: this.#read().online.length, error };
    }
    return { onlineCount: this.#read().online.length, error: null };
  }

  #read(): { present: CpuList; online: CpuList } {
    return { present: this.#list("present"), online: this.#list("online") };
  }

  /** A list that can't be read is one CPU: then there is nothing to switch. */
  #list(name: "present" | "online"): CpuList {
    try {
      return parseCpuList(fs.readFileSync(`${this.#dir}/${name}`, "latin1")) ?? [0];
    } catch {
      // No sysfs here (a container, a test): the sensors have said so once.
      return [0];
    }
  }
}

const MAX_STEPS = 16_384;

async function write(path: string, value: string): Promise<SysfsWriteError | null> {
  try {
    await fs.promises.writeFile(path, value, { flag: "r+" }); // never create: sysfs says EACCES then
    return null;
  } catch (error) {
    return new SysfsWriteError(path, value, error);
  }
}
