import { expect, test } from "vitest";
import { allocationFromSize, checkTarget, sizeFromAllocation } from "./allocation.ts";

test.for([
  { cpu: 0.25, milliCpu: 250 },
  { cpu: 0.35000000000000003, milliCpu: 350 }, // as a deployed agent prints 350m
  { cpu: 0.0005, milliCpu: 1 }, // half up
  { cpu: 1e-7, milliCpu: 1 }, // something is never nothing
  { cpu: 1.0005, milliCpu: 1001 },
  { cpu: 1024, milliCpu: 1_024_000 },
])("$cpu vCPUs are $milliCpu milli", ({ cpu, milliCpu }) => {
  expect(sizeFromAllocation({ cpu, mem: 7 })).toEqual({ milliCpu, memBytes: 7 });
});

test("every milli-vCPU survives the wire", () => {
  for (let milliCpu = 1; milliCpu <= 1_024_000; milliCpu++) {
    const allocation = allocationFromSize({ milliCpu, memBytes: 1 });
    if (sizeFromAllocation(allocation).milliCpu !== milliCpu) expect.fail(`${milliCpu}`);
  }
});

test.for([
  { name: "a size", cpu: 1.5, mem: 1024, want: { milliCpu: 1500, memBytes: 1024 } },
  { name: "zeros", cpu: 0, mem: 0, want: { milliCpu: null, memBytes: null } },
  { name: "negatives", cpu: -1, mem: -1, want: { milliCpu: null, memBytes: null } },
  { name: "2^60 bytes", cpu: 1, mem: 2 ** 60, want: { milliCpu: 1000, memBytes: null } },
  { name: "2^53 bytes", cpu: 1, mem: 2 ** 53, want: { milliCpu: 1000, memBytes: null } },
  { name: "2^53-1", cpu: 1, mem: 2 ** 53 - 1, want: { milliCpu: 1000, memBytes: 2 ** 53 - 1 } },
  { name: "half a byte", cpu: 1, mem: 1.5, want: { milliCpu: 1000, memBytes: null } },
  { name: "1024 vCPUs", cpu: 1024, mem: 1, want: { milliCpu: 1_024_000, memBytes: 1 } },
  { name: "more", cpu: 1024.001, mem: 1, want: { milliCpu: null, memBytes: 1 } },
  { name: "too little CPU", cpu: 0.0004, mem: 1, want: { milliCpu: null, memBytes: 1 } },
  { name: "NaN", cpu: NaN, mem: NaN, want: { milliCpu: null, memBytes: null } },
  { name: "Infinity", cpu: Infinity, mem: Infinity, want: { milliCpu: null, memBytes: null } },
])("a target of $name", ({ cpu, mem, want }) => {
  expect(checkTarget({ cpu, mem })).toEqual(want);
});
