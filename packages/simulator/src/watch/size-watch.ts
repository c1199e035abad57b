// Judges each command to QEMU and each notification of one VM from outside: by the connection's book, by what QEMU showed
// the agent last, and by the truth. Invariants 1, 3, 4, 5 and 7.
import {
  type AgentTimers,
  type HypervisorFacts,
  type VmEvent,
  type VmAction,
  type VmSpec,
} from "@selfscale/core";
import { decodeFromAgent, type Bounds, type Size } from "@selfscale/protocol";
import { MIB, mib } from "../units.ts";
import { Broken, type InvariantNumber } from "./broken.ts";
import { type ConnectionBook } from "./connection-book.ts";

const CELL_BYTES = 128 * MIB;
/** A VM that unplugs memory may have this much CPU lent. */
const LOAN_MILLI = 1_000;
/** A mute monitor in a busy guest: one step of a quarter more. */
const BLIND_FACTOR = 1.25;
const BUSY_SHARE = 0.9;

type Reading = Readonly<{ milliCpu: number; memBytes: number; requestedBytes: number }>;
type Range = Readonly<{ low: Reading; high: Reading }>;
/** A command and what is known when it is given. */
type Case = Readonly<{
  facts: HypervisorFacts;
  book: ConnectionBook | null;
  now: number;
  range: Range;
}>;

type Look = Extract<VmEvent, { kind: "hypervisor-observed" | "cpu-read" }>;

export class SizeWatch {
  bounds: Bounds;
  readonly #vm: number;
  readonly #spec: VmSpec;
  readonly #timers: AgentTimers;
  readonly #sliceBytes: number;
  #readings: Reading[] = [];
  #wasBusy = false;
  /** CPU that it had before some was lent; null: nothing is. */
  #lentFrom: number | null = null;
  /** As the agent last learned them. */
  #facts: HypervisorFacts | null = null;
  /** Attempts without an answer, by resource, and the last one given. */
  readonly #open = { memory: new Map<number, number>(), cpu: new Map<number, number>() };
  #lastAttempt = 0;
  /** What the node asks it to come down to, by the answer to its last claim. */
  #recall: Size | null = null;
  #claim = 0;

  constructor(vm: number, spec: VmSpec, timers: AgentTimers, sliceBytes: number) {
    this.#vm = vm;
    this.#spec = spec;
    this.#timers = timers;
    this.#sliceBytes = sliceBytes;
    this.bounds = spec.bounds;
  }

