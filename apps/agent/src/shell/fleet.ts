import {
  explainVm,
  initialArbiter,
  nodeUse,
  standings,
  stepArbiter,
  type stepVm,
  type ArbiterEvent,
  type ArbiterState,
  type Capacity,
  type Member,
  type MonoMs,
  type NodeUse,
  type Standing,
  type VmExplanation,
} from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { type Recorder } from "@selfscale/recording";
import { type AgentConfig, type VmConfig } from "../config/load.ts";
import { type Log } from "../log.ts";
import { type NodeReading } from "../node/node-watch.ts";
import { reserveOf } from "../node/plan.ts";
import { planReload, type ReloadPlan } from "../reload/plan.ts";
import { Departures, isSameAddress } from "./departures.ts";
import { NO_OBSERVER, type Observer } from "./observer.ts";
import { type ShellTimers } from "./timers.ts";
import { VmRunner, type RunnerStatus } from "./vm-runner.ts";

/** What `GET /status` answers. Sizes in milli-vCPU and bytes. */
export type FleetStatus = Readonly<{
  node: NodeStatus;
  vms: readonly (RunnerStatus & Readonly<{ sharing: Sharing }>)[];
}>;

/** How the node treats one VM. */
export type Sharing = Omit<Standing, "waitingSince"> & Readonly<{ waitingForMs: number | null }>;

export type NodeStatus = NodeUse &
  Readonly<{
    /** How large the node is, its reserve included. */
    capacity: Size;
    overheadPerVmBytes: number;
    /** VMs that are not configured any more, and count until they have left. */
    leaving: readonly Sharing[];
    /** Where the size is from: `given`, or a file of the kernel. */
    source: Readonly<{ cpu: string; mem: string }>;
  }>;

export type FleetOptions = Readonly<{
  config: AgentConfig;
  log: Log;
  /** Writes down every frame; null: nobody does. */
  recorder?: Recorder | null;
  observer?: Observer;
  /** The machine of each VM. Tests pass a broken one. */
  step?: typeof stepVm;
  now?: () => MonoMs;
  random?: () => number;
}>;

