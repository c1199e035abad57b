import fs from "node:fs";
import { type OnMissing } from "./proc-file.ts";

/** The kernel's units of memory hotplug. 128 MiB each on x86 below 64 GiB. */
export type MemoryBlocks = Readonly<{
  blockBytes: number;
  /** Blocks the kernel uses. A virtio-mem device may have plugged only parts of the last one. */
  onlineCount: number;
  /** Numbers of the blocks that are there and not used. */
  offline: readonly number[];
}>;

/** Reading the state of hundreds of blocks costs milliseconds, so never more often than this. */
const MIN_REFRESH_MS = 250;

/**
 * Counts memory blocks, and reads their states again only when something says they changed:
 * MemTotal (a block went online or offline) or the number of blocks (one was plugged).
 */
export class MemoryBlockSensor {
  readonly #dir: string;
  readonly #onMissing: OnMissing;
  /** Of the folder itself. */
  #fd: number | null = null;
  #last: MemoryBlocks | null = null;
  #isMissing = false;
  #seenTotalBytes = NaN;
  #seenFolders = NaN;
  #refreshedAt = -Infinity;

  /** `dir` is /sys/devices/system/memory. */
  constructor(dir: string, onMissing: OnMissing) {
    this.#dir = dir;
    this.#onMissing = onMissing;
  }

  /** The blocks now, or null on a kernel without memory hotplug (said once). */
  read(memTotalBytes: number, now: number): MemoryBlocks | null {
    if (this.#isMissing || now - this.#refreshedAt < MIN_REFRESH_MS) return this.#last;
    try {
      // A folder's link count is the number of folders in it: one system call sees a new block.
      this.#fd ??= fs.openSync(this.#dir, "r");
      const folders = fs.fstatSync(this.#fd).nlink;
      if (folders === this.#seenFolders && memTotalBytes === this.#seenTotalBytes)
        return this.#last;
      this.#refreshedAt = now;
      this.#last = readBlocks(this.#dir);
      this.#seenFolders = folders;
      this.#seenTotalBytes = memTotalBytes;
    } catch (error) {
      this.#isMissing = this.#last === null; // once seen, a failure is a passing one
      if (this.#isMissing) this.#onMissing(this.#dir, (error as Error).message);
    }
    return this.#last;
  }

  close(): void {
    if (this.#fd !== null) fs.closeSync(this.#fd);
    this.#fd = null;
  }

  /** The next read looks again whatever the other signs say: we have just onlined something. */
  invalidate(): void {
    this.#seenTotalBytes = NaN;
    this.#refreshedAt = -Infinity;
  }
}

/** Reads every block's state. Throws when `dir` is not the kernel's. */
export function readBlocks(dir: string): MemoryBlocks {
  const blockBytes = parseBlockBytes(fs.readFileSync(`${dir}/block_size_bytes`, "latin1"));
  let onlineCount = 0;
  const offline: number[] = [];
  for (const name of fs.readdirSync(dir)) {
    const block = /^memory(\d+)$/.exec(name);
    if (block === null) continue;
    const state = readState(`${dir}/${name}/state`);
    // "going-offline" is still in use, and stays so when the attempt fails.
    if (state === "offline") offline.push(Number(block[1]));
    else if (state !== null) onlineCount++;
  }
  return { blockBytes, onlineCount, offline: offline.sort((a, b) => a - b) };
}

/** The kernel prints `block_size_bytes` in hexadecimal without a prefix. */
export function parseBlockBytes(text: string): number {
  const bytes = /^[0-9a-f]{1,12}\s*$/.test(text) ? parseInt(text, 16) : NaN;
  if (!(bytes > 0)) throw new Error(`block_size_bytes is ${JSON.stringify(text)}, not hexadecimal`);
  return bytes;
}

/** null when the block was unplugged between the listing and this read. */
function readState(path: string): string | null {
  try {
    return fs.readFileSync(path, "latin1").trim();
  } catch {
    // Unplugged meanwhile: it is as if the listing had not named it.
    return null;
  }
}
