// The agent's process on the node: a loop for each VM, and the arbiter that divides the node. What it knows dies with it.
import {
  initialArbiter,
  stepArbiter,
  type ArbiterEvent,
  type ArbiterState,
  type Capacity,
  type Member,
  type PermitChange,
} from "@selfscale/core";
import { type Bounds } from "@selfscale/protocol";
import { type Clock } from "../clock.ts";
import { VmAgent, type VmAgentOptions } from "./vm-agent.ts";

/** Sees each division of the node. */
export type NodeWitness = Readonly<{
  divided: (event: ArbiterEvent, changes: readonly PermitChange[]) => readonly PermitChange[];
}>;

export type VmOptions = Omit<VmAgentOptions, "claim" | "leave" | "clock"> &
  Pick<Member, "weight" | "priority">;

export class AgentProcess {
  readonly vms: readonly VmAgent[];
  readonly #clock: Clock;
  readonly #witness: NodeWitness;
  readonly #names: readonly string[];
  #arbiter: ArbiterState;
  #isOver = false;

  constructor(clock: Clock, capacity: Capacity, vms: readonly VmOptions[], witness: NodeWitness) {
    this.#clock = clock;
    this.#witness = witness;
    this.#names = vms.map(({ spec }) => spec.name);
    this.#arbiter = initialArbiter(capacity, vms.map(memberOf));
    this.vms = vms.map((options) => {
      const vm = options.spec.name;
      return new VmAgent({
        ...options,
        clock,
        claim: (claim) => this.#arbitrate({ kind: "claimed", vm, claim }),
        leave: () => this.#arbitrate({ kind: "left", vm }),
      });
    });
  }

  start(): void {
    for (const vm of this.vms) vm.start();
  }

  standStill(): void {
    for (const vm of this.vms) vm.standStill();
  }

  goOn(): void {
    for (const vm of this.vms) vm.goOn();
  }

  kill(): void {
    this.#isOver = true;
    for (const vm of this.vms) vm.kill();
  }

  /** The node is another one now, and nothing is restarted for it. */
  resize(capacity: Capacity): void {
    this.#arbitrate({ kind: "capacity-changed", capacity });
  }

  /** The operator's file says something else of one VM: the node learns it first, then the VM. */
  rebound(vm: number, members: readonly Member[], bounds: Bounds): void {
    this.#arbitrate({ kind: "members-changed", capacity: this.#arbiter.capacity, members });
    this.vms[vm]?.tell({ kind: "bounds-changed", bounds });
  }

  /** Answered at once; each VM hears of it after what it is doing. */
  #arbitrate(event: ArbiterEvent): void {
    if (this.#isOver) return;
    const [arbiter, all] = stepArbiter(this.#arbiter, event, this.#clock.now);
    this.#arbiter = arbiter;
    for (const { vm, ...change } of this.#witness.divided(event, all)) {
      const agent = this.vms[this.#names.indexOf(vm)];
      this.#clock.after(0, () => agent?.tell({ kind: "permit-changed", ...change }));
    }
  }
}

function memberOf({ spec, weight, priority }: VmOptions): Member {
  return { name: spec.name, ...spec.bounds, weight, priority };
}
