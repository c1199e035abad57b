// A small guest and agent around the monitor's machine, in virtual time. For tests only: exact,
// scripted, no randomness.
import {
  type FromMonitor,
  decodeFromMonitor,
  encodeFromAgent,
  type FromAgent,
  type Size,
} from "@selfscale/protocol";
import { MONITOR_DEFAULTS, type MonitorConfig } from "../config.ts";
import { initialMonitor, type MonitorState } from "../state.ts";
import { type ReservationRequest } from "../reservations/types.ts";
import { monitorWakeAt, stepMonitor } from "../step.ts";
import {
  type CpuSample,
  type FileCacheSeen,
  type MemorySample,
  type MonitorAction,
  type MonitorEvent,
} from "../types.ts";

export const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;
const BLOCK = 128 * MIB;
const STEP_MS = 10;

export const size = (cpu: number, mib: number): Size => ({
  milliCpu: cpu * 1000,
  memBytes: mib * MIB,
});

function larger(a: Size, b: Size): Size {
  return {
    milliCpu: Math.max(a.milliCpu, b.milliCpu),
    memBytes: Math.max(a.memBytes, b.memBytes),
  };
}

type Asked = Pick<ReservationRequest, "door" | "owner" | "reason" | "ifNotGranted"> &
  Readonly<{ waitMs: number; holdMs: number | null }>;

const ASKED: Asked = {
  door: "http",
  owner: "anna",
  reason: "",
  ifNotGranted: "fail",
  waitMs: 10_000,
  holdMs: null,
};

/** How a guest under test behaves; tests change it as they go. */
export class TestGuest {
  now = 10_000;
  state: MonitorState;
  /** What QEMU has given. */
  actual: Size = size(1, 512);
  presentCpus = 1;
  onlineCpus = 1;
  /** vCPUs the guest's tasks would keep busy if they had them. */
  cpuDemand = 0.05;
  /** Bytes that can't be reclaimed, and how fast an allocator adds to them per second. */
  usedBytes = 80 * MIB;
  allocatingBytesPerSec = 0;
  allocatingUntilBytes = 0;
  /** Set when memory ran out: what a real guest would call an OOM kill. */
  oomKills = 0;
  pressureMs = 0;
  refaultedFilePages = 0;
  /** From ScaleRequest to memory that the guest can use. */
  plugMs = 300;
  /** CPU quota in vCPUs; null: none. Under one, busy ticks in the guest are false. */
  quota: number | null = null;
  throttledShare = 0;
  /**
   * Whether the agent asks to shrink what is not wanted, slice by slice, and takes what is agreed.
   */
  shrinks = false;
  cachedFileBytes = 60 * MIB;
  /** PostgreSQL's file cache; null: there is none. It is asked for by `lookAtCache`. */
  fileCache: FileCacheSeen | null = null;
  /** How long PostgreSQL takes for an order; null: it never answers. */
  cacheSetMs: number | null = 200;
  /** What PostgreSQL answers instead of doing it. */
  cacheProblem: string | null = null;
  sizes: { at: number; size: Size; reason: string | undefined }[] = [];
  /** Sees each step of the monitor before its actions are performed, as the shell lets a shadow. */
  witness: ((state: MonitorState, event: MonitorEvent, now: number) => void) | null = null;
  frames: FromMonitor[] = [];
  actions: MonitorAction[] = [];
  /** Told of every action before it has any effect. */
  watch: (action: MonitorAction) => void = () => undefined;
  link: { number: number; version: number } | null = null;
  max: Size = size(4, 2560);
  min: Size = size(1, 512);
  private busyMs = 0;
  private runDelayMs = 0;
  private cpuPressureMs = 0;
  private plugAt: { at: number; size: Size } | null = null;
  private cacheOrders: { at: number; order: number; bytes: number }[] = [];
  private agentId = 2;
  private askAgainAt = 0;
  /** What the monitor said to each question of the shrinking agent. */
  readonly answers: boolean[] = [];
  /** Every size the VM had, in order. */
  readonly history: Size[] = [];
  /** Time during which fewer CPUs than wanted could be used. */
  delayedMs = 0;

  constructor(config: Partial<MonitorConfig> = {}) {
    this.state = initialMonitor({ ...MONITOR_DEFAULTS, ...config }, this.now);
  }

  get total(): number {
    return this.actual.memBytes - 43 * MIB - (this.actual.memBytes - 512 * MIB) * 0.016;
  }

  feed(event: MonitorEvent): void {
    const [state, actions] = stepMonitor(this.state, event, this.now);
    this.state = state;
    this.witness?.(state, event, this.now);
    for (const action of actions) this.perform(action);
  }

  connect(version = 2): void {
    const number = (this.link?.number ?? 0) + 1;
    this.link = { number, version };
    this.feed({ kind: "link-opened", link: number, version, features: ["size-report"] });
    if (version >= 2) this.report();
    else this.tell({ type: "HealthCheck", content: {}, id: this.nextId() });
  }

