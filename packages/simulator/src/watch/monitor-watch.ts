// Watches one monitor's process from outside: what it says is decided and recorded (9), and what it gives away rests on
// fresh samples (7).
import { MONITOR_NOTES, PRESETS, type MonitorAction, type MonitorEvent } from "@selfscale/core";
import { decodeFromMonitor, type FromMonitor, type MonitorDecision } from "@selfscale/protocol";
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
  #decision: MonitorDecision | null = null;
  #stated: { milliCpu: number; memBytes: number } | null = null;

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
    if (event.kind === "frame-received") this.#hasReport ||= event.text.includes('"SizeReport"');
    if (actions.length > 0) this.#judge(actions, now);
  }

  #judge(actions: readonly MonitorAction[], now: number): void {
    const reasons = new Set<string>();
    for (const action of actions) {
      if (action.kind === "decide") this.#decision = action.decision;
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
    const isFresh = now - Math.min(this.#cpuAt, this.#memoryAt) <= this.#policy.staleMs;
    this.#hold(!message.Ok || isFresh, 7, "agreed to a shrink on stale samples");
  }

  #judgeLevel(target: { milliCpu: number; memBytes: number }, now: number): void {
    const decision = this.#decision;
    const before = this.#stated;
    this.#stated = target;
    const isDecided = (one: "cpu" | "mem") => decision !== null && decision[one].reason !== "start";
    const isCpu = !isDecided("cpu") || target.milliCpu === decision?.result.milliCpu;
    // On version 1 a consent lowers the level; that is in the note of the consent.
    const isMem =
      !isDecided("mem") || target.memBytes === decision?.result.memBytes || this.#version === 1;
    this.#hold(isCpu && isMem, 9, `asks for ${say(target)}, which no decision says`);

    const isStarting = now < this.#startedAt + this.#policy.startHoldMs;
    const least = this.#leastTruthBytes - CELL_BYTES;
    const isKept = !isStarting || !this.#hasReport || target.memBytes > least;
    this.#hold(isKept, 7, `asks for ${say(target)} before a full window of measurements is in`);
    if (before === null || this.#version === 1) return;
    const isLess = target.milliCpu < before.milliCpu || target.memBytes < before.memBytes;
    const isFresh = now - Math.min(this.#cpuAt, this.#memoryAt) <= this.#policy.staleMs;
    const isStart = !isDecided("cpu") || !isDecided("mem");
    this.#hold(!isLess || isFresh || isStart, 7, `asks for less, ${say(target)}, on stale samples`);
  }

  #hold(truth: boolean, invariant: InvariantNumber, what: string): void {
    if (!truth) throw new Broken(invariant, this.#vm, what);
  }
}

function say({ milliCpu, memBytes }: { milliCpu: number; memBytes: number }): string {
  return `${milliCpu / 1000} vCPU, ${mib(memBytes)} MiB`;
}
