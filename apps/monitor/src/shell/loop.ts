import {
  type CpuSample,
  isAwaited,
  type MemorySample,
  type MonitorAction,
  type MonitorEvent,
  type MonitorState,
  monitorWakeAt,
  type ReservationRequest,
  stepMonitor,
} from "@selfscale/core";
import { type Log } from "../log.ts";

/** Everything impure the loop needs. Production passes the kernel and sockets; tests a script. */
export type World = Readonly<{
  /** Monotonic milliseconds. */
  now(): number;
  /** null: the kernel does not tell. */
  readMemory(now: number, isFull: boolean): MemorySample | null;
  readCpu(): CpuSample | null;
  /** Starts the action and returns. What comes of it comes back as an event, or is logged. */
  perform(action: MonitorAction): void;
  /** Our own mistake: the state can't be trusted any more. */
  crashed(error: unknown, trace: readonly MonitorEvent[]): void;
}>;

/** Sees the state after each step, before its actions are performed. It must neither throw nor feed. */
export type Witness = (state: MonitorState, event: MonitorEvent, now: number) => void;

/** How often to look, in milliseconds. */
export type Cadence = Readonly<{ memoryEveryMs: number; cpuEveryMs: number }>;

/** A sample this old is still "now" for a frame; it bounds what a flood of frames can cost. */
const FRESH_MS = 20;
/** While somebody waits for memory that was reserved, it is looked for so often, and a frame may be the news of it. */
const AWAITED_EVERY_MS = 25;
const AWAITED_FRESH_MS = 2;
/** Timers fire late, never early by more than their resolution of a millisecond. */
const TIMER_SLACK_MS = 1;
/** Events that a crash report carries. */
const TRACE_EVENTS = 50;

/**
 * Samples, steps, performs. The only thing that holds the core's state; everything that happens
 * goes through `feed`, one event at a time, also when an action makes the next event at once.
 */
export class MonitorLoop {
  readonly #world: World;
  readonly #cadence: Cadence;
  readonly #log: Log;
  readonly #witnesses: readonly Witness[];
  readonly #queue: MonitorEvent[] = [];
  readonly #trace: MonitorEvent[] = [];
  #state: MonitorState;
  #isStepping = false;
  #isStopped = false;
  #timer: NodeJS.Timeout | null = null;
  #armedFor = Infinity;
  #memoryDueAt = -Infinity;
  #cpuDueAt = -Infinity;
  #sampledAt = -Infinity;

  constructor(
    world: World,
    initial: MonitorState,
    options: Readonly<{ cadence: Cadence; log: Log; witnesses?: readonly Witness[] }>,
  ) {
    this.#world = world;
    this.#state = initial;
    this.#cadence = options.cadence;
    this.#log = options.log;
    this.#witnesses = options.witnesses ?? [];
  }

  get state(): MonitorState {
    return this.#state;
  }

  /** The first samples are taken at once, also when something was fed before. */
  start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#onTimer();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** A frame is judged by this moment, so look first: a shrink must not rely on the last tick. */
  onFrame(link: number, text: string): void {
    this.look();
    this.feed({ kind: "frame-received", link, text });
  }

  /** What is in use now is what it comes on top of. */
  reserve(request: ReservationRequest): void {
    this.look();
    this.feed({ kind: "reservation-asked", request });
  }

  /** Something may have changed that somebody waits for. What was seen no longer ago than `freshMs` still counts. */
  look(freshMs = this.#isAwaited() ? AWAITED_FRESH_MS : FRESH_MS): void {
    const now = this.#world.now();
    if (this.#isStopped || now - this.#sampledAt <= freshMs) return;
    this.#sample(now, { memory: true, cpu: true, isFull: true });
  }

  feed(event: MonitorEvent): void {
    if (this.#isStopped) return;
    this.#queue.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#step(next);
      }
    } catch (error) {
      this.stop();
      this.#world.crashed(error, this.#trace);
      return;
    } finally {
      this.#isStepping = false;
    }
    this.#arm();
  }

  #step(event: MonitorEvent): void {
    const now = this.#world.now();
    if (this.#trace.push(event) > TRACE_EVENTS) this.#trace.shift();
    const [after, actions] = stepMonitor(this.#state, event, now);
    this.#state = after;
    // At level debug these lines, in order, are a trace that can be replayed.
    if (this.#log.isLevelEnabled("debug")) this.#log.debug({ now, event, actions }, "step");
    for (const witness of this.#witnesses) witness(after, event, now);
    for (const action of actions) this.#world.perform(action);
  }

  #onTimer(): void {
    this.#timer = null;
    const now = this.#world.now();
    const isDue = (at: number) => at <= now + TIMER_SLACK_MS;
    const memory = isDue(this.#memoryDueAt);
    const cpu = isDue(this.#cpuDueAt);
    // After an overrun (the VM was paused, the host starved us) what was missed stays missed, and
    // both stay on their common grid: one wake-up goes on serving both.
    const { memoryEveryMs, cpuEveryMs } = this.#cadence;
    const isAwaited = this.#isAwaited() && isDue(this.#sampledAt + AWAITED_EVERY_MS);
    if (memory) this.#memoryDueAt = following(this.#memoryDueAt, memoryEveryMs, now);
    if (cpu) this.#cpuDueAt = following(this.#cpuDueAt, cpuEveryMs, now);
    this.#sample(now, { memory: memory || isAwaited, cpu });
    const wakeAt = monitorWakeAt(this.#state);
    if (wakeAt !== null && wakeAt <= now) this.feed({ kind: "tick" });
    this.#arm();
  }

  #sample(now: number, what: Readonly<{ memory: boolean; cpu: boolean; isFull?: boolean }>): void {
    if (what.memory) {
      this.#sampledAt = now;
      const sample = this.#world.readMemory(now, what.isFull ?? false);
      if (sample !== null) this.feed({ kind: "memory-sampled", sample });
    }
    if (what.cpu) {
      const sample = this.#world.readCpu();
      if (sample !== null) this.feed({ kind: "cpu-sampled", sample });
    }
  }

  #isAwaited(): boolean {
    return isAwaited(this.#state.reservations);
  }

  /** Most events leave the next deadline where it is, and then the timer too. */
  #arm(): void {
    if (this.#isStopped) return;
    const wakeAt = monitorWakeAt(this.#state) ?? Infinity;
    const awaitedAt = this.#isAwaited() ? this.#sampledAt + AWAITED_EVERY_MS : Infinity;
    const at = Math.min(this.#memoryDueAt, this.#cpuDueAt, wakeAt, awaitedAt);
    if (this.#timer !== null && at === this.#armedFor) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#armedFor = at;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(0, at - this.#world.now()));
  }
}

/** The next on the grid that is at least half an interval away. */
function following(dueAt: number, everyMs: number, now: number): number {
  if (dueAt === -Infinity) return now + everyMs;
  return dueAt + everyMs * Math.ceil((now + everyMs / 2 - dueAt) / everyMs);
}
