// CPU work that arrives, waits and is served: a fluid queue, and the signals that a guest kernel would show of it.
import { TICK_SEC } from "../workload.ts";

/** Work beyond this many CPU·s gives up. */
const MAX_BACKLOG = 200;
/** A task that waits brings about this much work, CPU·s. */
const WORK_PER_TASK = 0.02;
const MOST_CLIENTS = 100;
const LOAD_EVERY_TICKS = 5 / TICK_SEC;
const LOAD_1_KEEP = Math.exp(-5 / 60);
const LOAD_5_KEEP = Math.exp(-5 / 300);

export class CpuQueue {
  /** CPU·s that wait. */
  backlog = 0;
  /** CPUs that worked in the last tick. */
  busy = 0;
  runnable = 0;
  pressureShare = 0;
  load1 = 0;
  load5 = 0;
  dropped = 0;
  #ticks = 0;

  /**
   * A tick: `arriving` vCPUs of work meet `capacity` vCPUs, of which it can use `parallelism`. `waitingTasks` wait for
   * something else, and count as load.
   */
  pass(arriving: number, capacity: number, parallelism: number, waitingTasks: number): void {
    const work = this.backlog + arriving * TICK_SEC;
    const most = (capacity < parallelism ? capacity : parallelism) * TICK_SEC;
    const served = work < most ? work : most;
    this.backlog = work - served;
    if (this.backlog < 1e-9) this.backlog = 0;
    this.dropped = 0;
    if (this.backlog > MAX_BACKLOG) {
      this.dropped = this.backlog - MAX_BACKLOG;
      this.backlog = MAX_BACKLOG;
    }
    this.busy = served / TICK_SEC;
    const runnable = this.busy + this.backlog / WORK_PER_TASK;
    this.runnable = runnable < MOST_CLIENTS ? runnable : MOST_CLIENTS;
    this.pressureShare = this.#pressure(capacity);
    this.#ticks += 1;
    if (this.#ticks % LOAD_EVERY_TICKS === 0) {
      const tasks = this.runnable + waitingTasks;
      this.load1 = this.load1 * LOAD_1_KEEP + tasks * (1 - LOAD_1_KEEP);
      this.load5 = this.load5 * LOAD_5_KEEP + tasks * (1 - LOAD_5_KEEP);
    }
  }

  #pressure(capacity: number): number {
    if (capacity <= 0) return this.backlog > 0 ? 1 : 0;
    if (this.backlog > 0) return Math.max(0, 1 - capacity / Math.max(this.runnable, capacity));
    const use = this.busy / capacity;
    return 0.3 * Math.pow(use < 1 ? use : 1, 2 * capacity + 2);
  }
}