  tell(message: FromAgent): void {
    if (this.link === null) return;
    this.sample();
    const text = encodeFromAgent(message);
    this.feed({ kind: "frame-received", link: this.link.number, text });
  }

  ask(target: Size): FromMonitor | undefined {
    const id = this.nextId();
    const content = { target: { cpu: target.milliCpu / 1000, mem: target.memBytes } };
    this.tell({ type: "DownscaleRequest", content, id });
    return this.frames.find((frame) => frame.type === "DownscaleResult" && frame.id === id);
  }

  report(
    extra: { reason?: "met" | "node-full" | "no-cpu-quota"; requestedCpu?: number } = {},
  ): void {
    const allocation = (of: Size) => ({ cpu: of.milliCpu / 1000, mem: of.memBytes });
    const requested = { ...allocation(this.actual) };
    if (extra.requestedCpu !== undefined) requested.cpu = extra.requestedCpu;
    this.tell({
      type: "SizeReport",
      content: {
        actual: allocation(this.actual),
        requested,
        permit: allocation(this.actual),
        bounds: { min: allocation(this.min), max: allocation(this.max) },
        step: { cpu: 0.25, mem: BLOCK },
        ...(extra.reason === undefined ? {} : { reason: extra.reason }),
        ...(this.quota === null
          ? {}
          : { cpuUsed: this.cpuUsed, throttledShare: this.throttledShare }),
      },
      id: this.nextId(),
    });
  }

  /** Somebody in the guest reserves; `waitMs` and `holdMs` count from now. */
  reserve(id: string, mib: number, vcpu: number, more: Partial<Asked> = {}): void {
    this.sample();
    const { waitMs, holdMs, ...others } = { ...ASKED, ...more };
    const request: ReservationRequest = {
      id,
      memBytes: mib * MIB,
      milliCpu: vcpu * 1000,
      waitUntil: this.now + waitMs,
      holdUntil: holdMs === null ? null : this.now + holdMs,
      ...others,
    };
    this.feed({ kind: "reservation-asked", request });
  }

  /** What was last said of a reservation. */
  answerTo(id: string): Extract<MonitorAction, { kind: "reservation-changed" }> | undefined {
    return this.actions
      .filter((action) => action.kind === "reservation-changed")
      .findLast((action) => action.id === id);
  }

