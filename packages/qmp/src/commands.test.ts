import { expect, test } from "vitest";
import { isVirtioMem, QMP_COMMANDS } from "./commands.ts";

const virtioMem = {
  type: "virtio-mem",
  data: {
    memdev: "/objects/vmem0",
    memaddr: 4294967296,
    "block-size": 2097152,
    size: 0,
    node: 0,
    "max-size": 2147483648,
    "requested-size": 0,
    id: "vm0",
  },
};
const dimm = { type: "dimm", data: { id: "dimm1", size: 134217728 } };
const memoryDevices = QMP_COMMANDS["query-memory-devices"].gives;

test("a virtio-mem device is read, others are passed through", () => {
  const [first, second] = memoryDevices.parse([virtioMem, dimm]);
  expect(first && isVirtioMem(first) && first.data["requested-size"]).toBe(0);
  expect(second).toEqual(dimm);
  expect(second && isVirtioMem(second)).toBe(false);
});

test.for([
  { name: "without a size", data: { ...virtioMem.data, size: null } },
  { name: "with a negative size", data: { ...virtioMem.data, size: -1 } },
  { name: "with a size that a number cannot hold", data: { ...virtioMem.data, size: 2 ** 60 } },
  { name: "with blocks of nothing", data: { ...virtioMem.data, "block-size": 0 } },
])("a virtio-mem device $name is not mistaken for another kind", ({ data }) => {
  expect(memoryDevices.safeParse([{ type: "virtio-mem", data }]).success).toBe(false);
});

test("the place of a CPU is kept whole, with fields of a newer QEMU", () => {
  const props = { "core-id": 0, "module-id": 1, entitlement: "auto" };
  const slot = { type: "host-x86_64-cpu", "vcpus-count": 1, props };
  const [read] = QMP_COMMANDS["query-hotpluggable-cpus"].gives.parse([slot]);
  expect(read).toEqual({ ...slot, "qom-path": null });
});

test("fields of a newer QEMU do no harm", () => {
  const status = { running: true, status: "running", mood: "good" };
  expect(QMP_COMMANDS["query-status"].gives.parse(status)).toEqual({
    running: true,
    status: "running",
  });
});
