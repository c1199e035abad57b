import fs from "node:fs";
import { SysfsWriteError } from "./errors.ts";

/**
 * Where a block's memory goes: the movable zone, because only what can be moved can be unplugged
 * again later.
 */
const ONLINE = "online_movable";

/** How an order ended: blocks that came online, and the first refusal. */
export type BlocksOutcome = Readonly<{ onlined: number; error: SysfsWriteError | null }>;

/** True when the kernel leaves plugged memory offline until somebody asks: then we must. */
export function mustOnlineBlocks(dir: string): boolean {
  try {
    return fs.readFileSync(`${dir}/auto_online_blocks`, "latin1").trim() === "offline";
  } catch {
    // No memory hotplug in this kernel: no block will ever appear.
    return false;
  }
}

/** Brings plugged but unused memory online through sysfs, one order at a time. */
export class MemoryBlockActuator {
  readonly #dir: string;
  #running: Promise<BlocksOutcome> | null = null;

  /** `dir` is /sys/devices/system/memory. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Onlines these blocks, lowest first; an order given while another runs joins that one (the
   * blocks it missed are offline still, and show in the next sample). Never rejects.
   */
  online(blocks: readonly number[]): Promise<BlocksOutcome> {
    this.#running ??= this.#run(blocks).finally(() => (this.#running = null));
    return this.#running;
  }

  async #run(blocks: readonly number[]): Promise<BlocksOutcome> {
    let onlined = 0;
    let firstError: SysfsWriteError | null = null;
    for (const block of blocks) {
      const path = `${this.#dir}/memory${block}/state`;
      try {
        await fs.promises.writeFile(path, ONLINE, { flag: "r+" });
        onlined++;
      } catch (error) {
        // The others may still work: one block may be in the middle of leaving.
        firstError ??= new SysfsWriteError(path, ONLINE, error);
      }
    }
    return { onlined, error: firstError };
  }
}
