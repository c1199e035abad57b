// One rule of docs/sharing.md after the other, with its verdict; and what changes while the agent runs.
import { describe, expect, test } from "vitest";
import { type Size } from "@selfscale/protocol";
import { NOTHING } from "./amounts.ts";
import { stepArbiter } from "./arbiter.ts";
import { nodeUse, standings } from "./standing.ts";
import { initialArbiter, type ArbiterState } from "./state.ts";
import { claimOf, GIB, member, plainNode, size } from "./testing/node.ts";
import { type Capacity, type Claim, type Member } from "./types.ts";

const STEP: Partial<Claim> = { step: size(1, 1) };

/** VMs that claim in their order, each holding what it is said to hold. */
function nodeWith(
  capacity: Capacity,
  vms: readonly (Partial<Member> &
    Readonly<{ name: string; want: Size; held: Size; urgent?: Size }>)[],
): ArbiterState {
  const members = vms.map((vm) => member(vm.name, vm));
  return vms.reduce(
    (state, { name, want, held, min = NOTHING, urgent = NOTHING }) => {
      const claim = claimOf(want, held, { ...STEP, min, urgent });
      return stepArbiter(state, { kind: "claimed", vm: name, claim }, 1)[0];
    },
    initialArbiter(capacity, members),
  );
}

const standingOf = (state: ArbiterState, vm: string) =>
  standings(state).find((one) => one.vm === vm);
const gib = (state: ArbiterState, vm: string) =>
  (standingOf(state, vm)?.share.memBytes ?? NaN) / GIB;

describe("rules", () => {
  test("1: what may be handed out is size by factor, less the reserve and each VM's overhead", () => {
    const capacity = plainNode(size(4, 8), {
      overcommit: { cpu: 2, mem: 1.5 },
      reserve: size(1, 2),
      overheadPerVmBytes: GIB,
    });
    const state = initialArbiter(capacity, [member("a"), member("b")]);
    expect(nodeUse(state)).toMatchObject({
      room: size(7, 8),
      free: size(7, 8),
      reserve: size(1, 2),
    });
  });

  test("2: a minimum that turns out larger on the grid comes before anybody's comfort", () => {
    let state = nodeWith(plainNode(size(9, 4)), [
      { name: "a", want: size(1, 4), held: size(1, 3) },
      { name: "b", want: size(1, 1), held: size(1, 1), min: size(1, 1) },
    ]);
    const claim = claimOf(size(1, 2), size(1, 1), { ...STEP, min: size(1, 2) });
    [state] = stepArbiter(state, { kind: "claimed", vm: "b", claim }, 2);
    expect(gib(state, "b")).toBe(2);
    expect(standingOf(state, "a")?.recall?.memBytes).toBe(2 * GIB);
  });

  test("3: the headroom is for what can't wait", () => {
    const capacity = plainNode(size(9, 6), { emergency: size(0, 2) });
    const comfort = { name: "a", want: size(1, 6), held: size(1, 4) };
    const waiting = { name: "b", want: size(1, 2), held: NOTHING };
    const state = nodeWith(capacity, [comfort, waiting]);
    expect([gib(state, "a"), gib(state, "b")]).toEqual([2, 2]);
    expect(standingOf(state, "a")?.verdict?.rule).toBe("emergency-headroom");
    const urgent = nodeWith(capacity, [comfort, { ...waiting, urgent: size(0, 2) }]);
    expect(standingOf(urgent, "b")?.verdict).toBeNull(); // it has them at once
  });

  test("4: priority first, then weight", () => {
    const wish = { want: size(1, 9), held: NOTHING };
    const state = nodeWith(plainNode(size(9, 8)), [
      { name: "a", ...wish, weight: 1 },
      { name: "b", ...wish, weight: 3 },
    ]);
    expect([gib(state, "a"), gib(state, "b")]).toEqual([2, 6]);
    const ranked = nodeWith(plainNode(size(9, 8)), [
      { name: "a", ...wish, weight: 1000 },
      { name: "b", ...wish, want: size(1, 6), priority: 1 },
    ]);
    expect([gib(ranked, "a"), gib(ranked, "b")]).toEqual([2, 6]);
  });

  test("5: above its share while another is below: asked back, and no lower than its minimum", () => {
    const state = nodeWith(plainNode(size(9, 8)), [
      { name: "a", want: size(1, 8), held: size(1, 8), min: size(1, 5) },
      { name: "b", want: size(1, 8), held: NOTHING },
    ]);
    expect(standingOf(state, "a")?.recall).toEqual(size(1, 5));
    expect(standingOf(state, "b")).toMatchObject({ position: 1, waitingSince: 1 });
    expect(standingOf(state, "b")?.verdict?.text).toBe(
      "b wants 8192 MiB and may have 0 MiB; its fair share is 3072 MiB, and others hold more than theirs: " +
        "a holds 8192 MiB (share 5120 MiB).",
    );
  });

  test("7: under a brake nothing grows for comfort, and nobody is asked to give for it", () => {
    const brake = "the node swaps";
    const state = nodeWith(plainNode(size(9, 8), { brake }), [
      { name: "a", want: size(1, 6), held: size(1, 5) },
      { name: "b", want: size(1, 4), held: size(1, 1) },
    ]);
    expect(standings(state).map(({ recall }) => recall)).toEqual([null, null]);
    expect(standingOf(state, "b")?.verdict).toMatchObject({ rule: "brake" });
    expect(standingOf(state, "b")?.verdict?.text).toContain(brake);
    const urgent = nodeWith(plainNode(size(9, 8), { brake }), [
      { name: "a", want: size(1, 2), held: size(1, 2) },
      { name: "b", want: size(1, 4), held: size(1, 1), urgent: size(0, 4) },
    ]);
    expect(standingOf(urgent, "b")?.verdict).toBeNull();
  });
});