/** All VMs of this node: their loops, and the arbiter that divides the node among them. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #log: Log;
  readonly #now: () => MonoMs;
  /** One object for all links: a new configuration changes its values in place. */
  readonly #shellTimers: ShellTimers;
  #config: AgentConfig;
  #runners: ReadonlyMap<string, VmRunner>;
  #arbiter: ArbiterState;
  #node: NodeReading;
  #isOvercommitted = false;
  /** Over when every loop that was taken out has let go of its VM. */
  #leaving: Promise<unknown> = Promise.resolve();
  readonly #departures: Departures;

  constructor(options: FleetOptions) {
    const { config, log, now = () => performance.now() } = options;
    this.#options = options;
    this.#config = config;
    this.#log = log;
    this.#now = now;
    this.#node = { ...config.nodeSize, brake: null };
    this.#shellTimers = { ...config.shellTimers };
    this.#departures = new Departures({
      timers: this.#shellTimers,
      onGone: (vm) => this.#arbitrate({ kind: "left", vm }),
    });
    this.#arbiter = initialArbiter(config.node, config.vms.map(memberOf));
    this.#runners = new Map(config.vms.map((vm) => [vm.spec.name, this.#newRunner(vm, null)]));
  }

  start(): void {
    for (const runner of this.#runners.values()) runner.start();
  }

  /** Takes at most the `stopMs` of the configuration, and a little to close sockets. */
  async stop(): Promise<void> {
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
    await this.#leaving;
    this.#departures.stop(); // last: who was just taken out would be looked for from now on
  }

  names(): readonly string[] {
    return [...this.#runners.keys()];
  }

  runner(name: string): VmRunner | null {
    return this.#runners.get(name) ?? null;
  }

  /** The node has another size, or is in trouble, or is no longer. */
  onCapacity(reading: NodeReading): void {
    this.#node = reading;
    this.#arbitrate({ kind: "capacity-changed", capacity: this.#capacity() });
  }

  /** By the operator's rules, on the node as it is now. */
  #capacity(): Capacity {
    const { node, nodePlan } = this.#config;
    const { size, brake } = this.#node;
    return { ...node, size, reserve: reserveOf(nodePlan, this.#node), brake };
  }

  status(): FleetStatus {
    const { size, overheadPerVmBytes } = this.#arbiter.capacity;
    const { source } = this.#node;
    const now = this.#now();
    const all = standings(this.#arbiter).map(({ waitingSince, ...standing }): Sharing => {
      return { ...standing, waitingForMs: waitingSince === null ? null : now - waitingSince };
    });
    const places = new Map(all.map((one) => [one.vm, one]));
    return {
      node: {
        capacity: size,
        overheadPerVmBytes,
        source,
        leaving: all.filter(({ isRemoved }) => isRemoved),
        ...nodeUse(this.#arbiter),
      },
      vms: [...this.#runners].flatMap(([name, runner]) => {
        const sharing = places.get(name);
        return sharing === undefined ? [] : [{ ...runner.status(), sharing }];
      }),
    };
  }

  /** Why this VM has its size, by what is held now. null: there is none of that name. */
  explain(name: string): VmExplanation | null {
    const runner = this.#runners.get(name);
    const verdict = standings(this.#arbiter).find(({ vm }) => vm === name)?.verdict ?? null;
    return runner === undefined ? null : explainVm({ ...runner.state, verdict }, this.#now());
  }

  /**
   * Goes over to another configuration at once; loops that end take up to `stopMs` to let go of their VMs, and those
   * that begin wait for them. Sizes are not touched.
   */
  reload(next: AgentConfig): ReloadPlan {
    const plan = planReload(this.#config, next);
    const { vms } = this.#config;
    const before = this.#runners;
    this.#config = next;
    Object.assign(this.#shellTimers, next.shellTimers);
    const begun = new Map(plan.begun.map(({ vm, from }) => [vm.spec.name, from]));
    this.#runners = new Map(
      next.vms.map((vm) => {
        const { name } = vm.spec;
        const from = begun.get(name);
        const kept = from === undefined ? before.get(name) : undefined;
        const old = before.get(from ?? "") ?? null;
        return [name, kept ?? this.#newRunner(vm, old)];
      }),
    );
    const members = next.vms.map((vm): Member => {
      const was = begun.get(vm.spec.name) ?? this.#departures.nameAt(vm.qmp);
      return { ...memberOf(vm), ...(was === null ? {} : { renamedFrom: was }) };
    });
    this.#node = { ...next.nodeSize, brake: this.#node.brake };
    this.#arbitrate({ kind: "members-changed", capacity: this.#capacity(), members });
    const ended = plan.ended.flatMap((name) => before.get(name) ?? []);
    this.#leaving = Promise.all([this.#leaving, ...ended.map((runner) => runner.stop())]);
    this.#depart(vms.filter(({ spec }) => plan.removed.includes(spec.name)));
    for (const vm of next.vms) {
      const { name } = vm.spec;
      this.#departures.forget(vm);
      const runner = this.#runners.get(name);
      if (begun.has(name)) runner?.start(this.#leaving);
      else runner?.reconfigure({ vm, timers: next.timers, sliceBytes: next.sliceBytes });
      runner?.setLogLevel(next.logLevel);
      runner?.shareMemory(next.vms.length);
    }
    return plan;
  }

  /** Their loops end; what they hold counts until their QEMUs do. */
  #depart(removed: readonly VmConfig[]): void {
    const leaving = this.#leaving.then(() => {
      for (const { spec, qmp } of removed) {
        if (!this.#isConfigured(spec.name, qmp)) this.#departures.watch(spec.name, qmp);
      }
    });
    this.#leaving = leaving;
  }

  /** Meanwhile it may have come back, perhaps under another name. */
  #isConfigured(name: string, qmp: VmConfig["qmp"]): boolean {
    return this.#config.vms.some((vm) => vm.spec.name === name || isSameAddress(vm.qmp, qmp));
  }

  #newRunner(vm: VmConfig, before: VmRunner | null): VmRunner {
    const { recorder = null, observer = NO_OBSERVER, random = Math.random, step } = this.#options;
    const { timers, sliceBytes, vms } = this.#config;
    const { name } = vm.spec;
    // Who was taken out still settles what is in flight; it has no say in the node any more.
    const say = (event: ArbiterEvent) => {
      if (this.#runners.get(name) === runner) this.#arbitrate(event);
    };
    const runner: VmRunner = new VmRunner({
      ...{ vm, timers, sliceBytes, recorder, observer, random },
      shellTimers: this.#shellTimers,
      log: this.#log.child({ vm: name }),
      vms: vms.length,
      node: {
        claim: (claim) => say({ kind: "claimed", vm: name, claim }),
        leave: () => say({ kind: "left", vm: name }),
      },
      ...(before === null ? {} : { before: before.state }),
      ...(step === undefined ? {} : { step }),
      now: this.#now,
    });
    return runner;
  }

  /** One claim at a time, answered before anything else happens: no two VMs get the same room. */
  #arbitrate(event: ArbiterEvent): void {
    const [arbiter, changes] = stepArbiter(this.#arbiter, event, this.#now());
    this.#arbiter = arbiter;
    for (const { vm, ...change } of changes) {
      this.#runners.get(vm)?.tell({ kind: "permit-changed", ...change });
    }
    this.#sayOvercommitment();
  }

  #sayOvercommitment(): void {
    const use = nodeUse(this.#arbiter);
    if (use.isOvercommitted === this.#isOvercommitted) return;
    this.#isOvercommitted = use.isOvercommitted;
    const fields = { ...use, capacity: this.#arbiter.capacity.size };
    if (use.isOvercommitted) {
      this.#log.warn(fields, "overcommitted: the VMs hold more than this node; nothing grows");
    } else this.#log.info(fields, "no longer overcommitted");
  }
}

/** One VM of the configuration, as the node sees it. */
export function memberOf({ spec, weight, priority }: VmConfig): Member {
  return { name: spec.name, ...spec.bounds, weight, priority };
}
