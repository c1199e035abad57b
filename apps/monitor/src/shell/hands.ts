import { CpuActuator } from "../actuators/cpus.ts";
import { type SysfsWriteError } from "../actuators/errors.ts";
import { MemoryBlockActuator, mustOnlineBlocks } from "../actuators/memory-blocks.ts";
import { type Log } from "../log.ts";
import { type Roots } from "../machine/identity.ts";
import { type MachineSensors } from "../sensors/machine-sensors.ts";

/** A refused switch is tried again after this long: a plugged CPU may not be ready yet. */
const RETRY_MS = 1_000;

/**
 * What the core orders done to this machine. An order is a level: it stands until the next one,
 * and is tried again while the kernel refuses. Refusals are said once, until they are over.
 */
export class Hands {
  readonly #cpus: CpuActuator;
  readonly #blocks: MemoryBlockActuator;
  readonly #memoryDir: string;
  readonly #sensors: MachineSensors;
  readonly #log: Log;
  readonly #failing = new Map<"cpu" | "memory", string>();
  #retry: NodeJS.Timeout | null = null;
  #memoryNotBefore = -Infinity;

  constructor(roots: Roots, sensors: MachineSensors, log: Log) {
    this.#cpus = new CpuActuator(`${roots.sys}/devices/system/cpu`);
    this.#memoryDir = `${roots.sys}/devices/system/memory`;
    this.#blocks = new MemoryBlockActuator(this.#memoryDir);
    this.#sensors = sensors;
    this.#log = log;
  }

  /** The next sample shows what became of it. */
  async setOnlineCpus(count: number): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    const { error } = await this.#cpus.bringTo(count);
    this.#report("cpu", error);
    if (error === null) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      void this.setOnlineCpus(this.#cpus.goal);
    }, RETRY_MS);
    this.#retry.unref();
  }

  /**
   * Onlines what the last sample found unused; the core asks again while there is any. Does
   * nothing where the kernel onlines by itself: what it leaves alone is not ours.
   */
  async onlineMemory(now: number): Promise<void> {
    const blocks = this.#sensors.offlineBlocks();
    if (blocks.length === 0 || now < this.#memoryNotBefore) return;
    if (!mustOnlineBlocks(this.#memoryDir)) {
      this.#memoryNotBefore = now + RETRY_MS;
      return;
    }
    const { onlined, error } = await this.#blocks.online(blocks);
    if (onlined > 0) this.#sensors.blocksChanged();
    if (error !== null) this.#memoryNotBefore = now + RETRY_MS;
    this.#report("memory", error);
  }

  stop(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
  }

  #report(what: "cpu" | "memory", error: SysfsWriteError | null): void {
    if (error === null) {
      this.#failing.delete(what);
      return;
    }
    if (this.#failing.get(what) === error.message) return;
    this.#failing.set(what, error.message);
    this.#log.warn({ code: error.code, errno: error.errno, path: error.path }, error.message);
  }
}
