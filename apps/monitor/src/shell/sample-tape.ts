// What was measured, thinned, for a recording that can be replayed under another policy.
import { type MonitorEvent, type MonitorState } from "@selfscale/core";
import { type SampleEvent } from "@selfscale/recording";

/** Samples come on a grid of their own: one that is due within this is taken, or every other pause would be too long. */
const EARLY_MS = 20;

export class SampleTape {
  readonly #everyMs: number;
  readonly #tell: (event: SampleEvent) => void;
  #dueAt = -Infinity;

  constructor(everyMs: number, tell: (event: SampleEvent) => void) {
    this.#everyMs = everyMs;
    this.#tell = tell;
  }

  observe(live: MonitorState, event: MonitorEvent, now: number): void {
    if (event.kind !== "memory-sampled" || now < this.#dueAt - EARLY_MS) return;
    const { cpuSample, memorySample } = live;
    if (cpuSample === null || memorySample === null) return;
    // After a gap the grid begins anew.
    this.#dueAt = Math.max(this.#dueAt, now - EARLY_MS) + this.#everyMs;
    this.#tell({ kind: "sample", cpu: cpuSample.value, mem: memorySample.value });
  }
}