describe("while the agent runs", () => {
  const two = () =>
    nodeWith(plainNode(size(9, 8)), [
      { name: "a", want: size(1, 5), held: size(1, 5) },
      { name: "b", want: size(1, 3), held: size(1, 3) },
    ]);

  test("a node that becomes too small keeps what is held, says so, and asks back", () => {
    const [state, changes] = stepArbiter(
      two(),
      { kind: "capacity-changed", capacity: plainNode(size(9, 6)) },
      2,
    );
    expect(nodeUse(state)).toMatchObject({ held: size(2, 8), isOvercommitted: true });
    expect(changes).toMatchObject([{ vm: "a", permit: size(1, 5), recall: size(1, 3) }]);
    const claim = claimOf(size(1, 4), size(1, 3), { ...STEP, number: 2, permit: size(1, 3) });
    const [, more] = stepArbiter(state, { kind: "claimed", vm: "b", claim }, 3);
    expect(more.find(({ vm }) => vm === "b")).toMatchObject({
      permit: size(1, 3),
      verdict: { rule: "overcommitted" },
    });
  });

  test("a VM that is removed counts until its QEMU is gone, and then is nobody", () => {
    const { capacity } = two();
    const members = [member("b")];
    let [state] = stepArbiter(two(), { kind: "members-changed", capacity, members }, 2);
    expect(nodeUse(state).held).toEqual(size(2, 8));
    expect(standingOf(state, "a")?.isRemoved).toBe(true);
    const claim = claimOf(size(1, 8), size(1, 5), { ...STEP, number: 2 });
    const [grown] = stepArbiter(state, { kind: "claimed", vm: "a", claim }, 3);
    expect(gib(grown, "a")).toBe(5); // nothing more for it
    [state] = stepArbiter(state, { kind: "left", vm: "a" }, 3);
    expect(nodeUse(state).held).toEqual(size(1, 3));
    expect(stepArbiter(state, { kind: "claimed", vm: "a", claim }, 4)[1]).toEqual([]); // late
    expect(stepArbiter(state, { kind: "left", vm: "a" }, 4)[1]).toEqual([]);
  });

  test("one that is renamed keeps what it holds; one that is added is sold nothing away", () => {
    const members = [
      member("c", { renamedFrom: "a", weight: 2 }),
      member("b"),
      member("d", { min: size(1, 1), max: size(1, 2) }),
    ];
    const { capacity } = two();
    const [state] = stepArbiter(two(), { kind: "members-changed", capacity, members }, 2);
    expect(standings(state).map(({ vm }) => vm)).toEqual(["c", "b", "d"]);
    expect(standingOf(state, "c")).toMatchObject({ held: size(1, 5), weight: 2 });
    expect(standingOf(state, "b")?.isRemoved).toBe(false);
    expect(gib(state, "d")).toBe(1); // its minimum is due to it
    expect(standings(state).some(({ recall }) => recall !== null)).toBe(true);
  });

  test("a larger node and one VM more come at once: its minimum goes before the wishes of those that waited", () => {
    const members = [member("a"), member("b"), member("c", { min: size(1, 2), max: size(1, 2) })];
    let waiting = nodeWith(plainNode(size(9, 8)), [
      { name: "a", want: size(1, 8), held: size(1, 4) },
      { name: "b", want: size(1, 8), held: size(1, 4) },
    ]);
    const confirmed = claimOf(size(1, 8), size(1, 4), { ...STEP, number: 2, permit: size(1, 4) });
    [waiting] = stepArbiter(waiting, { kind: "claimed", vm: "a", claim: confirmed }, 2);
    const capacity = plainNode(size(9, 10));
    const event = { kind: "members-changed", capacity, members } as const;
    const [state, changes] = stepArbiter(waiting, event, 2);
    expect(standingOf(state, "c")?.held).toEqual(size(1, 2)); // it waits for nobody
    expect(changes.filter(({ permit, recall }) => permit.memBytes > 4 * GIB || recall)).toEqual([]);
    expect(nodeUse(state)).toMatchObject({ promised: size(3, 10), isOvercommitted: false });
  });

  test("6: a verdict that stands names what is held now, not what was held when it was given", () => {
    let state = nodeWith(plainNode(size(9, 8)), [
      { name: "a", want: size(1, 8), held: size(1, 6) },
      { name: "b", want: size(1, 8), held: size(1, 2) },
    ]);
    expect(standingOf(state, "b")?.verdict?.text).toContain("a holds 6144 MiB");
    const given = claimOf(size(1, 8), size(1, 5), { ...STEP, number: 2, permit: size(1, 4) });
    [state] = stepArbiter(state, { kind: "claimed", vm: "a", claim: given }, 2);
    const { verdict } = standingOf(state, "b") ?? {};
    expect(verdict?.text).toContain("a holds 5120 MiB");
    expect(verdict?.holders).toMatchObject([{ vm: "a", held: size(1, 5) }]);
  });

  test("what a gone QEMU had plugged is free; its minimum stays kept on its grid", () => {
    const members = [member("a", { min: { milliCpu: 500, memBytes: 0 } }), member("b")];
    let state = initialArbiter(plainNode(size(9, 8)), members);
    for (const vm of ["a", "b"]) [state] = stepArbiter(state, { kind: "left", vm }, 0);
    const plugged = claimOf(size(4, 1), size(4, 1), { ...STEP, min: size(4, 1) }); // no quota
    [state] = stepArbiter(state, { kind: "claimed", vm: "a", claim: plugged }, 1);
    const [left] = stepArbiter(state, { kind: "left", vm: "a" }, 2);
    expect(nodeUse(left).promised).toEqual(size(1, 1));
  });

  test("what a VM finds above its minimum takes back what was promised and is not held", () => {
    const members = [member("a"), member("b", { min: size(1, 1) })];
    let state = initialArbiter(plainNode(size(9, 8)), members);
    for (const vm of ["a", "b"]) [state] = stepArbiter(state, { kind: "left", vm }, 0);
    const wish = claimOf(size(1, 7), size(1, 1), STEP);
    [state] = stepArbiter(state, { kind: "claimed", vm: "a", claim: wish }, 1);
    const booted = claimOf(size(1, 4), size(1, 4), { ...STEP, min: size(1, 1) });
    const [after, changes] = stepArbiter(state, { kind: "claimed", vm: "b", claim: booted }, 2);
    expect(changes.find(({ vm }) => vm === "a")?.permit).toEqual(size(1, 1));
    expect(nodeUse(after).promised).toEqual(size(2, 11)); // until it has confirmed that
    const confirmed = { ...wish, number: 2, permit: size(1, 1) };
    const [, answer] = stepArbiter(after, { kind: "claimed", vm: "a", claim: confirmed }, 3);
    expect(answer.find(({ vm }) => vm === "a")?.permit).toEqual(size(1, 4));
  });
});
