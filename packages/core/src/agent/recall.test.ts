// What a VM gives of what it is asked for, and what it keeps that lies on no grid. Against the scripted world of testing/rig.ts.
import { expect, test } from "vitest";
import { MIB, Rig, size } from "./testing/rig.ts";

test("a monitor that refuses what the node asks back is asked for what its VM does not want itself", () => {
  const rig = new Rig(size(8, 2816));
  const [giver, waiter] = [rig.add(), rig.add()];
  for (const [vm, mib] of [
    [giver, 1664],
    [waiter, 1152],
  ] as const) {
    rig.attach(vm);
    rig.connect(vm);
    rig.run(50);
    rig.wish(vm, 1, mib);
  }
  rig.run(3_000);
  expect([giver.actual, waiter.actual]).toEqual([size(1, 1664), size(1, 1152)]);
  giver.monitor.consent = ({ mem }) => ({ Ok: mem >= 1536 * MIB, Status: "in use below" });
  rig.wish(waiter, 1, 2048);
  rig.wish(giver, 1, 1536);
  rig.run(60_000);
  expect(giver.state.recall?.memBytes).toBe(1408 * MIB);
  expect([giver.actual, waiter.actual]).toEqual([size(1, 1536), size(1, 1280)]);
});

test("half a wish does not round up the memory that is held off the grid", () => {
  const rig = new Rig(size(8, 8192));
  const vm = rig.add();
  vm.setDevice({ sizeBytes: 500 * MIB, requestedBytes: 500 * MIB });
  rig.attach(vm);
  rig.connect(vm);
  rig.run(50);
  rig.wish(vm, 2, 0);
  rig.run(3_000);
  expect(vm.state.want).toEqual(size(2, 1012));
  expect([vm.actual, vm.memoryCommands]).toEqual([size(2, 1012), []]);
});

test("memory that nobody named and the node asked back is not taken up again", () => {
  const rig = new Rig(size(8, 2560));
  const [giver, waiter] = [rig.add(), rig.add()];
  giver.setDevice({ sizeBytes: 1024 * MIB, requestedBytes: 1024 * MIB });
  for (const vm of [giver, waiter]) {
    rig.attach(vm);
    rig.connect(vm);
  }
  rig.run(50);
  rig.wish(giver, 2, 0);
  rig.wish(waiter, 1, 2048);
  rig.run(60_000);
  expect([giver.actual, waiter.actual]).toEqual([size(2, 1280), size(1, 1280)]);
  rig.wish(waiter, 1, 512);
  rig.run(60_000);
  expect(waiter.actual).toEqual(size(1, 512));
  expect(giver.actual).toEqual(size(2, 1280));
  rig.wish(giver, 2, 1536);
  rig.run(3_000);
  rig.wish(giver, 1, 0);
  rig.run(60_000);
  expect(giver.state.level?.size).toEqual(size(1, 1536)); // it was named before
});
