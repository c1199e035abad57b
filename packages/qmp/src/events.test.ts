import { expect, test } from "vitest";
import { readEvent } from "./events.ts";

const timestamp = { seconds: 1795487844, microseconds: 559510 };

// Data as QEMU 7.2 wrote it, or as its schema gives it where it was not seen.
test.for([
  { name: "STOP", data: {}, want: {} },
  { name: "RESUME", data: {}, want: {} },
  { name: "POWERDOWN", data: {}, want: {} },
  {
    name: "RESET",
    data: { guest: true, reason: "guest-reset" },
    want: { guest: true, reason: "guest-reset" },
  },
  {
    name: "SHUTDOWN",
    data: { guest: false, reason: "host-qmp-quit" },
    want: { guest: false, reason: "host-qmp-quit" },
  },
  { name: "SHUTDOWN", data: { guest: true }, want: { guest: true, reason: null } },
  { name: "GUEST_PANICKED", data: { action: "pause" }, want: { action: "pause" } },
  {
    name: "DEVICE_DELETED",
    data: { device: "dimm1", path: "/machine/peripheral/dimm1" },
    want: { device: "dimm1", path: "/machine/peripheral/dimm1" },
  },
  {
    name: "DEVICE_DELETED",
    data: { path: "/machine/peripheral/cpu2/lapic" },
    want: { device: null, path: "/machine/peripheral/cpu2/lapic" },
  },
  {
    name: "DEVICE_UNPLUG_GUEST_ERROR",
    data: { device: "d", path: "/p" },
    want: { device: "d", path: "/p" },
  },
  {
    name: "MEM_UNPLUG_ERROR",
    data: { device: "dimm1", msg: "no" },
    want: { device: "dimm1", msg: "no" },
  },
  {
    name: "ACPI_DEVICE_OST",
    data: { info: { device: "cpu1", source: 1, status: 0, slot: "1", "slot-type": "CPU" } },
    want: { info: { device: "cpu1", source: 1, status: 0, slot: "1", "slot-type": "CPU" } },
  },
  {
    name: "MEMORY_DEVICE_SIZE_CHANGE",
    data: { id: "vm0", size: 268435456, "qom-path": "/machine/peripheral/vm0" },
    want: { id: "vm0", size: 268435456, "qom-path": "/machine/peripheral/vm0" },
  },
  { name: "BALLOON_CHANGE", data: { actual: 419430400 }, want: { actual: 419430400 } },
  { name: "MIGRATION", data: { status: "completed" }, want: { status: "completed" } },
])("$name is typed", ({ name, data, want }) => {
  expect(readEvent({ name, data, timestamp })).toEqual({
    known: true,
    name,
    data: want,
    timestamp,
  });
});

test.for([
  { name: "RTC_CHANGE", data: { offset: 78 } },
  { name: "toString", data: {} },
  { name: "__proto__", data: {} },
])("$name is passed through", ({ name, data }) => {
  expect(readEvent({ name, data, timestamp })).toEqual({
    known: false,
    name,
    data,
    timestamp,
    problem: null,
  });
});

test.for([
  { name: "RESET", data: {} },
  { name: "MEMORY_DEVICE_SIZE_CHANGE", data: { id: "vm0", size: -1, "qom-path": "/p" } },
  { name: "MEMORY_DEVICE_SIZE_CHANGE", data: { id: "vm0", size: 2 ** 60, "qom-path": "/p" } },
  { name: "BALLOON_CHANGE", data: { actual: "all" } },
])("$name with $data is passed through, with the problem", ({ name, data }) => {
  const event = readEvent({ name, data, timestamp });
  expect(event).toMatchObject({ known: false, name, data });
  expect(event).toHaveProperty("problem", expect.stringContaining("✖"));
});
