// Watches one monitor's process from outside: what it says is decided and recorded (9), and what it gives away rests on
// fresh samples (7).
import { MONITOR_NOTES, PRESETS, type MonitorAction, type MonitorEvent } from "@selfscale/core";
import {
  decodeFromAgent,
  decodeFromMonitor,
  type FromMonitor,
  type MonitorDecision,
} from "@selfscale/protocol";
import { MIB, mib } from "../units.ts";
import { Broken, type InvariantNumber } from "./broken.ts";

const CELL_BYTES = 128 * MIB;

export class MonitorWatch {
  readonly #vm: number;
  readonly #startedAt: number;
  readonly #policy: (typeof PRESETS)["default"];
  #cpuAt = -Infinity;
  #memoryAt = -Infinity;
  #leastTruthBytes = Infinity;
  #version = 0;
  #hasReport = false;
  /** A consent on version 1 lowered the level since the last decision. */
  #isLowered = false;
  #decision: MonitorDecision | null = null;

  constructor(vm: number, preset: keyof typeof PRESETS, now: number) {
    this.#vm = vm;
    this.#policy = PRESETS[preset];
    this.#startedAt = now;
  }

  /** `truthBytes`: the memory that QEMU gives at this moment. */
  stepped(
    event: MonitorEvent,
    actions: readonly MonitorAction[],
    truthBytes: number,
    now: number,
  ): void {
    if (event.kind === "cpu-sampled") this.#cpuAt = now;
    if (event.kind === "memory-sampled") {
      this.#memoryAt = now;
      this.#leastTruthBytes = Math.min(this.#leastTruthBytes, truthBytes);
    }
    if (event.kind === "link-opened") {
      this.#version = event.version;
      this.#hasReport = false;
    }
    if (event.kind === "frame-received" && event.text.includes('"SizeReport"')) {
      // An agent that can't read QEMU now tells what it read last.
      const report = decodeFromAgent(event.text);
      if (report.ok && report.message.type === "SizeReport") {
        this.#hasReport = true;
        const { mem } = report.message.content.actual;
        this.#leastTruthBytes = Math.min(this.#leastTruthBytes, mem);
      }
    }
    if (actions.length > 0) this.#judge(actions, now);
  }

  #judge(actions: readonly MonitorAction[], now: number): void {
    const reasons = new Set<string>();
    for (const action of actions) {
      if (action.kind === "decide") this.#judgeDecision(action.decision, now);
      if (action.kind !== "explain") continue;
      reasons.add(action.note.reason);
      const isKnown = action.note.reason in MONITOR_NOTES && action.note.message !== "";
      this.#hold(isKnown, 9, `"${action.note.reason}" is not in the list of notes`);
    }
    for (const action of actions) {
      if (action.kind !== "send-frame") continue;
      const { text } = action;
      if (!text.includes('"ScaleRequest"') && !text.includes('"DownscaleResult"')) continue;
      const decoded = decodeFromMonitor(text);
      this.#hold(decoded.ok, 9, `the monitor's own frame does not decode: ${text.slice(0, 200)}`);
      if (decoded.ok) this.#judgeFrame(decoded.message, reasons, now);
    }
  }

  #judgeFrame(message: FromMonitor, reasons: ReadonlySet<string>, now: number): void {
    if (message.type === "ScaleRequest") {
      const { cpu, mem } = message.target;
      this.#judgeLevel({ milliCpu: Math.round(cpu * 1000), memBytes: mem }, now);
    }
    if (message.type !== "DownscaleResult") return;
    const note = message.Ok ? "shrink-agreed" : "shrink-refused";
    this.#hold(reasons.has(note), 9, `a DownscaleResult without the note ${note}`);
    if (message.Ok && this.#version === 1) this.#isLowered = true;
    const isFresh = now - Math.min(this.#cpuAt, this.#memoryAt) <= this.#policy.staleMs;
    this.#hold(!message.Ok || isFresh, 7, "agreed to a shrink on stale samples");
  }

  #judgeLevel(target: { milliCpu: number; memBytes: number }, now: number): void {
    const decision = this.#decision;
    const isDecided = (one: "cpu" | "mem") => decision !== null && decision[one].reason !== "start";
    const isCpu = !isDecided("cpu") || target.milliCpu === decision?.result.milliCpu;
    // A level that a consent lowered is in the note of that consent.
    const isMem =
      !isDecided("mem") || target.memBytes === decision?.result.memBytes || this.#isLowered;
    this.#hold(isCpu && isMem, 9, `asks for ${say(target)}, which no decision says`);

    const isStarting = now < this.#startedAt + this.#policy.startHoldMs;
    const least = this.#leastTruthBytes - CELL_BYTES;
    const isKept = !isStarting || !this.#hasReport || target.memBytes > least;
    this.#hold(isKept, 7, `asks for ${say(target)} before a full window of measurements is in`);
  }

  #judgeDecision(decision: MonitorDecision, now: number): void {
    this.#decision = decision;
    if (decision.mem.before !== decision.mem.result) this.#isLowered = false;
    const isLess = [decision.cpu, decision.mem].some(({ before, result }) => result < before);
    const isFresh = now - Math.min(this.#cpuAt, this.#memoryAt) <= this.#policy.staleMs;
    this.#hold(!isLess || isFresh, 7, `decides on less, ${say(decision.result)}, on stale samples`);
  }

  #hold(truth: boolean, invariant: InvariantNumber, what: string): void {
    if (!truth) throw new Broken(invariant, this.#vm, what);
  }
}

function say({ milliCpu, memBytes }: { milliCpu: number; memBytes: number }): string {
  return `${milliCpu / 1000} vCPU, ${mib(memBytes)} MiB`;
}
