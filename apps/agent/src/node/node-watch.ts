import {
  INITIAL_BRAKE,
  PRESSURES,
  pressureShare,
  stepBrake,
  type BrakeState,
  type MonoMs,
  type Pressure,
} from "@selfscale/core";
import { type Log } from "../log.ts";
import { NodeSizeError, sizeNode, type NodePlan, type NodeSize } from "./plan.ts";
import { readSignals } from "./signals.ts";

/** What the node has, and why it should not be filled now; null: it is well. */
export type NodeReading = NodeSize & Readonly<{ brake: string | null }>;

export type NodeWatchOptions = Readonly<{
  plan: NodePlan;
  log: Log;
  /** How often capacity is read anew. CPUs and memory are plugged, limits changed. */
  capacityEveryMs: number;
  /** How often the node is asked how it fares. */
  brakeEveryMs: number;
  now?: () => MonoMs;
  /** Told when the reading is another one. */
  onChange: (reading: NodeReading) => void;
}>;

/** Looks at the node while the agent runs: its size, and whether it is in trouble. */
export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #now: () => MonoMs;
  #timers: NodeJS.Timeout[] = [];
  #size: NodeSize;
  #brake: BrakeState = INITIAL_BRAKE;
  #isDetectionLost = false;

  /** `first`: as it was read with the configuration. */
  constructor(options: NodeWatchOptions, first: NodeSize) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#size = first;
  }

  get reading(): NodeReading {
    return { ...this.#size, brake: this.#brake.brake?.text ?? null };
  }

  /** Share of time in which some task waited; null: not known, or nobody looks. */
  get pressure(): Readonly<Record<Pressure, number | null>> {
    const shares = PRESSURES.map((one) => [one, pressureShare(this.#brake, one)]);
    return Object.fromEntries(shares) as Record<Pressure, number | null>;
  }

  start(): void {
    const { plan, log, capacityEveryMs, brakeEveryMs } = this.#options;
    const { source, size, defaultReserve } = this.#size;
    log.info({ size, source, defaultReserve }, "the node has this much to hand out");
    if (plan.memBytes === null || plan.milliCpu === null) {
      this.#every(capacityEveryMs, () => this.#measure());
    }
    if (plan.brakes === null) return;
    this.#sayMissing();
    this.#look();
    this.#every(brakeEveryMs, () => this.#look());
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  #every(ms: number, act: () => void): void {
    this.#timers.push(setInterval(act, ms).unref());
  }

  #measure(): void {
    const { plan, log, onChange } = this.#options;
    const before = this.#size;
    try {
      this.#size = sizeNode(plan);
    } catch (error) {
      if (!(error instanceof NodeSizeError)) throw error;
      // What can't be read any more is most likely still there.
      if (!this.#isDetectionLost) log.warn({ problem: error.message }, "the node keeps its size");
      this.#isDetectionLost = true;
      return;
    }
    this.#isDetectionLost = false;
    if (JSON.stringify(before) === JSON.stringify(this.#size)) return;
    const { size, source } = this.#size;
    log.info({ size, source, before: before.size }, "the node has another size");
    onChange(this.reading);
  }

  #look(): void {
    const { plan, log, onChange } = this.#options;
    if (plan.brakes === null) return;
    const before = this.#brake.brake?.text ?? null;
    this.#brake = stepBrake(this.#brake, plan.brakes, readSignals(plan.place), this.#now());
    const { brake } = this.reading;
    if (brake === before) return;
    if (brake === null) log.info("the node is well again: VMs may grow");
    else log.warn({ brake }, "the node is in trouble: nothing grows for comfort");
    onChange(this.reading);
  }

  #sayMissing(): void {
    const { stalledUs, swappedPages, availableBytes } = readSignals(this.#options.plan.place);
    const missing = Object.entries({
      "memory pressure": stalledUs.memory,
      swapping: swappedPages,
      "available memory": availableBytes,
    }).flatMap(([name, value]) => (value === null ? [name] : []));
    if (missing.length > 0) {
      this.#options.log.info({ missing }, "this kernel does not say all that the brakes look at");
    }
  }
}
