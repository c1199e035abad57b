// The monitor's process in a guest: samples on its cadence, steps the core's machine, serves one link. What it knows dies
// with it. A copy in virtual time of apps/monitor's loop and link server.
import {
  initialMonitor,
  monitorWakeAt,
  MONITOR_DEFAULTS,
  PRESETS,
  stepMonitor,
  type CpuSample,
  type MemorySample,
  type MonitorAction,
  type MonitorEvent,
  type MonitorState,
} from "@selfscale/core";
import { decodeRange, TAKEOVER_BUCKET_TOKENS, TAKEOVER_REFILL_EVERY_MS } from "@selfscale/protocol";
import { type Clock } from "../clock.ts";
import { type Acceptor, type Connection } from "../wire.ts";
import { answerRange } from "./handshake.ts";
import { type Machine } from "./machine.ts";

/** A sample this old is still "now" for a frame. */
const FRESH_MS = 20;
/** Writing to sysfs takes a while; a refusal is tried again after a second. */
const SWITCH_MS = 40;
const RETRY_MS = 1_000;

/** Sees what the machine learned and did, before it is done; may change it (to prove that somebody notices). */
export type MonitorWitness = Readonly<{
  stepped: (event: MonitorEvent, actions: readonly MonitorAction[]) => readonly MonitorAction[];
}>;

/** What the process reads of its guest. A lying guest shows something else. */
export type Sensors = Readonly<{
  readCpu: () => CpuSample;
  readMemory: () => MemorySample;
}>;

export type MonitorOptions = Readonly<{
  clock: Clock;
  machine: Machine;
  sensors: Sensors;
  protocolMax: number;
  memoryEveryMs: number;
  cpuEveryMs: number;
  witness: MonitorWitness;
  /** The guest does not switch CPUs now. */
  isStubborn: () => boolean;
}>;

