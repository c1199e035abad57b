// The VM of a scripted agent: it grows a moment after it is told to and gives back at once. The rules of asking are its agent's.
import { type Amount } from "../conform/size-report.ts";
import { type Defect } from "./agent-defects.ts";

const MIB = 1024 ** 2;
export const STEP: Amount = { cpu: 0.5, mem: 128 * MIB };
export const BOUNDS = {
  min: { cpu: 0.5, mem: 512 * MIB },
  max: { cpu: 4, mem: 2048 * MIB },
};
const SLICE_BYTES = 256 * MIB;

export type Fate = Readonly<{ outcome: string; reason?: string }>;
/** What became of a wish. */
export type Ruling = Readonly<{ cpu: Fate; mem: Fate }>;

export class ScriptedVm {
  actual: Amount = { cpu: 1, mem: 512 * MIB };
  /** What is wanted, within the bounds; null: nobody may decide. */
  level: Amount | null = null;
  readonly #has: (defect: Defect) => boolean;

  constructor(has: (defect: Defect) => boolean) {
    this.#has = has;
  }

  get requested(): Amount {
    return this.larger(this.actual, this.level ?? this.actual);
  }

  larger(a: Amount, b: Amount): Amount {
    return { cpu: Math.max(a.cpu, b.cpu), mem: Math.max(a.mem, b.mem) };
  }

  /** Takes a wish as its level, and says what it made of it. */
  wish(target: Amount): Ruling {
    const before = this.level ?? this.actual;
    const isSize = {
      cpu: target.cpu > 0 && target.cpu <= 1024,
      mem: target.mem > 0 && target.mem <= 2 ** 53,
    };
    const judge = (name: "cpu" | "mem"): [number, Fate] => {
      if (!isSize[name]) {
        const level = this.#has("follows what it refused") ? BOUNDS.max[name] : before[name];
        return [level, { outcome: this.#has("refuses nothing") ? "accepted" : "refused" }];
      }
      const cell = Math.ceil(target[name] / STEP[name]) * STEP[name];
      const fit = Math.min(Math.max(cell, BOUNDS.min[name]), BOUNDS.max[name]);
      if (fit !== cell && !this.#has("accepts what it cuts")) {
        return [fit, { outcome: "clamped", reason: "bounds" }];
      }
      if (this.#has("defers what is there")) return [fit, { outcome: "deferred", reason: "stuck" }];
      return [fit, { outcome: "accepted" }];
    };
    const [[cpu, cpuFate], [mem, memFate]] = [judge("cpu"), judge("mem")];
    this.level = { cpu, mem };
    return { cpu: cpuFate, mem: memFate };
  }

  /** There is more to plug. */
  get wantsMore(): boolean {
    const { level, actual } = this;
    return level !== null && (level.cpu > actual.cpu || level.mem > actual.mem);
  }

  /** Plugs what is wanted. */
  grow(): void {
    const extra = this.#has("grows above the permit") ? STEP.mem : 0;
    const { mem, cpu } = this.larger(this.actual, this.level ?? this.actual);
    this.actual = { cpu, mem: mem > this.actual.mem ? mem + extra : mem };
  }

  /** The next smaller size to ask for; null: nothing is to be given back. */
  get nextSlice(): Amount | null {
    const { level, actual } = this;
    if (level === null) return null;
    if (level.mem < actual.mem) {
      return { cpu: actual.cpu, mem: Math.max(level.mem, actual.mem - SLICE_BYTES) };
    }
    return level.cpu < actual.cpu ? { cpu: level.cpu, mem: actual.mem } : null;
  }

  shrinkTo(size: Amount): void {
    const floor = this.#has("takes all on one consent") ? (this.level ?? size) : size;
    this.actual = {
      cpu: Math.min(this.actual.cpu, floor.cpu),
      mem: Math.min(this.actual.mem, floor.mem),
    };
  }

  /** As a SizeReport has it. */
  report(): Readonly<Record<string, unknown>> {
    const { actual, requested } = this;
    const swapped = { min: BOUNDS.max, max: BOUNDS.min };
    const bounds = this.#has("reports bounds the wrong way round") ? swapped : BOUNDS;
    return { actual, requested, permit: this.level ?? actual, bounds, step: STEP };
  }
}
