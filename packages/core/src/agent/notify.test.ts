// What a monitor hears of memory and CPU that come and stay. A version-1 monitor makes itself smaller when it agrees to a
// shrink, and grows back on an UpscaleNotification only: one that keeps its memory after all must hear so.
import { expect, test } from "vitest";
import { GIB, MIB, Rig, size, type RigVm } from "./testing/rig.ts";

/** 2 vCPU and 2560 MiB; it wants 1 vCPU and 512 MiB by a ScaleRequest, whichever version it speaks. */
function start(version: number): { rig: Rig; vm: RigVm } {
  const rig = new Rig();
  const vm = rig.add();
  vm.monitor.version = version;
  vm.setDevice({ sizeBytes: 2 * GIB, requestedBytes: 2 * GIB });
  rig.attach(vm);
  rig.connect(vm);
  return { rig, vm };
}

const granted = (vm: RigVm) =>
  vm
    .framesOf("UpscaleNotification")
    .map((frame) => (frame["content"] as { granted: { cpu: number; mem: number } }).granted)
    .map(({ cpu, mem }) => [cpu, mem / MIB]);

test("a shrink that goes well is no news, slice by slice", () => {
  const { rig, vm } = start(1);
  rig.wish(vm, 1, 512);
  rig.run(30_000);
  expect(vm.actual).toEqual(size(1, 512));
  expect(granted(vm)).toEqual([]);
});

test.for([
  { version: 1, want: [[1, 2460]] },
  { version: 2, want: [] }, // it reads it off the SizeReport
])("version $version, a slice that comes short: $want", ({ version, want }) => {
  const { rig, vm } = start(version);
  vm.unpluggableBytes = 2 * GIB - 100 * MIB;
  rig.wish(vm, 1, 512);
  rig.run(4_500);
  expect(vm.actual).toEqual(size(1, 2460));
  expect(granted(vm)).toEqual(want);
});

test.for([
  { version: 1, want: [[1, 2560]] },
  { version: 2, want: [] },
])("version $version, a consent that comes when it is no longer wanted: $want", (row) => {
  const { rig, vm } = start(row.version);
  vm.monitor.consent = () => null;
  rig.wish(vm, 1, 512);
  rig.run(100);
  const [question] = vm.framesOf("DownscaleRequest");
  rig.wish(vm, 1, 2560);
  rig.run(200);
  rig.say(vm, { type: "DownscaleResult", Ok: true, Status: "late", id: question?.id });
  rig.run(5_000);
  expect(vm.memoryCommands).toEqual([]);
  expect(granted(vm)).toEqual(row.want);
});

test.for([1, 2])("version %i, a refusal changes nothing that it knows", (version) => {
  const { rig, vm } = start(version);
  vm.monitor.consent = () => ({ Ok: false, Status: "no" });
  rig.wish(vm, 1, 512);
  rig.run(30_000);
  expect(granted(vm)).toEqual([]);
});

test.for([1, 2])("version %i, a CPU that is lent for unplugging is not told of", (version) => {
  const rig = new Rig();
  const vm = rig.add({ bounds: { min: size(0.25, 512), max: size(4, 2560) } });
  vm.monitor.version = version;
  vm.facts = { ...vm.facts, quotaMilliCpu: 250 };
  vm.setDevice({ sizeBytes: 1 * GIB, requestedBytes: 1 * GIB });
  const quotas: number[] = [];
  vm.watch = (action) => {
    if (action.kind === "set-quota") quotas.push(action.milliCpu);
  };
  rig.attach(vm);
  rig.connect(vm);
  rig.wish(vm, 0.25, 512);
  rig.run(30_000);
  expect(vm.actual).toEqual(size(0.25, 512));
  expect(quotas).toContain(1000);
  expect(granted(vm)).toEqual([]);
});
