import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Size } from "@selfscale/protocol";
import {
  initialArbiter,
  nodeUse,
  stepArbiter,
  type ArbiterState,
  type Capacity,
} from "./arbiter.ts";

const GIB = 1024 ** 3;
const nobody: Size = { milliCpu: 0, memBytes: 0 };
/** A node that is known well: nobody runs. */
const node = (capacity: Capacity, min = nobody) =>
  initialArbiter(
    capacity,
    ["a", "b", "c"].map((name) => ({ name, min, max: min })),
  );
const size = (cpu: number, gib: number): Size => ({ milliCpu: cpu * 1000, memBytes: gib * GIB });

function claim(state: ArbiterState, vm: string, want: Size, held: Size, now: number) {
  const [after, changes] = stepArbiter(state, { kind: "claimed", vm, want, held }, now);
  const permits = Object.fromEntries(changes.map((change) => [change.vm, change.permit]));
  return { after, permits, changes };
}

describe("first come, first served", () => {
  test("gives what is wanted while there is room, less the VM's overhead", () => {
    const full = node({ size: size(4, 6), overheadPerVmBytes: GIB });
    expect(claim(full, "a", size(2, 3), size(1, 1), 0).permits).toEqual({ a: size(2, 3) });
    expect(claim(full, "a", size(2, 4), size(1, 1), 0).permits).toEqual({ a: size(2, 3) });
  });

  test("keeps room for the minimum of a VM that does not run yet", () => {
    const full = node({ size: size(4, 4), overheadPerVmBytes: 0 }, size(1, 1));
    expect(claim(full, "a", size(4, 4), size(1, 1), 0).permits).toEqual({ a: size(2, 2) });
  });

  test("sells nothing that a VM may hold which nobody has looked at since the start", () => {
    const members = ["a", "b"].map((name) => ({ name, min: size(1, 1), max: size(4, 3) }));
    const full = initialArbiter({ size: size(8, 4), overheadPerVmBytes: 0 }, members);
    const first = claim(full, "a", size(4, 4), size(1, 1), 0);
    expect(first.permits).toEqual({ a: size(4, 1) });
    const looked = claim(first.after, "b", size(1, 2), size(1, 2), 1);
    expect(looked.permits).toEqual({ a: size(4, 2), b: size(1, 2) });
    const [, changes] = stepArbiter(first.after, { kind: "left", vm: "b" }, 1);
    expect(changes).toEqual([{ vm: "a", permit: size(4, 3), isNodeFull: true }]);
  });

  test("serves who waited longest first when room appears, in part if need be", () => {
    let full = node({ size: size(4, 4), overheadPerVmBytes: 0 });
    ({ after: full } = claim(full, "a", size(1, 3), size(1, 3), 0));
    ({ after: full } = claim(full, "b", size(1, 3), size(1, 1), 1));
    ({ after: full } = claim(full, "c", size(1, 1), size(1, 0), 2));
    const shrunk = claim(full, "a", size(1, 2), size(1, 2), 3);
    expect(shrunk.permits["b"]).toEqual(size(1, 2)); // one of the two it waits for
    expect(shrunk.permits["c"]).toBeUndefined(); // came later: still nothing
  });

  test.for([
    ["b", "c"],
    ["c", "b"],
  ] as const)("of two that wait, %s came first and is served first", ([first, second]) => {
    let full = node({ size: size(4, 4), overheadPerVmBytes: 0 });
    ({ after: full } = claim(full, "a", size(1, 4), size(1, 4), 0));
    ({ after: full } = claim(full, first, size(1, 2), size(1, 0), 1));
    ({ after: full } = claim(full, second, size(1, 2), size(1, 0), 2));
    const shrunk = claim(full, "a", size(1, 2), size(1, 2), 3);
    expect(shrunk.permits[first]).toEqual(size(1, 2));
    expect(shrunk.permits[second]).toBeUndefined();
  });

  test("keeps a promise that is still wanted, and frees one that is not", () => {
    let full = node({ size: size(4, 4), overheadPerVmBytes: 0 });
    ({ after: full } = claim(full, "a", size(1, 4), size(1, 1), 0));
    expect(claim(full, "b", size(1, 1), size(1, 0), 1).permits["b"]).toEqual(size(1, 0));
    ({ after: full } = claim(full, "b", size(1, 1), size(1, 0), 1));
    expect(claim(full, "a", size(1, 2), size(1, 1), 2).permits["b"]).toEqual(size(1, 1));
  });

  test("says that the node is full, until it is not", () => {
    let full = node({ size: size(4, 2), overheadPerVmBytes: 0 });
    const first = claim(full, "a", size(1, 3), size(1, 1), 0);
    expect(first.changes).toEqual([{ vm: "a", permit: size(1, 2), isNodeFull: true }]);
    full = first.after;
    const content = claim(full, "a", size(1, 2), size(1, 1), 1);
    expect(content.changes).toEqual([{ vm: "a", permit: size(1, 2), isNodeFull: false }]);
  });

  test("a QEMU that is gone leaves its room to who waits", () => {
    let full = node({ size: size(4, 4), overheadPerVmBytes: 0 });
    ({ after: full } = claim(full, "a", size(1, 3), size(1, 3), 0));
    ({ after: full } = claim(full, "b", size(1, 3), size(1, 1), 1));
    const [after, changes] = stepArbiter(full, { kind: "left", vm: "a" }, 2);
    expect(changes).toEqual([{ vm: "b", permit: size(1, 3), isNodeFull: false }]);
    expect(nodeUse(after).promised).toEqual(size(1, 3));
  });

  test("what is found above capacity is kept and reported, and nothing grows", () => {
    let full = node({ size: size(4, 4), overheadPerVmBytes: 0 });
    ({ after: full } = claim(full, "a", size(1, 6), size(1, 6), 0));
    const other = claim(full, "b", size(1, 2), size(1, 1), 1);
    expect(other.permits["b"]).toEqual(size(1, 1));
    expect(nodeUse(other.after).isOvercommitted).toBe(true);
  });
});

