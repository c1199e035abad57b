// One VM's loop as an observer sees it: events and actions in, durations out. It holds only what is under way, which
// the machine bounds.
import { type MonoMs, type VmAction, type VmEvent, type VmState } from "@selfscale/core";
import { SCALE_REQUEST_START, type Size } from "@selfscale/protocol";
import { type AnsweredResource, type Observer, type TimedStep } from "./observer.ts";
import { type Step } from "./vm-loop.ts";

/** More commands than this were never in flight at once; beyond it the oldest is forgotten. */
const MAX_COMMANDS = 32;
/** encodeFromAgent writes the answer's own word behind its content. */
const RESPONSE_MARK = '"type":"ScaleResponse"';

/** Whether QEMU was looked at since the loop began, or nothing is known to run. */
export type Sight = "not-yet" | "seen" | "absent";

const ROUND_TRIPS = {
  HealthCheck: "health-check",
  UpscaleNotification: "notification-to-confirmation",
  DownscaleRequest: "ask-to-consent",
} as const satisfies Record<string, TimedStep>;

export class VmWatch {
  readonly #observer: Observer;
  #wishAt: MonoMs | null = null;
  #growthWishAt: MonoMs | null = null;
  #shrinkAt: MonoMs | null = null;
  #commands: { attempt: number; at: MonoMs }[] = [];
  #sight: Sight = "not-yet";
  #isAttached = false;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  get sight(): Sight {
    return this.#sight;
  }

  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** No process listens on the QMP socket: there is nothing to look at. */
  knowAbsent(): void {
    if (this.#sight === "not-yet") this.#sight = "absent";
  }

  /** The loop begins anew: what was under way is nobody's any more. */
  forget(): void {
    this.#wishAt = this.#growthWishAt = this.#shrinkAt = null;
    this.#commands = [];
    this.#isAttached = false;
  }

  /** `tookMs`: what the machine's own step took. */
  stepped({ event, actions, now }: Step, before: VmState, after: VmState, tookMs: number): void {
    this.#observer.took("core-step", tookMs);
    this.#learn(event, before, now);
    if (event.kind === "frame-received") this.#followAnswers(before.link, after.link, now);
    if (before.want !== after.want) this.#followWant(before.want, after.want, now);
    for (const action of actions) this.#acted(action, before, now);
    if (before.lastGrowthMs !== after.lastGrowthMs) this.#grew(before, after);
    if (before.memory !== after.memory) this.#followShrink(before, after, now);
  }

  #learn(event: VmEvent, before: VmState, now: MonoMs): void {
    switch (event.kind) {
      case "frame-received":
        if (event.text.startsWith(SCALE_REQUEST_START)) this.#wishAt = now;
        break;
      case "command-settled":
        this.#settled(event.attempt, event.outcome === "done", now);
        break;
      case "hypervisor-attached":
        this.#sight = "seen";
        this.#isAttached = true;
        break;
      case "hypervisor-observed": {
        const askedAt = before.observeAskedAt;
        if (askedAt !== null) this.#observer.took("observe", now - askedAt);
        break;
      }
      case "hypervisor-lost":
        this.#isAttached = false;
        this.#commands = [];
        break;
      case "link-opened":
      case "link-closed":
        this.#wishAt = null;
        break;
      default: // takes no time that anybody waits for
    }
  }

  /** What was asked and is open no more after a frame was answered by it. */
  #followAnswers(before: VmState["link"], after: VmState["link"], now: MonoMs): void {
    if (before.kind !== "up" || after.kind !== "up" || before.pending === after.pending) return;
    for (const { id, kind, sentAt } of before.pending) {
      if (after.pending.some((other) => other.id === id)) continue;
      this.#observer.took(ROUND_TRIPS[kind], now - sentAt);
    }
  }

  /** The want is decided anew at each step; only another one is news. */
  #followWant(before: Size | null, after: Size | null, now: MonoMs): void {
    if (before === null || after === null) {
      this.#growthWishAt = null;
      return;
    }
    const cpu = after.milliCpu - before.milliCpu;
    const mem = after.memBytes - before.memBytes;
    if (cpu !== 0 || mem !== 0) this.#growthWishAt = cpu > 0 || mem > 0 ? now : null;
  }

  #acted(action: VmAction, before: VmState, now: MonoMs): void {
    switch (action.kind) {
      case "set-memory":
      case "plug-cpu":
      case "set-quota":
        if (isGrowth(action, before) && this.#growthWishAt !== null) {
          this.#observer.took("wish-to-command", now - this.#growthWishAt);
          this.#growthWishAt = null;
        }
        this.#commands.push({ attempt: action.attempt, at: now });
        if (this.#commands.length > MAX_COMMANDS) this.#commands.shift();
        break;
      case "send-frame":
        if (action.text.includes(RESPONSE_MARK)) this.#answered(action.text, now);
        break;
      case "explain":
        this.#observer.noted(action.note.reason);
        break;
      default: // nothing of it takes time
    }
  }

  #settled(attempt: number, isDone: boolean, now: MonoMs): void {
    const index = this.#commands.findIndex((one) => one.attempt === attempt);
    const [command] = index < 0 ? [] : this.#commands.splice(index, 1);
    if (command !== undefined && isDone) this.#observer.took("command-to-done", now - command.at);
  }

  #answered(text: string, now: MonoMs): void {
    if (this.#wishAt !== null) this.#observer.took("wish-to-answer", now - this.#wishAt);
    this.#wishAt = null;
    const { content } = JSON.parse(text) as {
      content: { resources: { cpu: AnsweredResource; mem: AnsweredResource } };
    };
    this.#observer.answered(content.resources);
  }

  #grew(before: VmState, after: VmState): void {
    const { cpu, mem } = after.lastGrowthMs;
    if (cpu !== null && cpu !== before.lastGrowthMs.cpu) {
      this.#observer.took("growth-to-actual-cpu", cpu);
    }
    if (mem !== null && mem !== before.lastGrowthMs.mem) {
      this.#observer.took("growth-to-actual-mem", mem);
    }
  }

  #followShrink(before: VmState, after: VmState, now: MonoMs): void {
    if (before.memory.kind === "shrinking" && this.#shrinkAt !== null) {
      const isSame =
        after.memory.kind === "shrinking" && after.memory.attempt === before.memory.attempt;
      if (isSame) return;
      this.#observer.took("unplug-slice", now - this.#shrinkAt);
      this.#shrinkAt = null;
    }
    if (after.memory.kind === "shrinking") this.#shrinkAt = now;
  }
}

type Command = VmAction & { kind: "set-memory" | "plug-cpu" | "set-quota" };

function isGrowth(command: Command, { facts }: VmState): boolean {
  switch (command.kind) {
    case "set-memory":
      return command.requestedBytes > (facts?.memoryDevice?.requestedBytes ?? 0);
    case "set-quota":
      return command.milliCpu > (facts?.quotaMilliCpu ?? Infinity);
    case "plug-cpu":
      return true;
    default:
      return command satisfies never;
  }
}
