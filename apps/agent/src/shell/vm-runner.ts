import { setTimeout as delay } from "node:timers/promises";
import {
  initialVm,
  note,
  type stepVm,
  vmStatus,
  vmWhy,
  withOrdersOf,
  type AgentTimers,
  type MonoMs,
  type VmEvent,
  type VmState,
  type VmStatus,
} from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { type Recorder } from "@selfscale/recording";
import { type AgentConfig, type VmConfig } from "../config/load.ts";
import { Journal, journalShare, type Stretch } from "../journal/journal.ts";
import { type Log } from "../log.ts";
import { Backoff } from "./backoff.ts";
import { Counters, type CounterValues } from "./counters.ts";
import { Notes, notesShare, type KeptNote } from "./notes.ts";
import { type Observer } from "./observer.ts";
import { Orders } from "./orders.ts";
import { type ShellTimers } from "./timers.ts";
import { runVm, type Witness } from "./vm-loop.ts";
import { VmWatch, type Sight } from "./vm-watch.ts";
import { VmWorld, type NodePort } from "./vm-world.ts";

/** Events that a crash report carries. */
const REPORTED_EVENTS = 50;

/** What of the configuration may change while the loop runs. */
export type Settings = Readonly<{ vm: VmConfig; timers: AgentTimers; sliceBytes: number }>;

export type RunnerOptions = Settings &
  Readonly<{
    /** One object for the agent's life: its values may change. */
    shellTimers: ShellTimers;
    log: Log;
    recorder: Recorder | null;
    observer: Observer;
    node: NodePort;
    /** How many VMs share what may be remembered. */
    vms: number;
    /** The state of the loop that this one takes the place of: the operator's orders go over. */
    before?: VmState;
    /** The machine. Tests pass a broken one. */
    step?: typeof stepVm;
    now: () => MonoMs;
    random: () => number;
  }>;

