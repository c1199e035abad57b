import { type CgroupMemory } from "@selfscale/core";
import { parsePressure } from "./pressure.ts";
import { type Bytes, type OnMissing, ProcFile } from "./proc-file.ts";
import { KeyedLines, numberAt } from "./scan.ts";

/** Its figures are for the record and for vetoes; reading memory.stat has the kernel add up all CPUs' parts first. */
const READ_EVERY_MS = 1_000;
/** A group that is not there may come with its service, under the same name. */
const RETRY_EVERY_MS = 1_000;

const STAT_KEYS = ["anon ", "file ", "shmem "] as const;
const EVENT_KEYS = ["oom ", "oom_kill "] as const;

/** The files of one incarnation of the group. */
type Files = Readonly<
  Record<"current" | "stat" | "events" | "pressure" | "max" | "high", ProcFile>
>;

/**
 * Memory of one cgroup, version 2. The group ends with its service and comes anew with it: kept descriptors then give
 * ENODEV for good, so all are opened again.
 */
export class CgroupMemorySensor {
  readonly #dir: string;
  readonly #onMissing: OnMissing;
  readonly #stat = new KeyedLines(STAT_KEYS);
  readonly #events = new KeyedLines(EVENT_KEYS);
  #files: Files | null = null;
  #last: CgroupMemory | null = null;
  #dueAt = -Infinity;
  #isReported = false;

  /** `dir` is the group's folder. */
  constructor(dir: string, onMissing: OnMissing) {
    this.#dir = dir;
    this.#onMissing = onMissing;
  }

  /** null while there is no such group (said once), or only one of version 1. */
  read(now: number, isFull: boolean): CgroupMemory | null {
    const isDue = now >= this.#dueAt || (isFull && this.#last !== null);
    if (!isDue) return this.#last;
    this.#files ??= this.#open();
    this.#last = this.#readAll(this.#files);
    if (this.#last === null) this.close();
    this.#dueAt = now + (this.#last === null ? RETRY_EVERY_MS : READ_EVERY_MS);
    return this.#last;
  }

  close(): void {
    for (const file of Object.values(this.#files ?? {})) file.close();
    this.#files = null;
  }

  #open(): Files {
    const file = (name: string) =>
      new ProcFile(`${this.#dir}/memory.${name}`, (_, problem) => {
        // Of the others any may be missing: the root group has few, and a kernel without PSI no pressure.
        if (name === "current" && !this.#isReported) {
          this.#isReported = true;
          this.#onMissing(this.#dir, problem);
        }
      });
    return {
      current: file("current"),
      stat: file("stat"),
      events: file("events"),
      pressure: file("pressure"),
      max: file("max"),
      high: file("high"),
    };
  }

  #readAll({ current, stat, events, pressure, max, high }: Files): CgroupMemory | null {
    const currentBytes = firstNumber(current.read());
    if (currentBytes === null) return null;
    const [anonBytes, fileBytes, shmemBytes] = keyed(this.#stat, STAT_KEYS, stat.read());
    const [limitHits, oomKills] = keyed(this.#events, EVENT_KEYS, events.read());
    // Parsed at once: the next file is read into the same buffer.
    const somePressureMs = waitedMs(pressure.read());
    const limits = [firstNumber(max.read()), firstNumber(high.read())].filter((at) => at !== null);
    return {
      currentBytes,
      anonBytes: anonBytes ?? null,
      fileBytes: fileBytes ?? null,
      shmemBytes: shmemBytes ?? null,
      limitBytes: limits.length === 0 ? null : Math.min(...limits),
      somePressureMs,
      limitHits: limitHits ?? null,
      oomKills: oomKills ?? null,
    };
  }
}

function waitedMs(seen: Bytes | null): number | null {
  return seen === null ? null : parsePressure(seen.bytes, seen.length);
}

/** null also for "max": no limit. */
function firstNumber(seen: Bytes | null): number | null {
  if (seen === null) return null;
  const value = numberAt(seen.bytes, 0, seen.length);
  return Number.isNaN(value) ? null : value;
}

/** Values in the order of the keys; null for what this kernel does not print. */
function keyed(
  lines: KeyedLines,
  keys: readonly string[],
  seen: Bytes | null,
): readonly (number | null)[] {
  if (seen === null) return [];
  const values = new Float64Array(keys.length);
  lines.scan(seen.bytes, seen.length, values);
  return [...values].map((value) => (Number.isNaN(value) ? null : value));
}
