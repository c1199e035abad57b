import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Roots } from "../machine/identity.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK_BYTES = 128 * MIB;

/** What a pretended machine looks like. Bytes and counts as the kernel would show them. */
export type Look = Readonly<{
  totalBytes: number;
  availableBytes: number;
  anonBytes: number;
  busyTicks: number;
  online: string;
  present: string;
}>;

const IDLE: Look = {
  totalBytes: 404 * MIB,
  availableBytes: 360 * MIB,
  anonBytes: 20 * MIB,
  busyTicks: 100,
  online: "0",
  present: "0",
};

/** Folders that look like /proc and /sys of a 512 MiB guest, to be changed under the monitor. */
export class FakeMachine {
  readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), "selfscale-machine-"));
  readonly roots: Roots = { proc: path.join(this.dir, "proc"), sys: path.join(this.dir, "sys") };
  #look = IDLE;

  constructor() {
    this.write("proc/sys/kernel/random/boot_id", "81838a16-da6c-4d5c-ada2-24de8e101159\n");
    this.write("sys/class/dmi/id/product_uuid", "12345678-9ABC-4def-8123-456789abcdef\n");
    this.write("sys/devices/system/memory/block_size_bytes", "8000000\n");
    this.write("sys/devices/system/memory/auto_online_blocks", "offline\n");
    this.write("proc/loadavg", "0.20 0.18 0.12 1/80 11206\n");
    this.write("proc/vmstat", "allocstall_normal 0\nworkingset_refault_file 0\noom_kill 0\n");
    for (const name of ["cpu", "memory"]) {
      this.write(`proc/pressure/${name}`, "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    }
    for (let block = 0; block < 4; block++) this.setBlock(block, "online");
    this.set({});
  }

  set(change: Partial<Look>): void {
    this.#look = { ...this.#look, ...change };
    const { totalBytes, availableBytes, anonBytes, busyTicks, online, present } = this.#look;
    const kb = (bytes: number) => `${String(bytes / KIB).padStart(10)} kB\n`;
    this.write(
      "proc/meminfo",
      `MemTotal: ${kb(totalBytes)}MemFree: ${kb(availableBytes)}MemAvailable: ${kb(availableBytes)}` +
        `Cached: ${kb(0)}SwapTotal: ${kb(0)}SwapFree: ${kb(0)}` +
        `AnonPages: ${kb(anonBytes)}Shmem: ${kb(0)}`,
    );
    this.write("proc/stat", `cpu  ${busyTicks} 0 0 100000 0 0 0 0 0 0\n`);
    this.write("sys/devices/system/cpu/online", `${online}\n`);
    this.write("sys/devices/system/cpu/present", `${present}\n`);
  }

  setBlock(number: number, state: "online" | "offline"): void {
    this.write(`sys/devices/system/memory/memory${number}/state`, `${state}\n`);
  }

  /** Text of a file of this machine. */
  read(name: string): string {
    return fs.readFileSync(path.join(this.dir, name), "latin1").trim();
  }

  write(name: string, text: string): void {
    const file = path.join(this.dir, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }

  remove(): void {
    fs.rmSync(this.dir, { recursive: true });
  }
}

/** Bytes of the memory that this many blocks make. */
export function blocksBytes(count: number): number {
  return count * BLOCK_BYTES;
}
