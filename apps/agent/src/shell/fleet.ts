import {
  initialArbiter,
  nodeUse,
  stepArbiter,
  type ArbiterEvent,
  type ArbiterState,
  type MonoMs,
  type NodeUse,
} from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { type Recorder } from "@selfscale/recording";
import { type AgentConfig } from "../config/load.ts";
import { type Log } from "../log.ts";
import { type NodeReading } from "../node/node-watch.ts";
import { usableOf } from "../node/plan.ts";
import { NO_OBSERVER, type Observer } from "./observer.ts";
import { VmRunner, type RunnerStatus } from "./vm-runner.ts";

/** What `GET /status` answers. Sizes in milli-vCPU and bytes. */
export type FleetStatus = Readonly<{
  node: NodeStatus;
  vms: readonly RunnerStatus[];
}>;

export type NodeStatus = NodeUse &
  Readonly<{
    /** What may be handed out, after the node's reserve. */
    capacity: Size;
    overheadPerVmBytes: number;
    /** Where the size is from: `given`, or a file of the kernel. */
    source: Readonly<{ cpu: string; mem: string }>;
    /** Why nothing grows for comfort now; null: the node is well. */
    brake: string | null;
  }>;

export type FleetOptions = Readonly<{
  config: AgentConfig;
  log: Log;
  /** Writes down every frame; null: nobody does. */
  recorder?: Recorder | null;
  observer?: Observer;
  now?: () => MonoMs;
  random?: () => number;
}>;

/** All VMs of this node: their loops, and the arbiter that divides the node among them. */
export class Fleet {
  readonly #log: Log;
  readonly #now: () => MonoMs;
  readonly #runners: ReadonlyMap<string, VmRunner>;
  #arbiter: ArbiterState;
  #node: NodeReading;
  #isOvercommitted = false;

  constructor(options: FleetOptions) {
    const { config, log, recorder = null, observer = NO_OBSERVER } = options;
    const { now = () => performance.now(), random = Math.random } = options;
    this.#log = log;
    this.#now = now;
    this.#node = { ...config.nodeSize, brake: null };
    const members = config.vms.map(({ spec }) => ({ name: spec.name, ...spec.bounds }));
    this.#arbiter = initialArbiter(config.node, members);
    this.#runners = new Map(
      config.vms.map((vm) => {
        const { name } = vm.spec;
        const runner = new VmRunner({
          vm,
          timers: config.timers,
          shellTimers: config.shellTimers,
          sliceBytes: config.sliceBytes,
          log: log.child({ vm: name }),
          recorder,
          observer,
          node: {
            claim: (want, held) => this.#arbitrate({ kind: "claimed", vm: name, want, held }),
            leave: () => this.#arbitrate({ kind: "left", vm: name }),
          },
          now,
          random,
        });
        return [name, runner];
      }),
    );
  }

  start(): void {
    for (const runner of this.#runners.values()) runner.start();
  }

  /** Takes at most the `stopMs` of the configuration, and a little to close sockets. */
  async stop(): Promise<void> {
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
  }

  /** The node has another size, or is in trouble, or is no longer. */
  onCapacity(reading: NodeReading): void {
    this.#node = reading;
    const capacity = { ...this.#arbiter.capacity, size: usableOf(reading) };
    this.#arbiter = { ...this.#arbiter, capacity };
    this.#sayOvercommitment();
  }

  status(): FleetStatus {
    const { size, overheadPerVmBytes } = this.#arbiter.capacity;
    const { source, brake } = this.#node;
    return {
      node: { capacity: size, overheadPerVmBytes, source, brake, ...nodeUse(this.#arbiter) },
      vms: [...this.#runners.values()].map((runner) => runner.status()),
    };
  }

  /** One claim at a time, answered before anything else happens: no two VMs get the same room. */
  #arbitrate(event: ArbiterEvent): void {
    const [arbiter, changes] = stepArbiter(this.#arbiter, event, this.#now());
    this.#arbiter = arbiter;
    for (const { vm, permit, isNodeFull } of changes) {
      this.#runners.get(vm)?.tell({ kind: "permit-changed", permit, isNodeFull });
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