export class MonitorProcess {
  steps = 0;
  ticks = 0;
  readonly #options: MonitorOptions;
  #state: MonitorState;
  #isOver = false;
  #isFrozen = false;
  /** What the kernel keeps for a process that stands still. */
  #waiting: (() => void)[] = [];
  #armedFor = Infinity;
  #memoryDueAt = -Infinity;
  #cpuDueAt = -Infinity;
  #sampledAt = -Infinity;
  #link: { number: number; connection: Connection } | null = null;
  #links = 0;
  #takeovers = { tokens: TAKEOVER_BUCKET_TOKENS, at: 0 };
  readonly #queue: MonitorEvent[] = [];
  #isStepping = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
    const { clock, machine } = options;
    const { preset, isProbing } = machine.plan;
    const config = { ...MONITOR_DEFAULTS, policy: PRESETS[preset], probeScaleRequest: isProbing };
    this.#state = initialMonitor(config, clock.now);
    this.#onTimer();
  }

  get stateSize(): number {
    return JSON.stringify(this.#state).length;
  }

  /** The port: each connection has its handshake first. */
  get acceptor(): Acceptor | "silent" {
    if (this.#isFrozen) return "silent";
    return {
      accepted: () => undefined,
      heard: (connection, text) => this.#whenAwake(() => this.#heard(connection, text)),
      closed: (connection, problem) => this.#whenAwake(() => this.#closed(connection, problem)),
    };
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    if (!this.#isFrozen || this.#isOver) return;
    this.#isFrozen = false;
    this.#onTimer();
    for (const deed of this.#waiting.splice(0)) deed();
  }

  /** The process is gone; `isNoticed`: the kernel closes its sockets. */
  kill(isNoticed: boolean): void {
    this.#isOver = true;
    if (isNoticed) this.#link?.connection.drop("ECONNRESET");
  }

  #whenAwake(deed: () => void): void {
    if (this.#isOver) return;
    if (this.#isFrozen) this.#waiting.push(deed);
    else deed();
  }

  #heard(connection: Connection, text: string): void {
    const link = this.#link;
    if (link?.connection !== connection) {
      if (connection.isOpenForAcceptor) this.#shake(connection, text);
      return;
    }
    // A frame is judged by this moment, so look first.
    if (this.#options.clock.now - this.#sampledAt > FRESH_MS) this.#sample(true, true);
    this.#feed({ kind: "frame-received", link: link.number, text });
  }

  #shake(connection: Connection, text: string): void {
    const { machine, protocolMax } = this.#options;
    const answer = answerRange(decodeRange(text), protocolMax, machine);
    if (answer.version === null || (this.#link !== null && !this.#mayTakeOver())) {
      connection.answer(answer.reply);
      connection.drop("no handshake");
      return;
    }
    const before = this.#link;
    this.#links += 1;
    if (before !== null) {
      this.#link = null;
      before.connection.drop("replaced by a new connection");
      this.#feed({ kind: "link-closed", link: before.number, problem: "replaced" });
    }
    connection.answer(answer.reply);
    this.#link = { number: this.#links, connection };
    const { version, features } = answer;
    this.#feed({ kind: "link-opened", link: this.#links, version, features });
  }

  #mayTakeOver(): boolean {
    const { now } = this.#options.clock;
    const bucket = this.#takeovers;
    const earned = (now - bucket.at) / TAKEOVER_REFILL_EVERY_MS;
    const tokens = Math.min(TAKEOVER_BUCKET_TOKENS, bucket.tokens + earned);
    const may = tokens >= 1;
    this.#takeovers = { tokens: may ? tokens - 1 : tokens, at: now };
    return may;
  }

  #closed(connection: Connection, problem: string): void {
    if (this.#link?.connection !== connection) return;
    const { number } = this.#link;
    this.#link = null;
    this.#feed({ kind: "link-closed", link: number, problem });
  }

  #onTimer(): void {
    if (this.#isOver || this.#isFrozen) return;
    const { clock, memoryEveryMs, cpuEveryMs } = this.#options;
    const { now } = clock;
    const memory = this.#memoryDueAt <= now;
    const cpu = this.#cpuDueAt <= now;
    if (memory) this.#memoryDueAt = now + memoryEveryMs - (now % memoryEveryMs);
    if (cpu) this.#cpuDueAt = now + cpuEveryMs - (now % cpuEveryMs);
    this.#sample(memory, cpu);
    const wakeAt = monitorWakeAt(this.#state);
    if (wakeAt !== null && wakeAt <= now) {
      this.ticks += 1;
      this.#feed({ kind: "tick" });
    }
    this.#arm();
  }

  #arm(): void {
    const wakeAt = monitorWakeAt(this.#state) ?? Infinity;
    const at = Math.ceil(Math.min(this.#memoryDueAt, this.#cpuDueAt, wakeAt));
    const { clock } = this.#options;
    if (at >= this.#armedFor && this.#armedFor > clock.now) return;
    this.#armedFor = at;
    clock.at(at, () => {
      if (this.#armedFor !== at) return;
      this.#armedFor = Infinity;
      this.#onTimer();
    });
  }

  #sample(memory: boolean, cpu: boolean): void {
    if (!memory && !cpu) return;
    const { clock, machine, sensors } = this.#options;
    machine.advance(clock.now);
    if (memory) {
      this.#sampledAt = clock.now;
      this.#feed({ kind: "memory-sampled", sample: sensors.readMemory() });
    }
    if (cpu) this.#feed({ kind: "cpu-sampled", sample: sensors.readCpu() });
  }

  #feed(event: MonitorEvent): void {
    this.#queue.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { clock, witness } = this.#options;
      this.steps += 1;
      const [after, actions] = stepMonitor(this.#state, next, clock.now);
      this.#state = after;
      for (const action of witness.stepped(next, actions)) this.#perform(action);
    }
    this.#isStepping = false;
    if (!this.#isOver && !this.#isFrozen) this.#arm();
  }

  #perform(action: MonitorAction): void {
    switch (action.kind) {
      case "send-frame":
        if (this.#link?.number === action.link) this.#link.connection.answer(action.text);
        return;
      case "close-link":
        if (this.#link?.number === action.link) {
          const { connection } = this.#link;
          this.#link = null;
          connection.drop(action.reason);
        }
        return;
      case "set-file-cache":
        return; // no PostgreSQL lives here
      case "set-online-cpus":
        this.#switchCpus(action.count);
        return;
      case "online-memory":
        this.#options.clock.after(SWITCH_MS, () => {
          if (!this.#isOver) this.#options.machine.onlineMemory();
        });
        return;
      case "reservation-changed":
      case "decide":
      case "explain":
        return;
      default:
        action satisfies never;
    }
  }

  #onlineGoal = 0;

  #switchCpus(count: number): void {
    const { clock, machine, isStubborn } = this.#options;
    this.#onlineGoal = count;
    const attempt = (): void => {
      if (this.#isOver || this.#onlineGoal !== count) return;
      machine.advance(clock.now);
      if (!isStubborn()) machine.guest.online = Math.max(1, Math.min(count, machine.vcpus));
      if (machine.guest.online !== count) clock.after(RETRY_MS, attempt);
    };
    clock.after(SWITCH_MS, attempt);
  }
}
