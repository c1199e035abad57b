// Whether a resize is one that somebody legally asked for: judged from outside, by what the connection's book and QEMU say.
import { type Size } from "@selfscale/protocol";
import { type HypervisorFacts, type VmAction, type VmSpec } from "../types.ts";
import { hold, type ConnectionBook, type Wish } from "./agent-book.ts";

const MIB = 1024 * 1024;
const CELL = 128 * MIB;
const QUOTA_CELL = 250;
const SLICE = 256 * MIB;
/** A VM that unplugs memory may have this much CPU lent. */
const LOAN_MILLI = 1_000;
/** A mute monitor in a busy guest: one step of a quarter more. */
const BLIND = 1.25;
const BUSY_SHARE = 0.9;

type Actual = Readonly<{ milliCpu: number; memBytes: number; requestedBytes: number }>;

/** What the machine may know of the VM: the last readings, and the truth. */
export class SizeWatch {
  readonly #spec: () => VmSpec;
  #readings: Actual[] = [];
  #busy = false;
  #hasMetrics = false;
  /** CPU that it had before some was lent; null: nothing is. */
  #lentFrom: number | null = null;

  constructor(spec: () => VmSpec) {
    this.#spec = spec;
  }

  /** QEMU is being read. */
  read(facts: HypervisorFacts): void {
    const actual = actualIn(facts);
    this.#readings = [...this.#readings, actual].slice(-2);
    this.readCpu(facts);
  }

  /** Only its CPU is. */
  readCpu(facts: HypervisorFacts): void {
    // What was added blindly stays wanted until the monitor speaks.
    this.#busy ||= (facts.cpuUsedMilli ?? 0) >= BUSY_SHARE * actualIn(facts).milliCpu;
  }

  scraped(): void {
    this.#hasMetrics = true;
  }

  /** Everything that was known of another process, or another connection's guest. */
  forgetMetrics(): void {
    this.#hasMetrics = false;
  }

  judge(action: VmAction, facts: HypervisorFacts, book: ConnectionBook | null, now: number): void {
    if (action.kind === "set-memory") {
      this.#judgeMemory(facts.baseMemBytes + action.requestedBytes, facts, book, now);
    }
    if (action.kind === "set-quota") this.#judgeQuota(action.milliCpu, facts, book, now);
    if (action.kind === "plug-cpu") {
      const most = this.#mostCpu(facts, book, now);
      hold(action.vcpus <= Math.ceil(most / 1000), `${action.vcpus} vCPUs, of ${most} milli`);
    }
  }

