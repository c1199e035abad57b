// Invariant 2 from outside: what the node's VMs hold and were promised, added up by own books and by what QEMU shows.
import { type ArbiterEvent, type PermitChange } from "@selfscale/core";
import { type Size } from "@selfscale/protocol";
import { mib } from "../units.ts";
import { Broken } from "./broken.ts";

const RESOURCES = ["milliCpu", "memBytes"] as const;
type Resource = (typeof RESOURCES)[number];

type Claim = { held: Size; want: Size; permit: Size };

export class NodeWatch {
  readonly #capacity: Size;
  readonly #overheadBytes: number;
  /** What each VM is known to hold while it does not run, or nobody has looked. */
  readonly #mins: readonly Size[];
  readonly #names: readonly string[];
  readonly #claims: Claim[];
  /** Growth that was told and not answered yet. */
  readonly #told: { milliCpu: number; memBytes: number }[];
  /** VMs whose QEMU this agent has read. */
  /** Resources of which more is held than was ever asked for. */
  readonly #found = new Set<Resource>();
  readonly #known = new Set<number>();

  constructor(capacity: Size, overheadBytes: number, vms: readonly { name: string; min: Size }[]) {
    this.#capacity = capacity;
    this.#overheadBytes = overheadBytes * vms.length;
    this.#mins = vms.map(({ min }) => min);
    this.#names = vms.map(({ name }) => name);
    this.#claims = vms.map(({ min }) => ({ held: min, want: min, permit: min }));
    this.#told = vms.map(() => ({ milliCpu: 0, memBytes: 0 }));
  }

  /** QEMU was read. `held` beyond what was kept for it (it booted so) is found, and earlier promises stay promises. */
  attached(vm: number, held: Size): void {
    this.#known.add(vm);
    const claim = this.#claims[vm];
    if (claim === undefined) return;
    for (const of of RESOURCES) if (held[of] > committed(claim, of)) this.#found.add(of);
  }

  settled(vm: number): void {
    this.#told[vm] = { milliCpu: 0, memBytes: 0 };
  }

  /** What the arbiter answered: no permit rises above what there is. */
  divided(event: ArbiterEvent, changes: readonly PermitChange[]): void {
    if (!("vm" in event)) return; // no world changes its node
    const claimant = this.#names.indexOf(event.vm);
    const min = this.#mins[claimant];
    if (min === undefined) return;
    if (event.kind === "left") {
      // What boots in its place is found when it is read.
      this.#known.delete(claimant);
      this.#claims[claimant] = { held: min, want: min, permit: min };
    } else {
      const permit = this.#claims[claimant]?.permit ?? min;
      this.#claims[claimant] = { held: event.held, want: event.want, permit };
    }
    const raised = new Set<Resource>();
    for (const { vm, permit } of changes) {
      const claim = this.#claims[this.#names.indexOf(vm)];
      if (claim === undefined) continue;
      for (const of of RESOURCES) {
        if (permit[of] > Math.max(claim.permit[of], claim.held[of])) raised.add(of);
      }
      claim.permit = permit;
    }
    for (const of of raised) {
      let sum = of === "memBytes" ? this.#overheadBytes : 0;
      for (const { held, want, permit } of this.#claims) {
        sum += committed({ held, want, permit }, of);
      }
      if (sum > this.#capacity[of]) {
        throw new Broken(2, claimant, `${say(of, sum)} promised of ${say(of, this.#capacity[of])}`);
      }
    }
  }

  /** A VM is about to be told to grow. `truth`: what each holds now by QEMU; null: it does not run. */
  grows(vm: number, of: Resource, to: number, truth: readonly (Size | null)[]): void {
    const told = this.#told[vm];
    const held = (one: number): number => {
      const min = this.#mins[one]?.[of] ?? 0;
      const now = this.#known.has(one) ? (truth[one]?.[of] ?? min) : min;
      return Math.max(now, this.#told[one]?.[of] ?? 0);
    };
    if (told === undefined || to <= held(vm)) return;
    let sum = of === "memBytes" ? this.#overheadBytes : 0;
    for (const one of this.#mins.keys()) sum += one === vm ? to : held(one);
    told[of] = to;
    if (sum <= this.#capacity[of]) return;
    if (this.#found.has(of) && to <= (this.#claims[vm]?.permit[of] ?? 0)) return;
    const what = `grows to ${say(of, to)}: ${say(of, sum)} of ${say(of, this.#capacity[of])}`;
    throw new Broken(2, vm, what);
  }
}

function committed({ held, want, permit }: Claim, of: Resource): number {
  return Math.max(held[of], Math.min(permit[of], want[of]));
}

function say(of: Resource, amount: number): string {
  return of === "memBytes" ? `${mib(amount)} MiB` : `${amount / 1000} vCPU`;
}
