// When nothing may be resized.
import { expect, test } from "vitest";
import { Rig } from "./testing/rig.ts";
import { mayResize, type VmState } from "./vm-state.ts";

function ready(): VmState {
  const rig = new Rig();
  const vm = rig.add();
  rig.attach(vm);
  return vm.state;
}

test("a QEMU that runs may be resized", () => {
  expect(mayResize(ready())).toBe(true);
});

test.for<[string, (state: VmState) => VmState]>([
  ["nothing is known", (state) => ({ ...state, facts: null })],
  ["QEMU is lost", (state) => ({ ...state, hypervisorProblem: "QMP connection lost" })],
  ["its configuration can't work", (state) => ({ ...state, refusal: "bounds below base" })],
  [
    "it is paused",
    (state) =>
      state.facts === null ? state : { ...state, facts: { ...state.facts, runState: "paused" } },
  ],
  ["its monitor is another's", (state) => ({ ...state, identity: "mismatched" })],
])("not when %s", ([, spoil]) => {
  expect(mayResize(spoil(ready()))).toBe(false);
});
