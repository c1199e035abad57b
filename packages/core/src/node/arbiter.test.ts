import { describe, expect, test } from "vitest";
import { type Size } from "@selfscale/protocol";
import { least } from "./amounts.ts";
import { stepArbiter } from "./arbiter.ts";
import { nodeUse } from "./standing.ts";
import { accountsOf, initialArbiter, type ArbiterState } from "./state.ts";
import { claimOf, GIB, member, plainNode, size } from "./testing/node.ts";
import { type Capacity } from "./types.ts";

const nobody: Size = { milliCpu: 0, memBytes: 0 };
/** A node that is known well: nobody runs. */
const node = (capacity: Capacity, min = nobody) =>
  initialArbiter(
    capacity,
    ["a", "b", "c"].map((name) => member(name, { min, max: min })),
  );

/** As a VM does: it says what it may still take by what it was answered, and wants no more of it than it wants. */
function claim(state: ArbiterState, vm: string, want: Size, held: Size, now: number) {
  const known = accountsOf(state).find(({ name }) => name === vm);
  const isAnswered = known?.isRunning === true;
  const min = known?.memberMin ?? nobody;
  const permit = isAnswered ? least(known.permit, want) : null;
  const event = { kind: "claimed", vm, claim: claimOf(want, held, { min, permit }) } as const;
  const [after, changes] = stepArbiter(state, event, now);
  const permits = Object.fromEntries(changes.map((change) => [change.vm, change.permit]));
  return { after, permits, changes };
}

/** Memory comes in gigabytes. */
const STEP = { step: size(0, 1) };

describe("one claim after the other", () => {
  test("gives what is wanted while there is room, less the VM's overhead", () => {
    const full = node(plainNode(size(4, 6), { overheadPerVmBytes: GIB }));
    expect(claim(full, "a", size(2, 3), size(1, 1), 0).permits).toEqual({ a: size(2, 3) });
    expect(claim(full, "a", size(2, 4), size(1, 1), 0).permits).toEqual({ a: size(2, 3) });
  });

  test("keeps room for the minimum of a VM that does not run yet", () => {
    const full = node(plainNode(size(4, 4)), size(1, 1));
    expect(claim(full, "a", size(4, 4), size(1, 1), 0).permits).toEqual({ a: size(2, 2) });
  });

  test("sells nothing that a VM may hold which nobody has looked at since the start", () => {
    const members = ["a", "b"].map((name) => member(name, { min: size(1, 1), max: size(4, 3) }));
    const full = initialArbiter(plainNode(size(8, 4)), members);
    const first = claim(full, "a", size(4, 4), size(1, 1), 0);
    expect(first.permits).toEqual({ a: size(4, 1) });
    const looked = claim(first.after, "b", size(1, 2), size(1, 2), 1);
    expect(looked.permits).toEqual({ a: size(4, 2), b: size(1, 2) });
    const [, changes] = stepArbiter(first.after, { kind: "left", vm: "b" }, 1);
    expect(changes).toMatchObject([{ vm: "a", permit: size(4, 3), isNodeFull: true }]);
  });

  test("a minimum that waits for room is asked back from who holds too much, whatever that one said meanwhile", () => {
    const members = ["a", "b"].map((name) => member(name));
    let full = initialArbiter(plainNode(size(4, 4)), members);
    [full] = stepArbiter(full, { kind: "left", vm: "b" }, 0);
    ({ after: full } = claim(full, "a", size(1, 3), size(1, 3), 1));
    const raised = [member("a"), member("b", { min: size(0, 2) })];
    [full] = stepArbiter(
      full,
      { kind: "members-changed", capacity: full.capacity, members: raised },
      2,
    );
    ({ after: full } = claim(full, "a", size(1, 2), size(1, 3), 3));
    const { changes } = claim(full, "a", size(1, 3), size(1, 3), 4);
    expect(changes).toMatchObject([{ vm: "a", recall: size(1, 2) }]);
  });

  test("room that appears goes to who has least, in part if need be", () => {
    let full = node(plainNode(size(4, 4)));
    ({ after: full } = claim(full, "a", size(1, 3), size(1, 3), 0));
    ({ after: full } = claim(full, "b", size(1, 3), size(1, 1), 1));
    ({ after: full } = claim(full, "c", size(1, 1), size(1, 0), 2));
    const shrunk = claim(full, "a", size(1, 2), size(1, 2), 3);
    expect(shrunk.permits["c"]).toEqual(size(1, 1)); // it had nothing
    expect(shrunk.permits["b"]).toBeUndefined(); // it has its share by now, which is a third
  });

  test.for([
    ["b", "c"],
    ["c", "b"],
  ] as const)(
    "of two that are alike, %s waits longer and gets the step that is left",
    ([first, second]) => {
      let full = node(plainNode(size(4, 4)));
      const wish = { want: size(1, 2), held: size(1, 0) };
      const wait = (vm: string, now: number) => {
        const event = { kind: "claimed", vm, claim: claimOf(wish.want, wish.held, STEP) } as const;
        [full] = stepArbiter(full, event, now);
      };
      ({ after: full } = claim(full, "a", size(1, 4), size(1, 4), 0));
      wait(first, 1);
      wait(second, 2);
      const shrunk = claim(full, "a", size(1, 3), size(1, 3), 3);
      expect(shrunk.permits[first]).toEqual(size(1, 1));
      expect(shrunk.permits[second]).toBeUndefined();
    },
  );

  test("keeps a promise that is still wanted, and frees one that is not", () => {
    let full = node(plainNode(size(4, 4)));
    ({ after: full } = claim(full, "a", size(1, 4), size(1, 1), 0));
    expect(claim(full, "b", size(1, 1), size(1, 0), 1).permits["b"]).toEqual(size(1, 0));
    ({ after: full } = claim(full, "b", size(1, 1), size(1, 0), 1));
    expect(claim(full, "a", size(1, 2), size(1, 1), 2).permits["b"]).toEqual(size(1, 1));
  });

  test("says that the node is full, until it is not", () => {
    let full = node(plainNode(size(4, 2)));
    const first = claim(full, "a", size(1, 3), size(1, 1), 0);
    expect(first.changes).toMatchObject([{ vm: "a", permit: size(1, 2), isNodeFull: true }]);
    full = first.after;
    const content = claim(full, "a", size(1, 2), size(1, 1), 1);
    expect(content.changes).toMatchObject([{ vm: "a", permit: size(1, 2), isNodeFull: false }]);
  });

  test("a QEMU that is gone leaves its room to who waits", () => {
    let full = node(plainNode(size(4, 4)));
    ({ after: full } = claim(full, "a", size(1, 3), size(1, 3), 0));
    ({ after: full } = claim(full, "b", size(1, 3), size(1, 1), 1));
    const [after, changes] = stepArbiter(full, { kind: "left", vm: "a" }, 2);
    expect(changes).toMatchObject([{ vm: "b", permit: size(1, 3), isNodeFull: false }]);
    expect(nodeUse(after).promised).toEqual(size(1, 3));
  });

  test("what is found above capacity is kept and reported, and nothing grows", () => {
    let full = node(plainNode(size(4, 4)));
    ({ after: full } = claim(full, "a", size(1, 6), size(1, 6), 0));
    const other = claim(full, "b", size(1, 2), size(1, 1), 1);
    expect(other.permits["b"]).toEqual(size(1, 1));
    expect(nodeUse(other.after).isOvercommitted).toBe(true);
  });
});