  /** The agent is about to learn what QEMU shows, or only what the kernel does; the rest is as before. */
  look(event: Look): void {
    if (event.kind === "hypervisor-observed") this.read(event.facts);
    else if (this.#facts !== null) this.read({ ...this.#facts, ...event.cpu });
  }

  /** The agent is about to learn this. */
  read(facts: HypervisorFacts): void {
    this.#facts = facts;
    const actual = readingOf(facts);
    this.#readings = [...this.#readings, actual].slice(-2);
    // What was added blindly stays wanted until the monitor speaks.
    this.#wasBusy ||= (facts.cpuUsedMilli ?? 0) >= BUSY_SHARE * actual.milliCpu;
  }

  /** What the agent knows; the truth before it knows anything. */
  known(truth: HypervisorFacts): Reading {
    return this.#readings.at(-1) ?? readingOf(truth);
  }

  /** The most that it holds, by what the agent knows or by the truth. */
  mostHeld(truth: HypervisorFacts): Size {
    const { high } = this.#range(truth);
    return {
      milliCpu: high.milliCpu,
      memBytes: Math.max(high.memBytes, high.requestedBytes),
    };
  }

  /** A command's answer came. */
  settled(attempt: number): void {
    for (const open of [this.#open.memory, this.#open.cpu]) {
      const left = (open.get(attempt) ?? 0) - 1;
      if (left > 0) open.set(attempt, left);
      else open.delete(attempt);
    }
  }

  claimed(number: number): void {
    this.#claim = number;
  }

  permitted({ recall, answers }: Readonly<{ recall: Size | null; answers: number }>): void {
    if (answers === this.#claim) this.#recall = recall;
  }

  /** QEMU is out of reach: its answers do not come any more. */
  lost(): void {
    this.#recall = null;
    this.#readings = this.#readings.slice(-1);
  }

  /** `truth`: what QEMU would show now. */
  judge(action: VmAction, truth: HypervisorFacts, book: ConnectionBook | null, now: number): void {
    if (action.kind === "send-frame") this.#judgeFrame(action.text, truth, book, now);
    if (!("attempt" in action)) return;
    const one: Case = { facts: truth, book, now, range: this.#range(truth) };
    if (action.kind === "set-memory") {
      const told = truth.baseMemBytes + action.requestedBytes;
      const isShrink = told < one.range.low.memBytes;
      this.#begin("memory", action.attempt, isShrink);
      this.#judgeGrid(told, one);
      if (isShrink) this.#judgeUnplug(told, one);
      else this.#judgePlug(told, one);
    } else {
      const milli = action.kind === "set-quota" ? action.milliCpu : action.vcpus * 1000;
      this.#begin("cpu", action.attempt, milli < one.range.low.milliCpu);
      if (action.kind === "set-quota") this.#judgeQuota(milli, one);
      else {
        const most = Math.ceil(this.#mostCpu(one) / 1000) * 1000;
        this.#hold(milli <= most, 1, `${action.vcpus} vCPUs, of ${most} milli at most`);
      }
    }
  }

  /** Invariant 5, as far as it can be seen: nothing is taken while an answer of that resource is to come. */
  #begin(resource: "memory" | "cpu", attempt: number, isShrink: boolean): void {
    const open = this.#open[resource];
    const others = [...open.keys()].filter((other) => other !== attempt);
    this.#hold(
      !isShrink || others.length === 0,
      5,
      `${resource}: attempt ${attempt} takes while ${others.join()} is in flight`,
    );
    this.#hold(attempt >= this.#lastAttempt, 5, `attempt ${attempt} was used before`);
    this.#lastAttempt = attempt;
    open.set(attempt, (open.get(attempt) ?? 0) + 1);
  }

  #judgeGrid(told: number, { facts, range }: Case): void {
    const device = facts.memoryDevice;
    this.#hold(device !== null, 1, "memory is told to a VM that has no device");
    if (device === null) return;
    const requested = told - facts.baseMemBytes;
    const isWhole = requested % device.blockBytes === 0;
    this.#hold(isWhole, 1, `requested ${requested} is not whole blocks`);
    const fits = requested >= 0 && requested <= device.maxBytes;
    this.#hold(fits, 1, `requested ${mib(requested)} MiB does not fit the device`);
    const isAnew = told > Math.max(range.high.memBytes, range.high.requestedBytes);
    const step = Math.max(CELL_BYTES, device.blockBytes);
    // One block less wakes up a driver that was told the same before.
    const isCell = requested % step === 0 || (requested + device.blockBytes) % step === 0;
    this.#hold(!isAnew || isCell, 1, `growth to ${mib(told)} MiB is not on the grid`);
  }

  #judgePlug(told: number, one: Case): void {
    const most = this.#mostMem(one);
    this.#hold(told <= most, 1, `memory to ${mib(told)} MiB, nobody asked for over ${mib(most)}`);
  }

  #judgeUnplug(told: number, one: Case): void {
    const { range, book, facts, now } = one;
    const { min, max } = this.bounds;
    // Where no size of the grid lies within the bounds, the upper one counts.
    const least = Math.min(min.memBytes, cellDown(max.memBytes, facts), range.high.memBytes);
    this.#hold(told >= least, 1, `memory to ${mib(told)} MiB, below the bounds`);
    const taken = range.low.memBytes - told;
    this.#hold(taken <= this.#sliceBytes, 3, `${mib(taken)} MiB at once are more than a slice`);
    this.#hold(book?.isUp === true, 3, "memory is taken from a VM whose monitor is gone");
    this.#hold(!isForeign(book, facts), 3, "memory is taken on another VM's monitor's word");
    const consent = book?.freshConsent("mem", now, told) ?? null;
    this.#hold(consent !== null, 3, `memory to ${mib(told)} MiB: nobody agreed to it now`);
    if (consent !== null) consent.mem = true;
    if (book !== null) this.#judgeReason(book, "memBytes", told, max.memBytes - CELL_BYTES, one);
  }

