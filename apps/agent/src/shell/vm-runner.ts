import { setTimeout as delay } from "node:timers/promises";
import {
  initialVm,
  vmStatus,
  type AgentTimers,
  type MonoMs,
  type VmEvent,
  type VmState,
  type VmStatus,
} from "@selfscale/core";
import { type Recorder } from "@selfscale/recording";
import { type VmConfig } from "../config/load.ts";
import { type Log } from "../log.ts";
import { Backoff } from "./backoff.ts";
import { Counters, type CounterValues } from "./counters.ts";
import { Notes, type KeptNote } from "./notes.ts";
import { type Observer } from "./observer.ts";
import { type ShellTimers } from "./timers.ts";
import { runVm, type Witness } from "./vm-loop.ts";
import { VmWatch, type Sight } from "./vm-watch.ts";
import { VmWorld, type NodePort } from "./vm-world.ts";

/** Events that a crash report carries. */
const TRACED_EVENTS = 50;

export type RunnerOptions = Readonly<{
  vm: VmConfig;
  timers: AgentTimers;
  shellTimers: ShellTimers;
  sliceBytes: number;
  log: Log;
  recorder: Recorder | null;
  observer: Observer;
  node: NodePort;
  now: () => MonoMs;
  random: () => number;
}>;

/** How one VM's loop is doing, apart from its VM. */
export type LoopHealth = Readonly<{
  /** It died and is to begin anew, or began anew too lately to be trusted. */
  isBroken: boolean;
  sight: Sight;
  isAttached: boolean;
}>;

/** What `status` says of one VM. */
export type RunnerStatus = VmStatus &
  Readonly<{ counters: CounterValues; notes: readonly KeptNote[]; loop: LoopHealth }>;

/** Keeps one VM's loop going. When it dies of our own mistake, it starts anew; the others go on. */
export class VmRunner {
  readonly #options: RunnerOptions;
  readonly #counters = new Counters();
  readonly #notes: Notes;
  readonly #stop = new AbortController();
  readonly #watch: VmWatch;
  #diedAt: MonoMs | null = null;
  #state: VmState;
  #world: VmWorld | null = null;
  #trace: { now: MonoMs; event: VmEvent }[] = [];
  #done: Promise<void> = Promise.resolve();
  #settled: (() => void) | null = null;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#notes = new Notes(options.log);
    this.#watch = new VmWatch(options.observer);
    this.#state = this.#initialState();
  }

  get name(): string {
    return this.#options.vm.spec.name;
  }

  start(): void {
    this.#done = this.#keepRunning();
  }

  tell(event: VmEvent): void {
    this.#world?.tell(event);
  }

  status(): RunnerStatus {
    const counters = this.#counters.values();
    const { sight, isAttached } = this.#watch;
    const loop = { isBroken: this.#isBroken(), sight, isAttached };
    return { ...vmStatus(this.#state), counters, notes: this.#notes.kept, loop };
  }

  #isBroken(): boolean {
    const { now, shellTimers } = this.#options;
    if (this.#diedAt === null) return false;
    return this.#world === null || now() - this.#diedAt < shellTimers.reconnectResetMs;
  }

  /** Hangs up, lets the machine settle a shrink in flight, then lets go. */
  async stop(): Promise<void> {
    this.#world?.hangUp();
    await this.#quiet(AbortSignal.timeout(this.#options.shellTimers.stopMs));
    this.#stop.abort();
    await this.#world?.stop();
    await this.#done;
  }

  /** Resolves when no unplugging is under way and the monitor is gone, or `deadline` aborts. */
  #quiet(deadline: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (isQuiet(this.#state) || deadline.aborted) resolve();
      };
      this.#settled = look;
      deadline.addEventListener("abort", look, { once: true });
      look();
    });
  }

  async #keepRunning(): Promise<void> {
    const { log, shellTimers, timers, sliceBytes, vm } = this.#options;
    const { now, random, recorder, observer } = this.#options;
    const leave = () => {
      this.#watch.knowAbsent();
      this.#options.node.leave();
    };
    const node = { ...this.#options.node, leave };
    const { reconnectMinMs, reconnectMaxMs, reconnectResetMs } = shellTimers;
    const backoff = new Backoff({ minMs: reconnectMinMs, maxMs: reconnectMaxMs }, random);
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const startedAt = now();
      try {
        this.#trace = [];
        const counters = this.#counters;
        const outside = { recorder, observer, node, now, random };
        this.#world = new VmWorld({ vm, timers: shellTimers, log, counters, ...outside });
        this.#world.start();
        log.debug({ spec: vm.spec, timers, sliceBytes }, "loop begins"); // the trace's first line
        await runVm(this.#world, this.#state, this.#witness(), signal);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#counters.add("restarts");
        this.#diedAt = now();
        const lastEvents = this.#trace;
        log.error({ err: error, lastEvents }, "this VM's loop died; it starts anew");
      }
      await this.#world?.stop();
      this.#world = null;
      this.#watch.forget();
      this.#state = this.#initialState(); // nothing is known of it until it is read again
      if (now() - startedAt >= reconnectResetMs) backoff.reset();
      // Aborted while waiting: the loop's own condition ends it.
      await delay(backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }

  #witness(): Witness {
    const { log, now: clock } = this.#options;
    let beganAt = 0;
    return {
      saw: (event, now) => {
        this.#counters.add("steps");
        this.#trace.push({ now, event });
        if (this.#trace.length > TRACED_EVENTS) this.#trace.shift();
        beganAt = clock();
      },
      stepped: (step, state) => {
        this.#watch.stepped(step, this.#state, state, clock() - beganAt);
        this.#state = state;
        log.debug(step, "step"); // these lines, in order, are a replayable trace
        for (const action of step.actions) {
          if (action.kind === "explain") this.#notes.add(action.note, step.now);
        }
        this.#settled?.();
      },
    };
  }

  #initialState(): VmState {
    const { vm, timers, sliceBytes } = this.#options;
    return initialVm(vm.spec, timers, sliceBytes);
  }
}

/** Nothing is being taken from the VM, and nobody is there to agree to more of it. */
function isQuiet({ memory, link, hypervisorProblem }: VmState): boolean {
  if (hypervisorProblem !== null) return true; // nothing can be told any more
  return link.kind === "down" && memory.kind !== "shrinking" && memory.kind !== "settling";
}