test("never promises more than the node has, whatever is claimed in whatever order", () => {
  const claimOf = fc.record({
    vm: fc.constantFrom("a", "b", "c"),
    want: fc.record({ milliCpu: fc.nat(8000), memBytes: fc.nat(64) }),
    hasGrown: fc.boolean(),
    isLeaving: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(claimOf, { maxLength: 60 }), (claims) => {
      const capacity = { milliCpu: 8000, memBytes: 64 };
      let full = node({ size: capacity, overheadPerVmBytes: 2 });
      // Own books: what each VM really took of what it was permitted.
      const held = new Map<string, Size>();
      const permits = new Map<string, Size>();
      const learn = (changes: readonly { vm: string; permit: Size }[]) => {
        for (const { vm, permit } of changes) permits.set(vm, permit);
      };
      let now = 0;
      for (const { vm, want, hasGrown, isLeaving } of claims) {
        now += 1;
        if (isLeaving) {
          const [after, changes] = stepArbiter(full, { kind: "left", vm }, now);
          full = after;
          held.delete(vm);
          permits.delete(vm);
          learn(changes);
          continue;
        }
        const permit = permits.get(vm);
        if (hasGrown && permit !== undefined) held.set(vm, permit);
        const holds = held.get(vm) ?? { milliCpu: 0, memBytes: 0 };
        const [after, changes] = stepArbiter(full, { kind: "claimed", vm, want, held: holds }, now);
        full = after;
        held.set(vm, holds);
        learn(changes);
        let cpu = 0;
        let mem = 3 * 2; // every VM's overhead, running or not
        for (const [name, size] of held) {
          cpu += Math.max(size.milliCpu, permits.get(name)?.milliCpu ?? 0);
          mem += Math.max(size.memBytes, permits.get(name)?.memBytes ?? 0);
        }
        expect(cpu).toBeLessThanOrEqual(capacity.milliCpu);
        expect(mem).toBeLessThanOrEqual(capacity.memBytes);
      }
    }),
  );
});

describe("read anew", () => {
  test("more capacity goes to who waits; less takes nothing that is held or promised", () => {
    const full = node({ size: size(4, 4), overheadPerVmBytes: 0 });
    const { after } = claim(full, "a", size(1, 6), size(1, 1), 0);
    const grown = { size: size(4, 8), overheadPerVmBytes: 0 };
    const [more, changes] = stepArbiter(after, { kind: "capacity-changed", capacity: grown }, 1);
    expect(changes).toEqual([{ vm: "a", permit: size(1, 6), isNodeFull: false }]);
    const cut = { size: size(4, 2), overheadPerVmBytes: 0 };
    const [less, none] = stepArbiter(more, { kind: "capacity-changed", capacity: cut }, 2);
    expect(none).toEqual([]);
    expect(nodeUse(less)).toMatchObject({ promised: size(1, 6), isOvercommitted: true });
  });

  test("who stays keeps what it holds, who goes frees it, who comes may hold its maximum", () => {
    const full = node({ size: size(8, 8), overheadPerVmBytes: 0 });
    const { after } = claim(full, "a", size(1, 3), size(1, 3), 0);
    const { after: both } = claim(after, "b", size(1, 9), size(1, 1), 1);
    const members = [
      { name: "b", min: size(1, 2), max: size(4, 4) },
      { name: "d", min: size(1, 1), max: size(2, 3) },
    ];
    const [changed, changes] = stepArbiter(both, { kind: "members-changed", members }, 2);
    expect(changes).toEqual([
      // 8 GiB, of which the one that nobody has looked at yet may hold 3, and what b was promised before.
      { vm: "d", permit: size(1, 1), isNodeFull: false },
    ]);
    const [, left] = stepArbiter(changed, { kind: "left", vm: "d" }, 3);
    expect(left).toEqual([{ vm: "b", permit: size(1, 7), isNodeFull: true }]);
    expect(() => stepArbiter(changed, { kind: "left", vm: "a" }, 4)).toThrow("a is not a VM");
  });

  test("a VM that does not run is reserved its new minimum", () => {
    const full = node({ size: size(8, 8), overheadPerVmBytes: 0 }, size(1, 1));
    const members = [{ name: "a", min: size(2, 2), max: size(4, 4) }];
    const [changed] = stepArbiter(full, { kind: "members-changed", members }, 1);
    expect(nodeUse(changed)).toMatchObject({ held: size(2, 2), promised: size(2, 2) });
  });
});