/** What an operator ordered by hand. Instants as ISO 8601; null: until told otherwise. */
export type OrderStatus = Readonly<{
  paused: Readonly<{ until: string | null }> | null;
  floor: Readonly<{ size: Size; until: string }> | null;
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
  Readonly<{
    /** Since when `reason` is what it is. ISO 8601. */
    reasonSince: string;
    operator: OrderStatus;
    counters: CounterValues;
    notes: readonly KeptNote[];
    loop: LoopHealth;
  }>;

/** Keeps one VM's loop going. When it dies of our own mistake, it starts anew; the others go on. */
export class VmRunner {
  readonly #options: RunnerOptions;
  readonly #counters = new Counters();
  readonly #notes: Notes;
  readonly #journal: Journal;
  readonly #orders = new Orders();
  readonly #stop = new AbortController();
  readonly #watch: VmWatch;
  #diedAt: MonoMs | null = null;
  #settings: Settings;
  #state: VmState;
  #reason: Readonly<{ word: string | null; since: MonoMs }>;
  #world: VmWorld | null = null;
  #done: Promise<void> = Promise.resolve();
  #settled: (() => void) | null = null;

  constructor(options: RunnerOptions) {
    const { vm, timers, sliceBytes } = options;
    this.#options = options;
    this.#settings = { vm, timers, sliceBytes };
    this.#notes = new Notes(options.log, notesShare(options.vms));
    this.#watch = new VmWatch(options.observer);
    this.#journal = new Journal(journalShare(options.vms));
    this.#state = initialVm(vm.spec, timers, sliceBytes);
    if (options.before !== undefined) this.#state = withOrdersOf(this.#state, options.before);
    this.#reason = { word: vmWhy(this.#state), since: options.now() };
  }

  get name(): string {
    return this.#settings.vm.spec.name;
  }

  get state(): VmState {
    return this.#state;
  }

  /** Begins once `after` is over: whoever had this VM before has let go of it. */
  start(after?: Promise<unknown>): void {
    this.#done = after === undefined ? this.#keepRunning() : after.then(() => this.#keepRunning());
  }

  tell(event: VmEvent): void {
    this.#world?.tell(event);
  }

  /** Resolves once the machine has taken it. Rejects with LoopDownError when nobody is there to. */
  order(event: VmEvent): Promise<void> {
    const { world, taken } = { world: this.#world, taken: this.#orders.expect(event) };
    if (world === null) this.#orders.fail();
    else world.tell(event);
    return taken;
  }

  /** New values for what needs no other connection. The same ones again change nothing. */
  reconfigure(settings: Settings): void {
    const before = this.#settings;
    this.#settings = settings;
    const { vm, timers, sliceBytes } = settings;
    const { bounds } = vm.spec;
    if (this.#world === null) this.#state = this.#initialState();
    if (!isEqual(before.vm.spec.bounds, bounds)) this.tell({ kind: "bounds-changed", bounds });
    const others = ({ vm: { spec }, ...rest }: Settings) => ({
      spec: { ...spec, bounds: null },
      ...{ timers: rest.timers, sliceBytes: rest.sliceBytes },
    });
    if (isEqual(others(before), others(settings))) return;
    this.tell({ kind: "spec-changed", spec: vm.spec, timers, sliceBytes });
  }

  setLogLevel(level: AgentConfig["logLevel"]): void {
    this.#options.log.level = level;
  }

  /** So many VMs share what may be remembered now. */
  shareMemory(vms: number): void {
    this.#journal.setLimit(journalShare(vms));
    this.#notes.setLimit(notesShare(vms));
  }

  status(): RunnerStatus {
    const counters = this.#counters.values();
    const { sight, isAttached } = this.#watch;
    const loop = { isBroken: this.#isBroken(), sight, isAttached };
    return {
      ...vmStatus(this.#state),
      reasonSince: this.#wallClock(this.#reason.since),
      operator: this.#orderStatus(),
      counters,
      notes: this.#notes.kept,
      loop,
    };
  }

  #isBroken(): boolean {
    const { now, shellTimers } = this.#options;
    if (this.#diedAt === null) return false;
    return this.#world === null || now() - this.#diedAt < shellTimers.reconnectResetMs;
  }

  /** What happened since then, as far as it is remembered. */
  journal(from: MonoMs): readonly Stretch[] {
    return this.#journal.since(from);
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
    const { shellTimers, now, random } = this.#options;
    const { reconnectMinMs, reconnectMaxMs, reconnectResetMs } = shellTimers;
    const backoff = new Backoff({ minMs: reconnectMinMs, maxMs: reconnectMaxMs }, random);
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const startedAt = now();
      try {
        await this.#live(startedAt, signal);
      } catch (error) {
        this.#orders.fail();
        if (this.#stop.signal.aborted) return;
        this.#report(error);
      }
      await this.#world?.stop();
      this.#world = null;
      this.#watch.forget();
      this.#state = this.#initialState(); // nothing is known of it until it is read again
      this.#noteReason(now());
      if (now() - startedAt >= reconnectResetMs) backoff.reset();
      // Aborted while waiting: the loop's own condition ends it.
      await delay(backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }

  /** One life of the loop. */
  async #live(startedAt: MonoMs, signal: AbortSignal): Promise<void> {
    const { log, shellTimers, recorder, observer, now, random, step } = this.#options;
    const leave = () => {
      this.#watch.knowAbsent();
      this.#options.node.leave();
    };
    const node = { ...this.#options.node, leave };
    const { vm, timers, sliceBytes } = this.#settings;
    this.#journal.begin(this.#state, startedAt);
    const counters = this.#counters;
    const outside = { recorder, observer, node, now, random };
    this.#world = new VmWorld({ vm, timers: shellTimers, log, counters, ...outside });
    this.#world.start();
    log.debug({ spec: vm.spec, timers, sliceBytes }, "loop begins"); // the trace's first line
    await runVm(this.#world, this.#state, this.#witness(), signal, step);
  }

  /** What it held stays claimed: the node hears nothing of this. */
  #report(error: unknown): void {
    const { log, now } = this.#options;
    this.#counters.add("restarts");
    this.#diedAt = now();
    const lastEvents = this.#journal.last(REPORTED_EVENTS).map(({ at, event }) => {
      return { now: at, event };
    });
    log.error({ err: error, lastEvents }, "this VM's loop died; it starts anew");
    const text = `The loop died (${String(error)}) and starts anew; the size is held.`;
    this.#notes.add(note("loop-died", text, undefined, "warn").note, now());
  }

  #witness(): Witness {
    const { log, now: clock } = this.#options;
    let beganAt = 0;
    return {
      saw: (event, now) => {
        this.#counters.add("steps");
        this.#journal.saw(event, now);
        beganAt = clock();
      },
      stepped: (step, state) => {
        this.#watch.stepped(step, this.#state, state, clock() - beganAt);
        this.#journal.stepped(state, step.actions);
        this.#state = state;
        this.#noteReason(step.now);
        log.debug(step, "step"); // these lines, in order, are a replayable trace
        for (const action of step.actions) {
          if (action.kind === "explain") this.#notes.add(action.note, step.now);
        }
        if (this.#orders.took(step.event)) this.#counters.add("ordersTaken");
        this.#settled?.();
      },
    };
  }

  #noteReason(now: MonoMs): void {
    const word = vmWhy(this.#state);
    if (word !== this.#reason.word) this.#reason = { word, since: now };
  }

  #initialState(): VmState {
    const { vm, timers, sliceBytes } = this.#settings;
    return withOrdersOf(initialVm(vm.spec, timers, sliceBytes), this.#state);
  }

  #orderStatus(): OrderStatus {
    const { operatorPaused: paused, operatorFloor: floor } = this.#state;
    const say = (at: MonoMs | null) => (at === null ? null : this.#wallClock(at));
    return {
      paused: paused === null ? null : { until: say(paused.until) },
      floor: floor === null ? null : { size: floor.size, until: this.#wallClock(floor.until) },
    };
  }

  /** For people. A step of the wall clock moves it, and nothing is decided by it. */
  #wallClock(at: MonoMs): string {
    return new Date(Date.now() + (at - this.#options.now())).toISOString();
  }
}

/** Plain data by value. */
function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Nothing is being taken from the VM, and nobody is there to agree to more of it. */
function isQuiet({ memory, link, hypervisorProblem }: VmState): boolean {
  if (hypervisorProblem !== null) return true; // nothing can be told any more
  return link.kind === "down" && memory.kind !== "shrinking" && memory.kind !== "settling";
}
