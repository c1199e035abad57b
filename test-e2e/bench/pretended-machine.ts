// A machine that can be made larger at once: files in place of some of /proc and /sys, for one process alone. The real monitor reads
// them as it reads a kernel's; everything else of it is real.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { MIB } from "../harness/truth.ts";

/** A Linux memory block, and the agent's grid. */
export const BLOCK_BYTES = 128 * MIB;
/** Small enough to grow often, large enough that nothing but a reservation makes it grow. */
const START_BYTES = 2048 * MIB;
const USED_BYTES = 64 * MIB;
/** The kernel's own: QEMU's bytes − MemTotal. */
const KERNEL_BYTES = 108 * MIB;
const KIB = 1024;

const MEMINFO = "/proc/meminfo";
const BLOCKS = "/sys/devices/system/memory";
/** Copied once: a machine whose counters stand still is idle, whatever this one does. */
const STILL = [
  ...["/proc/stat", "/proc/schedstat", "/proc/vmstat", "/proc/loadavg"],
  ...["/proc/pressure/cpu", "/proc/pressure/memory"],
];

export class PretendedMachine {
  readonly #dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-machine-"));
  readonly #meminfo: number;
  #bytes = START_BYTES;

  constructor() {
    for (const file of STILL) {
      if (fs.existsSync(file)) this.#write(file, fs.readFileSync(file, "utf8"));
    }
    this.#write(`${BLOCKS}/block_size_bytes`, `${BLOCK_BYTES.toString(16)}\n`);
    this.#write(`${BLOCKS}/auto_online_blocks`, "online\n");
    this.#addBlocks(0);
    this.#write(MEMINFO, this.#memory());
    this.#meminfo = fs.openSync(this.#place(MEMINFO), "r+");
  }

  /** In front of a command: it runs on this machine, in its own process, and nobody else sees anything of it. */
  get prefix(): readonly string[] {
    const covered = [MEMINFO, ...STILL, BLOCKS].filter((file) => fs.existsSync(file));
    const mounts = covered.map((file) => `mount --bind '${this.#place(file)}' ${file}`);
    const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
    const script = [...mounts, 'exec "$@"'].join(" && ");
    return ["unshare", "--mount", ...asRoot, "sh", "-c", script, "sh"];
  }

  /** As QEMU would count it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** It has that much when this returns. */
  grow(bytes: number): void {
    const before = this.#bytes;
    this.#bytes = bytes;
    this.#addBlocks(before / BLOCK_BYTES);
    // In one write of the same length: a reader sees the old or the new.
    fs.writeSync(this.#meminfo, this.#memory(), 0);
  }

  remove(): void {
    fs.closeSync(this.#meminfo);
    fs.rmSync(this.#dir, { recursive: true, force: true });
  }

  #addBlocks(from: number): void {
    for (let block = from; block < this.#bytes / BLOCK_BYTES; block += 1) {
      this.#write(`${BLOCKS}/memory${block}/state`, "online\n");
    }
  }

  #memory(): string {
    const totalBytes = this.#bytes - KERNEL_BYTES;
    const freeBytes = totalBytes - USED_BYTES;
    const rows = { MemTotal: totalBytes, MemFree: freeBytes, MemAvailable: freeBytes, Cached: 0 };
    const more = { SwapTotal: 0, SwapFree: 0, AnonPages: USED_BYTES, Shmem: 0 };
    return Object.entries({ ...rows, ...more })
      .map(([name, bytes]) => `${`${name}:`.padEnd(16)}${String(bytes / KIB).padStart(12)} kB\n`)
      .join("");
  }

  #place(file: string): string {
    return path.join(this.#dir, file);
  }

  #write(file: string, text: string): void {
    fs.mkdirSync(path.dirname(this.#place(file)), { recursive: true });
    fs.writeFileSync(this.#place(file), text);
  }
}