  /** Let time pass: tasks run, an allocator touches memory, QEMU plugs, the monitor samples. */
  run(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      this.now += STEP_MS;
      this.live(STEP_MS);
      if (this.now % 200 === 0) this.sampleCpu();
      if (this.now % 100 === 0) this.sampleMemory();
      if (this.quota !== null && this.now % 1000 === 0) this.report();
      this.setCaches();
      if (this.shrinks && this.now % 500 === 0) this.shrink();
      if (this.link !== null && this.now % 5000 === 0) {
        this.tell({ type: "HealthCheck", content: {}, id: this.nextId() });
      }
      if ((monitorWakeAt(this.state) ?? Infinity) <= this.now) this.feed({ kind: "tick" });
    }
  }

  lookAtCache(): void {
    this.feed({ kind: "file-cache-seen", cache: this.fileCache });
  }

  /** PostgreSQL does what it was told, when it is so far; as the shell, the guest is looked at first. */
  private setCaches(): void {
    const due = this.cacheOrders.filter(({ at }) => this.now >= at);
    this.cacheOrders = this.cacheOrders.filter(({ at }) => this.now < at);
    for (const { order, bytes } of due) {
      const problem = this.cacheProblem;
      if (problem === null && this.fileCache !== null) {
        this.fileCache = { ...this.fileCache, limitBytes: bytes };
      }
      const limitBytes = this.fileCache?.limitBytes ?? null;
      this.sample();
      this.feed({ kind: "file-cache-answered", order, limitBytes, problem });
    }
  }

  sample(): void {
    this.sampleCpu();
    this.sampleMemory();
  }

  /** One question at a time, as our agent does; a refusal costs a pause. */
  private shrink(): void {
    if (this.plugAt !== null || this.link === null || this.now < this.askAgainAt) return;
    const want = this.given(this.sizes.at(-1)?.size ?? this.actual);
    const lowersMem = want.memBytes < this.actual.memBytes;
    const lowersCpu = want.milliCpu < this.actual.milliCpu;
    if (!lowersMem && !lowersCpu) return;
    const target = lowersMem
      ? { ...this.actual, memBytes: Math.max(want.memBytes, this.actual.memBytes - 2 * BLOCK) }
      : { ...this.actual, milliCpu: want.milliCpu };
    const answer = this.ask(target);
    if (answer?.type !== "DownscaleResult") throw new Error("the monitor must answer");
    this.answers.push(answer.Ok);
    if (!answer.Ok) {
      this.askAgainAt = this.now + 5_000;
      return;
    }
    this.actual = target;
    if (this.quota !== null) this.quota = target.milliCpu / 1000;
    this.report();
  }

  private given(wish: Size): Size {
    const clamp = (value: number, low: number, high: number) =>
      Math.min(Math.max(value, low), high);
    return {
      milliCpu: clamp(wish.milliCpu, this.min.milliCpu, this.max.milliCpu),
      memBytes: clamp(wish.memBytes, this.min.memBytes, this.max.memBytes),
    };
  }

  private get cpuUsed(): number {
    return Math.min(this.cpuDemand, this.quota ?? this.onlineCpus, this.onlineCpus);
  }

  private live(ms: number): void {
    const last = this.history.at(-1);
    if (last?.milliCpu !== this.actual.milliCpu || last.memBytes !== this.actual.memBytes) {
      this.history.push(this.actual);
    }
    const wanted = Math.min(this.cpuDemand, 64);
    const busy = this.cpuUsed;
    if (wanted > busy) this.delayedMs += ms;
    // Under a quota the guest sees its CPUs busy for as long as it is kept waiting.
    const seen =
      this.quota !== null && this.quota < this.onlineCpus && wanted >= this.quota
        ? this.onlineCpus
        : busy;
    this.busyMs += seen * ms;
    this.runDelayMs += Math.max(0, wanted - seen) * ms;
    if (wanted > seen) this.cpuPressureMs += ms;
    if (this.allocatingBytesPerSec > 0 && this.usedBytes < this.allocatingUntilBytes) {
      this.usedBytes += (this.allocatingBytesPerSec * ms) / 1000;
    }
    if (this.usedBytes > this.total) {
      this.oomKills += 1;
      this.usedBytes = 80 * MIB;
      this.allocatingBytesPerSec = 0;
    }
    if (this.plugAt !== null && this.now >= this.plugAt.at) {
      this.actual = this.plugAt.size;
      if (this.quota !== null) this.quota = this.actual.milliCpu / 1000;
      this.presentCpus = Math.max(this.presentCpus, Math.ceil(this.actual.milliCpu / 1000));
      this.plugAt = null;
      this.report();
    }
  }

  private sampleCpu(): void {
    const sample: CpuSample = {
      busyMs: this.busyMs,
      runDelayMs: this.runDelayMs,
      somePressureMs: this.cpuPressureMs,
      runnable: 1,
      onlineCount: this.onlineCpus,
      presentCount: this.presentCpus,
    };
    this.feed({ kind: "cpu-sampled", sample });
  }

  private sampleMemory(): void {
    const total = this.total;
    const sample: MemorySample = {
      totalBytes: total,
      availableBytes: Math.max(0, total - this.usedBytes),
      anonBytes: this.usedBytes * 0.8,
      shmemBytes: this.usedBytes * 0.2,
      cachedBytes: this.usedBytes * 0.2 + this.cachedFileBytes,
      swapTotalBytes: 0,
      swapFreeBytes: 0,
      counters: {
        refaultedAnonPages: 0,
        refaultedFilePages: this.refaultedFilePages,
        allocationStalls: 0,
        oomKills: this.oomKills,
      },
      somePressureMs: this.pressureMs,
      blocks: {
        blockBytes: BLOCK,
        onlineCount: Math.round(this.actual.memBytes / BLOCK),
        offlineCount: 0,
      },
    };
    this.feed({ kind: "memory-sampled", sample });
  }

  /**
   * The agent and QEMU, as far as a monitor notices them: everything is granted, at once, in
   * bounds.
   */
  private perform(action: MonitorAction): void {
    this.watch(action);
    this.actions.push(action);
    if (action.kind === "set-online-cpus") this.onlineCpus = action.count;
    if (action.kind === "set-file-cache" && this.cacheSetMs !== null) {
      const at = this.now + this.cacheSetMs;
      this.cacheOrders.push({ at, order: action.order, bytes: action.bytes });
    }
    if (action.kind !== "send-frame") return;
    const decoded = decodeFromMonitor(action.text);
    if (!decoded.ok) throw new Error(`our own frame does not decode: ${decoded.problem}`);
    this.frames.push(decoded.message);
    if (decoded.message.type !== "ScaleRequest") return;
    const { target, reason } = decoded.message;
    const wish = { milliCpu: target.cpu * 1000, memBytes: target.mem };
    this.sizes.push({ at: this.now, size: wish, reason });
    const given = this.given(wish);
    const grows = given.milliCpu > this.actual.milliCpu || given.memBytes > this.actual.memBytes;
    if (!grows && this.plugAt === null) return;
    const size = larger(this.actual, given); // growth alone needs no consent
    this.plugAt = { at: this.plugAt?.at ?? this.now + this.plugMs, size };
  }

  private nextId(): number {
    const id = this.agentId;
    this.agentId += 2;
    return id;
  }
}
