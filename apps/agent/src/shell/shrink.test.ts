// Shrinking needs a guest that gives memory back; this one is scripted, everything else is real.
import { expect, test, vi } from "vitest";
import { startFleet, vmConfig } from "../testing/fleet.ts";
import { startGuest } from "../testing/guest.ts";
import { MIB } from "../testing/qemu.ts";
import { startScriptedQemu } from "../testing/scripted-qemu.ts";
import { PATIENT, until } from "../testing/wait.ts";

vi.setConfig(PATIENT);

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

async function startVm(pluggedMib: number) {
  const qemu = await startScriptedQemu(UUID, pluggedMib * MIB);
  const guest = await startGuest({ uuid: UUID });
  const place = { name: "pg-1", socket: qemu.socket, url: guest.monitor.url };
  const { fleet, lines } = startFleet([vmConfig(place)]);
  const requestsMib = () => qemu.requests.map((bytes) => bytes / MIB);
  const consents = () => lines.filter(({ reason }) => reason === "consent-given").length;
  const actualMib = () => (fleet.status().vms[0]?.actual?.memBytes ?? 0) / MIB;
  return { qemu, guest, fleet, requestsMib, consents, actualMib };
}

test("goes down slice by slice, each with its consent in the log", async () => {
  const { guest, requestsMib, consents } = await startVm(896);
  await guest.wish(1, 128);
  await until("all of it", () => requestsMib().at(-1) === 0);
  expect(requestsMib()).toEqual([640, 384, 128, 0]);
  expect(consents()).toBe(4);
});

/** A shrink that the guest has met by half: 896 MiB were plugged, 640 are asked for, 768 are left. */
async function startHalfShrink() {
  const vm = await startVm(896);
  vm.qemu.isObedient = false;
  await vm.guest.wish(1, 128);
  await until("the first slice", () => vm.requestsMib().length === 1);
  vm.qemu.sizeBytes = 768 * MIB;
  await until("the agent to see it", () => vm.actualMib() === 128 + 768);
  return vm;
}

test("an agent that stops in the middle settles on what the guest has", async () => {
  const { fleet, qemu, requestsMib } = await startHalfShrink();
  await fleet.stop();
  expect(requestsMib()).toEqual([640, 768]);
  expect(qemu.sizeBytes / MIB).toBe(768);
});

test("a monitor that goes in the middle settles it too", async () => {
  const { guest, requestsMib, consents } = await startHalfShrink();
  guest.monitor.connections[0]?.socket.terminate();
  await until("the settling", () => requestsMib().length === 2);
  expect(requestsMib()).toEqual([640, 768]);
  expect(consents()).toBe(1);
});

test("what is found unplugging at the start is settled first", async () => {
  const qemu = await startScriptedQemu(UUID, 512 * MIB);
  qemu.requestedBytes = 256 * MIB;
  qemu.isObedient = false;
  const guest = await startGuest({ uuid: UUID });
  startFleet([vmConfig({ name: "pg-1", socket: qemu.socket, url: guest.monitor.url })]);
  await until("the settling", () => qemu.requests.length > 0);
  expect(qemu.requests).toEqual([512 * MIB]);
});
