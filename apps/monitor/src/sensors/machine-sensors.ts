import { type CpuSample, type MemorySample } from "@selfscale/core";
import { type Roots } from "../machine/identity.ts";
import { CgroupMemorySensor } from "./cgroup-memory.ts";
import { parseCpuList } from "./cpu-list.ts";
import { type LoadAverage, parseLoadavg } from "./loadavg.ts";
import { createMemInfoParser } from "./meminfo.ts";
import { MemoryBlockSensor } from "./memory-blocks.ts";
import { parsePressure } from "./pressure.ts";
import { type OnMissing, ProcFile } from "./proc-file.ts";
import { parseSchedstat } from "./schedstat.ts";
import { parseStat } from "./stat.ts";
import { createVmStatParser } from "./vmstat.ts";

/**
 * The kernel's event counters and memory blocks are looked at no more often than this: they cost
 * more than all the rest, and what they tell does not turn within a tenth of a second.
 */
const SLOW_EVERY_MS = 240;

/** What changes slowly, as last read. */
type SlowPart = Pick<MemorySample, "counters" | "somePressureMs" | "blocks" | "cgroup">;

/** Every file that is read in a loop, each open once. A missing one makes its value null. */
export class MachineSensors {
  readonly #files: ProcFile[] = [];
  readonly #meminfo: ProcFile;
  readonly #vmstat: ProcFile;
  readonly #memoryPressure: ProcFile;
  readonly #stat: ProcFile;
  readonly #schedstat: ProcFile;
  readonly #cpuPressure: ProcFile;
  readonly #loadavg: ProcFile;
  readonly #online: ProcFile;
  readonly #present: ProcFile;
  readonly #blocks: MemoryBlockSensor;
  readonly #cgroup: CgroupMemorySensor | null;
  readonly #parseMemInfo = createMemInfoParser();
  readonly #parseVmStat = createVmStatParser();
  #offlineBlocks: readonly number[] = [];
  #slow: SlowPart | null = null;
  #slowReadAt = -Infinity;
  #seenTotalBytes = NaN;

  /** `cgroup`: folder of the cgroup to look at beside the machine; null: none. */
  constructor(roots: Roots, onMissing: OnMissing, cgroup: string | null = null) {
    const file = (path: string) => {
      const opened = new ProcFile(path, onMissing);
      this.#files.push(opened);
      return opened;
    };
    this.#meminfo = file(`${roots.proc}/meminfo`);
    this.#vmstat = file(`${roots.proc}/vmstat`);
    this.#memoryPressure = file(`${roots.proc}/pressure/memory`);
    this.#stat = file(`${roots.proc}/stat`);
    this.#schedstat = file(`${roots.proc}/schedstat`);
    this.#cpuPressure = file(`${roots.proc}/pressure/cpu`);
    this.#loadavg = file(`${roots.proc}/loadavg`);
    this.#online = file(`${roots.sys}/devices/system/cpu/online`);
    this.#present = file(`${roots.sys}/devices/system/cpu/present`);
    this.#blocks = new MemoryBlockSensor(`${roots.sys}/devices/system/memory`, onMissing);
    this.#cgroup = cgroup === null ? null : new CgroupMemorySensor(cgroup, onMissing);
  }

  /**
   * null only when the kernel's memory figures can't be had at all. `now` is monotonic ms; `isFull`
   * reads everything, for a decision that can't wait.
   */
  readMemory(now: number, isFull = false): MemorySample | null {
    const info = parse(this.#meminfo, this.#parseMemInfo);
    if (info === null) return null;
    const isResized = info.totalBytes !== this.#seenTotalBytes;
    if (this.#slow === null || isFull || isResized || now - this.#slowReadAt >= SLOW_EVERY_MS) {
      this.#slow = this.#readSlow(info.totalBytes, now, isFull);
      this.#slowReadAt = now;
      this.#seenTotalBytes = info.totalBytes;
    }
    return { ...info, ...this.#slow };
  }

  /** null only when the kernel's CPU times can't be had at all. */
  readCpu(): CpuSample | null {
    const times = parse(this.#stat, parseStat);
    if (times === null) return null;
    const onlineCount = parse(this.#online, countCpus) ?? 1;
    return {
      ...times,
      runDelayMs: parse(this.#schedstat, parseSchedstat),
      somePressureMs: parse(this.#cpuPressure, parsePressure),
      runnable: this.readLoad()?.runnable ?? null,
      onlineCount,
      presentCount: Math.max(parse(this.#present, countCpus) ?? onlineCount, onlineCount),
    };
  }

  readLoad(): LoadAverage | null {
    return parse(this.#loadavg, parseLoadavg);
  }

  /** Numbers of the blocks that the last reading of memory found unused. */
  offlineBlocks(): readonly number[] {
    return this.#offlineBlocks;
  }

  /** We have just onlined memory: the next reading counts blocks again. */
  blocksChanged(): void {
    this.#blocks.invalidate();
    this.#slowReadAt = -Infinity;
  }

  #readSlow(memTotalBytes: number, now: number, isFull: boolean): SlowPart {
    const blocks = this.#blocks.read(memTotalBytes, now);
    this.#offlineBlocks = blocks?.offline ?? [];
    return {
      counters: parse(this.#vmstat, this.#parseVmStat),
      somePressureMs: parse(this.#memoryPressure, parsePressure),
      blocks: blocks && {
        blockBytes: blocks.blockBytes,
        onlineCount: blocks.onlineCount,
        offlineCount: blocks.offline.length,
      },
      ...(this.#cgroup !== null && { cgroup: this.#cgroup.read(now, isFull) }),
    };
  }

  close(): void {
    for (const file of this.#files) file.close();
    this.#blocks.close();
    this.#cgroup?.close();
  }
}

function parse<T>(file: ProcFile, parser: (bytes: Buffer, length: number) => T | null): T | null {
  const seen = file.read();
  return seen === null ? null : parser(seen.bytes, seen.length);
}

function countCpus(bytes: Buffer, length: number): number | null {
  return parseCpuList(bytes.toString("latin1", 0, length))?.length ?? null;
}
