// The rules of docs/sharing.md as properties, over a small world of VMs that hold, grow, give back or refuse to.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Size } from "@selfscale/protocol";
import { both, least, most, NOTHING } from "./amounts.ts";
import { stepArbiter } from "./arbiter.ts";
import { roomOf } from "./capacity.ts";
import { accountsOf, initialArbiter, type ArbiterState } from "./state.ts";
import { claimOf, member, plainNode } from "./testing/node.ts";
import { RESOURCES, type ArbiterEvent, type Capacity, type PermitChange } from "./types.ts";

const STEP: Size = { milliCpu: 250, memBytes: 4 };
const NAMES = ["a", "b", "c", "d"] as const;

type Vm = {
  readonly name: string;
  readonly min: Size;
  readonly isRefusing: boolean;
  want: Size;
  urgent: Size;
  held: Size;
  permit: Size | null;
  recall: Size | null;
  number: number;
};

/** VMs and their node: each claims, grows by what it was permitted, and gives back what is asked of it. */
class Small {
  arbiter: ArbiterState;
  readonly vms: Vm[];
  now = 0;
  changes = 0;

  constructor(capacity: Capacity, plans: readonly Plan[]) {
    this.arbiter = initialArbiter(
      capacity,
      plans.map(({ name, min, weight, priority }) =>
        member(name, { min, max: min, weight, priority }),
      ),
    );
    this.vms = plans.map(({ name, min, isRefusing }) => ({
      name,
      min,
      isRefusing,
      want: min,
      urgent: NOTHING,
      held: NOTHING,
      permit: null,
      recall: null,
      number: 0,
    }));
  }

  step(event: ArbiterEvent): void {
    this.now += 1;
    const [after, changes] = stepArbiter(this.arbiter, event, this.now);
    this.arbiter = after;
    for (const change of changes) this.hear(change);
  }

  hear({ vm: name, permit, recall, answers }: PermitChange): void {
    const vm = this.vms.find((one) => one.name === name);
    if (vm === undefined) return;
    this.changes += 1;
    if (vm.permit === null || vm.number === answers) vm.permit = permit;
    else vm.permit = least(vm.permit, permit);
    vm.recall = recall;
  }

  claim(vm: Vm): void {
    vm.number += 1;
    vm.permit = vm.permit === null ? null : least(vm.permit, vm.want);
    const { number, min, urgent, permit, want, held } = vm;
    this.step({
      kind: "claimed",
      vm: vm.name,
      claim: claimOf(want, held, { number, min, urgent: least(urgent, want), permit, step: STEP }),
    });
  }

  /** Grows to what it may, and gives what it does not want or is asked for. */
  move(vm: Vm): void {
    const aim = vm.recall === null ? vm.want : least(vm.want, vm.recall);
    const upTo = least(aim, vm.permit ?? vm.held);
    const grown = most(vm.held, upTo);
    vm.held = vm.isRefusing ? grown : least(grown, most(aim, upTo));
  }

  /** What really is taken, or may be. */
  taken(of: keyof Size): number {
    return this.vms.reduce(
      (sum, { held, permit, min }) => sum + Math.max(held[of], permit?.[of] ?? 0, min[of]),
      0,
    );
  }

  round(): void {
    for (const vm of this.vms) {
      this.move(vm);
      this.claim(vm);
    }
  }
}

type Plan = Readonly<{
  name: string;
  min: Size;
  weight: number;
  priority: number;
  isRefusing: boolean;
}>;

const sizeArb = (cpu: number, mem: number) =>
  fc.record({
    milliCpu: fc.nat(cpu).map((steps) => steps * STEP.milliCpu),
    memBytes: fc.nat(mem).map((steps) => steps * STEP.memBytes),
  });
const plansArb = fc.tuple(
  ...NAMES.map((name) =>
    fc.record({
      name: fc.constant(name),
      min: sizeArb(2, 2),
      weight: fc.constantFrom(0.5, 1, 1, 2, 3),
      priority: fc.constantFrom(0, 0, 0, 1),
      isRefusing: fc.constantFrom(false, false, true),
    }),
  ),
);
const capacityArb = fc.record({
  size: fc.record({
    milliCpu: fc.integer({ min: 2_000, max: 9_000 }),
    memBytes: fc.integer({ min: 40, max: 120 }),
  }),
  emergency: sizeArb(2, 3),
  brake: fc.constantFrom(null, null, "swap"),
});
const capacityOf = ({ size, ...rest }: { size: Size; emergency: Size; brake: string | null }) =>
  plainNode(size, { overheadPerVmBytes: 2, ...rest });
const deedArb = fc.record({
  vm: fc.nat(NAMES.length - 1),
  kind: fc.constantFrom("wish", "wish", "urgent", "move", "move", "claim", "leave", "capacity"),
  size: sizeArb(16, 20),
});
type Deed = Readonly<{ vm: number; kind: string; size: Size }>;