  #judgeMemory(
    told: number,
    facts: HypervisorFacts,
    book: ConnectionBook | null,
    now: number,
  ): void {
    const { low, high } = this.#range(facts);
    hold(
      told <= this.#mostMem(facts, book, now),
      `memory to ${told / MIB} MiB: nobody asked for it`,
    );
    if (told >= low.memBytes) return;
    const { min, max } = this.#spec().bounds;
    hold(told >= Math.min(min.memBytes, high.memBytes), "memory below its bounds");
    hold(low.memBytes - told <= SLICE, "more than a slice at once");
    hold(book?.phase === "up", "memory is taken from a VM whose monitor is gone");
    hold(!isForeign(book, facts), "memory is taken on the word of another VM's monitor");
    const consent = book.freshConsent("mem", now, ({ memBytes }) => memBytes <= told);
    hold(consent !== null, `memory to ${told / MIB} MiB: not agreed to within 2 s`);
    consent.mem = true;
    const isWanted =
      book.wishes.length === 0 ||
      book.wishesInForce(now).some((wish) => wantsUpTo(wish, max.memBytes - CELL, told));
    hold(isWanted, "memory is taken that is wanted again");
  }

  #judgeQuota(
    milli: number,
    facts: HypervisorFacts,
    book: ConnectionBook | null,
    now: number,
  ): void {
    const { low, high } = this.#range(facts);
    const most = this.#mostCpu(facts, book, now);
    hold(milli <= most, `quota of ${milli}: nobody asked for more than ${most}`);
    const had = actualIn(facts).milliCpu;
    const wishes = this.#wished(book, now, "milliCpu", had);
    const isWished = wishes.length > 0 && wishes.every((wish) => wish >= milli);
    if (milli > had && milli <= LOAN_MILLI && !isWished) this.#lentFrom ??= had;
    if (milli >= low.milliCpu) return;
    const isRepaid = this.#lentFrom !== null && milli >= this.#lentFrom;
    if (low.milliCpu <= LOAN_MILLI && isRepaid) {
      this.#lentFrom = null;
      return;
    }
    const { min } = this.#spec().bounds;
    hold(milli >= Math.min(min.milliCpu, high.milliCpu), "CPU below its bounds");
    hold(book?.phase === "up", "CPU is taken from a VM whose monitor is gone");
    hold(!isForeign(book, facts), "CPU is taken on the word of another VM's monitor");
    const consent = book.freshConsent("cpu", now, ({ milliCpu }) => milliCpu <= milli);
    hold(consent !== null, `quota to ${milli} from ${low.milliCpu}: not agreed to within 2 s`);
    consent.cpu = true;
    this.#lentFrom = null;
  }

  #mostMem(facts: HypervisorFacts, book: ConnectionBook | null, now: number): number {
    const { high } = this.#range(facts);
    const { min, max } = this.#spec().bounds;
    const had = Math.max(high.memBytes, high.requestedBytes);
    if (isForeign(book, facts)) return had;
    const step = Math.max(CELL, facts.memoryDevice?.blockBytes ?? 0);
    const up = (bytes: number) =>
      facts.baseMemBytes + Math.ceil(Math.max(0, bytes - facts.baseMemBytes) / step) * step;
    const wished = this.#anyone(book)
      ? [max.memBytes]
      : this.#wished(book, now, "memBytes", max.memBytes).map(up);
    const blind = this.#busy ? [up(high.memBytes * BLIND)] : [];
    return Math.max(
      had,
      Math.min(up(max.memBytes), Math.max(up(min.memBytes), ...wished, ...blind)),
    );
  }

  #mostCpu(facts: HypervisorFacts, book: ConnectionBook | null, now: number): number {
    const { high } = this.#range(facts);
    const { min, max } = this.#spec().bounds;
    if (isForeign(book, facts)) return high.milliCpu;
    const step = this.#spec().hasQuota ? QUOTA_CELL : 1_000;
    const up = (milli: number) => Math.ceil(milli / step) * step;
    const wished = this.#anyone(book)
      ? [max.milliCpu]
      : this.#wished(book, now, "milliCpu", max.milliCpu).map(up);
    const loan =
      book?.consents.some(({ mem }) => mem) === true || this.#mayLend(book, now)
        ? [LOAN_MILLI]
        : [];
    return Math.max(
      high.milliCpu,
      Math.min(max.milliCpu, Math.max(up(min.milliCpu), ...wished, ...loan)),
    );
  }

  #mayLend(book: ConnectionBook | null, now: number): boolean {
    return (book?.freshConsent("mem", now, () => true) ?? null) !== null;
  }

  /** UpscaleRequest names no amount, and metrics decide by themselves: bounds alone bind them. */
  #anyone(book: ConnectionBook | null): boolean {
    return book?.phase === "up" && book.version === 1 && (book.hasAskedUp || this.#hasMetrics);
  }

  /** Sizes that may be in force. `unnamed`: until a wish of this connection named one. */
  #wished(
    book: ConnectionBook | null,
    now: number,
    of: "memBytes" | "milliCpu",
    unnamed: number,
  ): number[] {
    if (book?.phase !== "up") return [];
    // A part that is no size leaves the one before it as it was.
    const first = book.wishes.find((wish) => wish[of] !== null);
    const last = book.wishes.findLast((wish) => wish[of] !== null);
    const inForce = book.wishesInForce(now);
    const isUnnamed = inForce[0] !== undefined && inForce[0].at <= (first?.at ?? Infinity);
    const sizes = [...(last === undefined ? [] : [last]), ...inForce].flatMap(
      (wish) => wish[of] ?? [],
    );
    return isUnnamed ? [unnamed, ...sizes] : sizes;
  }

  #range(facts: HypervisorFacts): { low: Actual; high: Actual } {
    const seen = [...this.#readings, actualIn(facts)];
    const pick = (how: (...values: number[]) => number): Actual => ({
      milliCpu: how(...seen.map((one) => one.milliCpu)),
      memBytes: how(...seen.map((one) => one.memBytes)),
      requestedBytes: how(...seen.map((one) => one.requestedBytes)),
    });
    return { low: pick(Math.min), high: pick(Math.max) };
  }
}

/** The operator's bounds cut every wish, and lie on the grid: less than a cell below what was configured. */
function wantsUpTo({ memBytes }: Wish, maxBytes: number, told: number): boolean {
  return memBytes === null || Math.min(memBytes, maxBytes) <= told;
}

function isForeign(book: ConnectionBook | null, facts: HypervisorFacts): boolean {
  return book?.phase === "up" && book.vm !== null && facts.uuid !== null && book.vm !== facts.uuid;
}

function actualIn(facts: HypervisorFacts): Actual & Size {
  const plugged = facts.vcpusPlugged * 1000;
  return {
    milliCpu: Math.min(plugged, facts.quotaMilliCpu ?? Infinity),
    memBytes: facts.baseMemBytes + (facts.memoryDevice?.sizeBytes ?? 0),
    requestedBytes: facts.baseMemBytes + (facts.memoryDevice?.requestedBytes ?? 0),
  };
}