  /** Invariant 7: somebody who may decide wants less than what is told. */
  #judgeReason(
    book: ConnectionBook,
    of: "memBytes" | "milliCpu",
    told: number,
    max: number,
    { now, range }: Case,
  ): void {
    // What is above the bounds goes without anybody's wish; so does what the node asks back.
    if (range.high[of] > max || (this.#recall !== null && this.#recall[of] <= told)) return;
    const isHeard = now < book.heardAt + this.#timers.levelFreshMs;
    if (book.named[of] !== null) {
      const isWanted = book.wishesInForce(now).some((wish) => (wish[of] ?? 0) <= told);
      this.#hold(
        isHeard && isWanted,
        7,
        `${of} ${told} is taken; it is wanted, or not known to be free`,
      );
      return;
    }
    const isMetricsBased =
      book.version === 1 &&
      now >= book.upAt + this.#timers.metricsModeAfterMs &&
      now < book.scrapedAt + this.#timers.metricsFreshMs;
    this.#hold(isMetricsBased, 7, `${of} ${told} is taken, and no live signal says so`);
  }

  #judgeQuota(milli: number, one: Case): void {
    const { range, book, facts, now } = one;
    this.#hold(milli % 250 === 0, 1, `a quota of ${milli} is not on the grid`);
    const most = this.#mostCpu(one);
    this.#hold(milli <= most, 1, `quota of ${milli}: nobody asked for more than ${most}`);
    const had = readingOf(facts).milliCpu;
    const cut = (wish: number) => Math.min(wish, this.bounds.max.milliCpu);
    const wishes = this.#wished(one, "milliCpu").map(cut);
    const isWished = wishes.length > 0 && wishes.every((wish) => wish >= milli);
    if (milli > had && milli <= LOAN_MILLI && !isWished) this.#lentFrom ??= had;
    if (milli >= range.low.milliCpu) return;
    const isRepaid = this.#lentFrom !== null && milli >= this.#lentFrom;
    if (range.low.milliCpu <= LOAN_MILLI && isRepaid) {
      this.#lentFrom = null;
      return;
    }
    const { min, max } = this.bounds;
    const least = Math.min(min.milliCpu, range.high.milliCpu);
    this.#hold(milli >= least, 1, `quota of ${milli}, below the bounds`);
    this.#hold(book?.isUp === true, 3, "CPU is taken from a VM whose monitor is gone");
    this.#hold(!isForeign(book, facts), 3, "CPU is taken on another VM's monitor's word");
    const consent = book?.freshConsent("cpu", now, milli) ?? null;
    const from = range.low.milliCpu;
    this.#hold(consent !== null, 3, `quota to ${milli} from ${from}: nobody agreed to it now`);
    if (consent !== null) consent.cpu = true;
    this.#lentFrom = null;
    if (book !== null) this.#judgeReason(book, "milliCpu", milli, max.milliCpu - 250, one);
  }

  /** Invariant 4, and one question at a time. */
  #judgeFrame(
    text: string,
    truth: HypervisorFacts,
    book: ConnectionBook | null,
    now: number,
  ): void {
    if (text.includes('"DownscaleRequest"')) {
      // One that was given up may still be unanswered.
      this.#hold((book?.openQuestions(now) ?? 0) <= 2, 5, "too many questions at a time");
    }
    if (!text.includes('"UpscaleNotification"')) return;
    const frame = decodeFromAgent(text);
    if (!frame.ok || frame.message.type !== "UpscaleNotification") return;
    const { granted } = frame.message.content;
    const { high } = this.#range(truth);
    this.#hold(granted.mem <= high.memBytes, 4, `${mib(granted.mem)} MiB notified, not there`);
    const isThere = Math.round(granted.cpu * 1000) <= high.milliCpu;
    this.#hold(isThere, 4, `${granted.cpu} vCPUs notified, not there`);
  }

  #mostMem(one: Case): number {
    const { facts, book, range } = one;
    const { min, max } = this.bounds;
    const had = Math.max(range.high.memBytes, range.high.requestedBytes);
    if (isForeign(book, facts)) return had;
    const step = Math.max(CELL_BYTES, facts.memoryDevice?.blockBytes ?? 0);
    const above = (bytes: number) => Math.max(0, bytes - facts.baseMemBytes) / step;
    const up = (bytes: number) => facts.baseMemBytes + Math.ceil(above(bytes)) * step;
    const wished = this.#anyone(book) ? [max.memBytes] : this.#wished(one, "memBytes").map(up);
    const blind = this.#wasBusy ? [up(range.high.memBytes * BLIND_FACTOR)] : [];
    const wanted = Math.max(up(min.memBytes), ...wished, ...blind);
    return Math.max(had, Math.min(cellDown(max.memBytes, facts), wanted));
  }

  #mostCpu(one: Case): number {
    const { facts, book, range, now } = one;
    const { min, max } = this.bounds;
    if (isForeign(book, facts)) return range.high.milliCpu;
    const step = this.#spec.hasQuota ? 250 : 1_000;
    const up = (milli: number) => Math.ceil(milli / step) * step;
    const wished = this.#anyone(book) ? [max.milliCpu] : this.#wished(one, "milliCpu").map(up);
    const mayLend = book?.consents.some(({ mem, agreedAt }) => mem || now <= agreedAt + 2_000);
    const loan = mayLend === true ? [LOAN_MILLI] : [];
    const wanted = Math.max(up(min.milliCpu), ...wished);
    return Math.max(range.high.milliCpu, Math.min(max.milliCpu, wanted), ...loan);
  }

  /** UpscaleRequest names no amount, and metrics decide by themselves: bounds alone bind them. */
  #anyone(book: ConnectionBook | null): boolean {
    if (book?.isUp !== true || book.version !== 1) return false;
    return book.hasAskedUp || book.scrapedAt > -Infinity;
  }

  /** Sizes that may be in force. */
  #wished({ book, now }: Case, of: "memBytes" | "milliCpu"): number[] {
    if (book?.isUp !== true) return [];
    // A part that is no size leaves the one before it as it was.
    const last = book.wishes.findLast((wish) => wish[of] !== null);
    const inForce = book.wishesInForce(now);
    return [...(last === undefined ? [] : [last]), ...inForce].flatMap((wish) => wish[of] ?? []);
  }

  /** What the agent may know of the VM: its last readings, and the truth. */
  #range(truth: HypervisorFacts): Range {
    const seen = [...this.#readings, readingOf(truth)];
    const pick = (how: (...values: number[]) => number): Reading => ({
      milliCpu: how(...seen.map((one) => one.milliCpu)),
      memBytes: how(...seen.map((one) => one.memBytes)),
      requestedBytes: how(...seen.map((one) => one.requestedBytes)),
    });
    return { low: pick(Math.min), high: pick(Math.max) };
  }

  #hold(truth: boolean, invariant: InvariantNumber, what: string): void {
    if (!truth) throw new Broken(invariant, this.#vm, what);
  }
}

function isForeign(book: ConnectionBook | null, facts: HypervisorFacts): boolean {
  return book?.isUp === true && book.vm !== null && facts.uuid !== null && book.vm !== facts.uuid;
}

/** The largest memory of the grid that is not above `bytes`. */
function cellDown(bytes: number, { baseMemBytes, memoryDevice }: HypervisorFacts): number {
  const step = Math.max(CELL_BYTES, memoryDevice?.blockBytes ?? 0);
  return baseMemBytes + Math.floor(Math.max(0, bytes - baseMemBytes) / step) * step;
}

export function readingOf(facts: HypervisorFacts): Reading {
  const plugged = facts.vcpusPlugged * 1000;
  return {
    milliCpu: Math.min(plugged, facts.quotaMilliCpu ?? Infinity),
    memBytes: facts.baseMemBytes + (facts.memoryDevice?.sizeBytes ?? 0),
    requestedBytes: facts.baseMemBytes + (facts.memoryDevice?.requestedBytes ?? 0),
  };
}