function act(small: Small, { vm: index, kind, size }: Deed): void {
  const vm = small.vms[index];
  if (vm === undefined) return;
  if (kind === "wish" || kind === "urgent") {
    vm.want = most(size, vm.min);
    vm.urgent = kind === "urgent" ? vm.want : NOTHING;
    small.claim(vm);
  } else if (kind === "move") {
    small.move(vm);
    small.claim(vm);
  } else if (kind === "claim") small.claim(vm);
  else if (kind === "leave") {
    Object.assign(vm, { held: NOTHING, permit: null, recall: null, want: vm.min });
    small.step({ kind: "left", vm: vm.name });
  } else {
    const { brake } = small.arbiter.capacity;
    const capacity = { ...small.arbiter.capacity, brake: brake === null ? "swap" : null };
    small.step({ kind: "capacity-changed", capacity });
  }
}

/** Everybody states what it wants until nobody has anything to say. */
function settle(small: Small, rounds = 60): void {
  for (const vm of small.vms) small.claim(vm);
  for (let round = 0; round < rounds; round += 1) small.round();
}

describe("whatever happens in whatever order", () => {
  const worlds = fc.tuple(capacityArb, plansArb, fc.array(deedArb, { maxLength: 40 }));

  test("no more is promised than there is, minimums are kept, and nobody is asked below its own", () => {
    fc.assert(
      fc.property(worlds, ([plan, plans, deeds]) => {
        const small = new Small(capacityOf(plan), plans);
        for (const vm of small.vms) small.claim(vm);
        for (const deed of deeds) {
          act(small, deed);
          const { all } = roomOf(small.arbiter.capacity, NAMES.length);
          for (const of of RESOURCES) expect(small.taken(of)).toBeLessThanOrEqual(all[of]);
          for (const vm of small.vms) {
            const least = both((of) => Math.max(vm.min[of], Math.min(vm.urgent[of], vm.held[of])));
            for (const of of RESOURCES) {
              if (vm.number > 0 && vm.permit !== null) {
                expect(vm.permit[of]).toBeGreaterThanOrEqual(vm.min[of]);
              }
              if (vm.recall === null || vm.recall[of] >= vm.want[of]) continue;
              expect(vm.recall[of]).toBeGreaterThanOrEqual(Math.min(least[of], vm.want[of]));
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("with a steady demand it comes to rest, and stays there", () => {
    fc.assert(
      fc.property(worlds, ([plan, plans, deeds]) => {
        const small = new Small(capacityOf(plan), plans);
        for (const deed of deeds) act(small, deed);
        settle(small);
        const held = small.vms.map((vm) => vm.held);
        const shares = accountsOf(small.arbiter).map(({ share }) => share);
        for (let round = 0; round < 5; round += 1) small.round();
        expect(small.vms.map((vm) => vm.held)).toEqual(held);
        expect(accountsOf(small.arbiter).map(({ share }) => share)).toEqual(shares);
      }),
      { numRuns: 300 },
    );
  });

  test("at rest nothing is wasted, priority goes first, and nobody envies another by more than a step", () => {
    fc.assert(
      fc.property(worlds, ([plan, plans, deeds]) => {
        const obedient = plans.map((one) => ({ ...one, isRefusing: false }));
        const small = new Small({ ...capacityOf(plan), brake: null }, obedient);
        for (const deed of deeds) if (deed.kind !== "capacity") act(small, deed);
        for (const vm of small.vms) vm.urgent = NOTHING;
        settle(small);
        const { comfort } = roomOf(small.arbiter.capacity, NAMES.length);
        for (const of of RESOURCES) {
          const free = comfort[of] - small.taken(of);
          for (const [index, vm] of small.vms.entries()) {
            if (vm.held[of] >= vm.want[of]) continue;
            expect(free, `${vm.name} could have more`).toBeLessThan(STEP[of]);
            for (const [other, rich] of small.vms.entries()) {
              const [mine, theirs] = [obedient[index], obedient[other]];
              if (index === other || mine === undefined || theirs === undefined) continue;
              const isComfort = rich.held[of] > rich.min[of];
              if (theirs.priority < mine.priority) expect(isComfort).toBe(false);
              if (theirs.priority !== mine.priority || !isComfort) continue;
              const least = (rich.held[of] - STEP[of]) / theirs.weight;
              expect((vm.held[of] + STEP[of]) / mine.weight).toBeGreaterThanOrEqual(least);
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("what comes of it does not depend on who was first, but for a step", () => {
    fc.assert(
      fc.property(
        capacityArb,
        plansArb,
        fc.array(sizeArb(16, 20), { minLength: 4, maxLength: 4 }),
        (plan, plans, wants) => {
          const obedient = plans.map((one, index) => ({
            ...one,
            isRefusing: false,
            want: wants[index] ?? NOTHING,
          }));
          const end = (order: typeof obedient) => {
            const small = new Small({ ...capacityOf(plan), brake: null }, order);
            for (const vm of small.vms) {
              const wish = order.find(({ name }) => name === vm.name)?.want ?? NOTHING;
              vm.want = most(wish, vm.min);
              small.claim(vm);
              small.move(vm);
            }
            settle(small);
            return new Map(small.vms.map(({ name, held }) => [name, held]));
          };
          const [one, other] = [end(obedient), end(obedient.toReversed())];
          for (const name of NAMES) {
            for (const of of RESOURCES) {
              const apart = Math.abs((one.get(name)?.[of] ?? 0) - (other.get(name)?.[of] ?? 0));
              expect(apart).toBeLessThanOrEqual(STEP[of]);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
