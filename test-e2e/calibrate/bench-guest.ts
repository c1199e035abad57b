// A guest to measure on: the monitor is ended, so that nothing in it resizes, and the measuring programs are in it.
import { readFileSync } from "node:fs";
import { type QmpClient } from "@selfscale/qmp";
import { setTimeout as pause } from "node:timers/promises";
import { startGuest, type Guest } from "../harness/guest.ts";
import { putFile } from "../harness/put-file.ts";
import { MIB, Truth } from "../harness/truth.ts";
import { Marks } from "./marks.ts";

const PROGRAMS = ["watch-size", "spin", "switch-cpu", "hold-half"] as const;
const FOLDER = "/run/calibrate";
/** The rule of our agent: an unplug without progress for so long has ended. */
const NO_PROGRESS_MS = 3_000;
const REQUESTED = { path: "/machine/peripheral/vm0", property: "requested-size" };
const SIZE = { path: "/machine/peripheral/vm0", property: "size" };

export class BenchGuest {
  readonly guest: Guest;
  readonly marks: Marks;
  readonly #truth: Truth;

  private constructor(guest: Guest, truth: Truth) {
    this.guest = guest;
    this.marks = new Marks(guest);
    this.#truth = truth;
  }

  /** Runs `measure` with a guest of 1 vCPU and 512 MiB, up to 4 and 2560 MiB; it is gone when this returns. */
  static async with<T>(measure: (bench: BenchGuest) => Promise<T>, cgroup = false): Promise<T> {
    const guest = await startGuest({ name: "calibrate", cgroup });
    try {
      const truth = await Truth.open(guest.truthPath);
      const bench = new BenchGuest(guest, truth);
      await bench.run(`mkdir -p ${FOLDER}; pkill supervise; pkill -KILL node; true`);
      for (const program of PROGRAMS) {
        const text = readFileSync(new URL(`guest/${program}.pl`, import.meta.url));
        await putFile(guest, `${FOLDER}/${program}`, text);
      }
      const result = await measure(bench);
      truth.close();
      return result;
    } finally {
      await guest.kill();
    }
  }

  get qmp(): QmpClient {
    return this.#truth.qmp;
  }

  /** A command in the guest that must succeed; its output. */
  async run(command: string, timeoutMs = 120_000): Promise<string> {
    const { code, stdout, stderr } = await this.guest.exec(command, { timeoutMs });
    if (code !== 0) throw new Error(`${command}: ${code}: ${stderr}`);
    return stdout;
  }

  async runProgram(program: (typeof PROGRAMS)[number], args = ""): Promise<string> {
    return await this.run(`perl ${FOLDER}/${program} ${args}`);
  }

  /** In the background, until the guest ends. */
  async startProgram(program: (typeof PROGRAMS)[number], args = ""): Promise<void> {
    await this.run(`setsid perl ${FOLDER}/${program} ${args} >/dev/null 2>&1 </dev/null &`);
  }

  /** The lowest free vCPU. */
  async plugCpu(): Promise<void> {
    const free = (await this.qmp.execute("query-hotpluggable-cpus", {})).filter(
      (cpu) => cpu["qom-path"] === null,
    );
    const lowest = free.at(-1); // listed in descending order
    if (lowest === undefined) throw new Error("no vCPU is left");
    const id = `cpu-${4 - free.length}`;
    await this.qmp.execute("device_add", { driver: lowest.type, id, ...lowest.props });
  }

  async requestMemory(bytes: number): Promise<void> {
    await this.qmp.execute("qom-set", { ...REQUESTED, value: bytes });
  }

  async pluggedBytes(): Promise<number> {
    return Number(await this.qmp.execute("qom-get", SIZE));
  }

  /** Resolves when it has that much, or comes no nearer: with what it has, and when it last moved. */
  async settle(bytes: number): Promise<{ bytes: number; at: number }> {
    let [last, at] = [await this.pluggedBytes(), performance.now()];
    while (last !== bytes && performance.now() < at + NO_PROGRESS_MS) {
      await pause(5);
      const now = await this.pluggedBytes();
      if (now !== last) [last, at] = [now, performance.now()];
    }
    return { bytes: last, at };
  }

  /** As our agent: what could not be had is not asked for any longer. */
  async endRequest(bytes: number): Promise<void> {
    await this.requestMemory(Math.ceil(bytes / (2 * MIB)) * 2 * MIB);
  }
}
