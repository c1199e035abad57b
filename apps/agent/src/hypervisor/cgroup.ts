// The CPU quota of an existing cgroup folder, version 1 or 2. The agent only writes the quota; who
// starts QEMU puts it in.
// Plain synchronous file calls: these files live in the kernel, and each takes microseconds.
import fs from "node:fs";
import path from "node:path";

/** Short, so that a throttled guest waits 20 ms at most; at 100 ms QMP's p95 tripled. */
export const QUOTA_PERIOD_US = 20_000;
/** The kernel takes no quota below a millisecond. */
const MIN_QUOTA_US = 1_000;

/** libvirt puts a VM's threads one level below its own folder, systemd another. */
const DEEPEST_LEVELS = 3;

/** The kernel or the file system said no. */
export class CgroupError extends Error {
  override readonly name = "CgroupError";
  readonly code = "CGROUP_FAILED";
}

/** Running totals since the cgroup was made. */
export type QuotaPeriods = Readonly<{ periods: number; throttled: number }>;

/** An existing folder, by what it holds. Throws when it is none, or has no CPU limit. */
export function findCgroup(folder: string): Cgroup {
  if (!fs.existsSync(folder)) throw new CgroupError(`${folder} is not there`);
  for (const kind of [V1, V2]) {
    if (fs.existsSync(path.join(folder, kind.mark))) return new Cgroup(folder, kind);
  }
  throw new CgroupError(`${folder} has neither ${V1.mark} nor ${V2.mark}`);
}

/** One folder. Opened by name each time: it may have been made anew with its VM. */
export class Cgroup {
  readonly folder: string;
  readonly #kind: Kind;

  constructor(folder: string, kind: Kind) {
    this.folder = folder;
    this.#kind = kind;
  }

  /** Milli-vCPU; null when no limit is set. */
  readQuota(): number | null {
    const { quotaUs, periodUs } = this.#kind.readQuota(this.folder);
    return quotaUs === null ? null : Math.round((quotaUs / periodUs) * 1000);
  }

  /** Sets the limit and reads it back. */
  writeQuota(milliCpu: number): void {
    const quotaUs = Math.max(MIN_QUOTA_US, Math.round((milliCpu * QUOTA_PERIOD_US) / 1000));
    this.#kind.writeQuota(this.folder, quotaUs);
    const seen = this.#kind.readQuota(this.folder);
    if (seen.quotaUs !== quotaUs || seen.periodUs !== QUOTA_PERIOD_US) {
      const got = `${seen.quotaUs ?? "none"}/${seen.periodUs}`;
      throw new CgroupError(`wrote ${quotaUs}/${QUOTA_PERIOD_US} us, read back ${got}`);
    }
  }

  readPeriods(): QuotaPeriods {
    const stat = readTable(path.join(this.folder, "cpu.stat"));
    return { periods: stat.get("nr_periods") ?? 0, throttled: stat.get("nr_throttled") ?? 0 };
  }

  /** CPU time used by all in it, in microseconds; null where the folder does not count it. */
  readUsageUs(): number | null {
    return this.#kind.readUsageUs(this.folder);
  }

  /** Processes directly in this folder. */
  readPids(): readonly number[] {
    return readPids(this.folder);
  }

  /** Whether the limit binds this process: it is in the folder, or in one below it. */
  holds(pid: number): boolean {
    return this.readPids().includes(pid) || isBelow(this.folder, pid, DEEPEST_LEVELS);
  }
}

function readPids(folder: string): readonly number[] {
  const lines = read(path.join(folder, "cgroup.procs")).split("\n");
  return lines.map(Number).filter((pid) => pid > 0);
}

function isBelow(folder: string, pid: number, levels: number): boolean {
  if (levels === 0) return false;
  const below = fs.readdirSync(folder, { withFileTypes: true }).filter((one) => one.isDirectory());
  return below.some(({ name }) => {
    const inner = path.join(folder, name);
    return readPids(inner).includes(pid) || isBelow(inner, pid, levels - 1);
  });
}

type Quota = Readonly<{ quotaUs: number | null; periodUs: number }>;

/** What differs between the two versions. */
type Kind = Readonly<{
  /** The file that tells this version. */
  mark: string;
  readQuota: (folder: string) => Quota;
  writeQuota: (folder: string, quotaUs: number) => void;
  readUsageUs: (folder: string) => number | null;
}>;

const V1: Kind = {
  mark: "cpu.cfs_quota_us",

  readQuota(folder) {
    const quotaUs = readNumber(path.join(folder, "cpu.cfs_quota_us"));
    const periodUs = readNumber(path.join(folder, "cpu.cfs_period_us"));
    return { quotaUs: quotaUs < 0 ? null : quotaUs, periodUs };
  },

  writeQuota(folder, quotaUs) {
    const before = V1.readQuota(folder);
    const setQuota = (us: number) => write(path.join(folder, "cpu.cfs_quota_us"), `${us}`);
    const setPeriod = (us: number) => write(path.join(folder, "cpu.cfs_period_us"), `${us}`);
    if (before.periodUs === QUOTA_PERIOD_US) {
      setQuota(quotaUs);
      return;
    }
    // Two files, so for an instant the pair is mixed: rather too little than more than a parent
    // allows. If the kernel takes the first and not the second, the first goes back: half of it
    // would leave the guest with a fifth of what it had.
    const isQuotaFirst = before.quotaUs !== null && before.periodUs > QUOTA_PERIOD_US;
    if (isQuotaFirst) setQuota(quotaUs);
    else setPeriod(QUOTA_PERIOD_US);
    try {
      if (isQuotaFirst) setPeriod(QUOTA_PERIOD_US);
      else setQuota(quotaUs);
    } catch (error) {
      if (isQuotaFirst) setQuota(before.quotaUs);
      else setPeriod(before.periodUs);
      throw error;
    }
  },

  readUsageUs(folder) {
    // cpuacct is often a hierarchy of its own, elsewhere.
    const file = path.join(folder, "cpuacct.usage");
    return fs.existsSync(file) ? Math.round(readNumber(file) / 1000) : null;
  },
};

const V2: Kind = {
  mark: "cpu.max",

  readQuota(folder) {
    const file = path.join(folder, "cpu.max");
    const match = /^(max|\d+) (\d+)$/.exec(read(file).trim());
    if (match === null) throw new CgroupError(`${file} is not "QUOTA PERIOD"`);
    return { quotaUs: match[1] === "max" ? null : Number(match[1]), periodUs: Number(match[2]) };
  },

  writeQuota(folder, quotaUs) {
    write(path.join(folder, "cpu.max"), `${quotaUs} ${QUOTA_PERIOD_US}`);
  },

  readUsageUs(folder) {
    return readTable(path.join(folder, "cpu.stat")).get("usage_usec") ?? null;
  },
};

function readTable(file: string): ReadonlyMap<string, number> {
  const rows = read(file)
    .split("\n")
    .map((line) => line.split(" "));
  return new Map(rows.map(([name, value]) => [name ?? "", Number(value)]));
}

function readNumber(file: string): number {
  const text = read(file).trim();
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) throw new CgroupError(`${file} is not a number`);
  return value;
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    throw failed("read", file, error);
  }
}

function write(file: string, text: string): void {
  try {
    fs.writeFileSync(file, text);
  } catch (error) {
    throw failed(`write ${text} to`, file, error);
  }
}

function failed(what: string, file: string, cause: unknown): CgroupError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new CgroupError(`can't ${what} ${file} (${code})`, { cause });
}
