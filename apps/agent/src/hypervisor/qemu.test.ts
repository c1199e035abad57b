import { expect, test, vi } from "vitest";
import { QmpCommandError } from "@selfscale/qmp";
import {
  BASE_BYTES,
  BLOCK_BYTES,
  DEVICE_BYTES,
  MIB,
  startQemu,
  type TestQemu,
} from "../testing/qemu.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { type DeviceChoice } from "./device-choice.ts";
import { Qemu } from "./qemu.ts";

vi.setConfig(PATIENT);

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const ONLY_ONE: DeviceChoice = { kind: "only-one" };
const NONE: DeviceChoice = { kind: "none" };
const never = new AbortController().signal;

function attach(qemu: TestQemu, memoryDevice = ONLY_ONE, signal = never): Promise<Qemu> {
  const address = { kind: "unix", path: qemu.socket } as const;
  return Qemu.attach({ address, memoryDevice, greetingMs: 2_000, commandMs: 5_000 }, signal);
}

test("reads the facts of a QEMU that is stopped at its first instruction", async () => {
  const qemu = await attach(await startQemu({ uuid: UUID, isStopped: true }));
  const facts = await qemu.observe();
  expect(facts).toEqual({
    process: `${UUID}:${facts.threadId}`,
    uuid: UUID,
    runState: "prelaunch",
    baseMemBytes: BASE_BYTES,
    memoryDevice: {
      sizeBytes: 0,
      requestedBytes: 0,
      maxBytes: DEVICE_BYTES,
      blockBytes: BLOCK_BYTES,
    },
    vcpusPlugged: 1,
    vcpusMax: 4,
    threadId: facts.threadId,
  });
  expect(facts.threadId).toBeGreaterThan(0);
  qemu.close();
});

test("an all-zero UUID is none", async () => {
  const qemu = await attach(await startQemu());
  expect(await qemu.observe()).toMatchObject({ uuid: null, runState: "running" });
  qemu.close();
});

test("requested moves at once; without a guest size stays 0", async () => {
  const started = await startQemu();
  const qemu = await attach(started);
  await qemu.observe();
  await qemu.setRequested(256 * MIB);
  const { memoryDevice } = await qemu.observe();
  expect(memoryDevice).toMatchObject({ requestedBytes: 256 * MIB, sizeBytes: 0 });
  qemu.close();
});

test.for([
  { name: "not whole blocks", bytes: 5, problem: /multiples of 'block-size'/ },
  {
    name: "more than the device holds",
    bytes: DEVICE_BYTES + BLOCK_BYTES,
    problem: /backend size/,
  },
])("QEMU refuses a requested size: $name", async ({ bytes, problem }) => {
  const qemu = await attach(await startQemu());
  await qemu.observe();
  const error: unknown = await qemu.setRequested(bytes).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(QmpCommandError);
  expect(String(error)).toMatch(problem);
  expect(await qemu.observe()).toMatchObject({ memoryDevice: { requestedBytes: 0 } });
  qemu.close();
});

test.for<{ name: string; devices: readonly string[]; choice: DeviceChoice; problem: string }>([
  {
    name: "several and none chosen",
    devices: ["vm0", "vm1"],
    choice: ONLY_ONE,
    problem: "QEMU has several virtio-mem devices (vm0, vm1): name one as memoryDevice",
  },
  {
    name: "the chosen one is not there",
    devices: ["vm0", "vm1"],
    choice: { kind: "named", id: "vm7" },
    problem: "memoryDevice is vm7, but QEMU has vm0, vm1",
  },
  {
    name: "one is chosen and there is none",
    devices: [],
    choice: { kind: "named", id: "vm0" },
    problem: "memoryDevice is vm0, but QEMU has no virtio-mem device",
  },
])("says what is wrong with the memory device: $name", async ({ devices, choice, problem }) => {
  const qemu = await attach(await startQemu({ devices }), choice);
  await expect(qemu.observe()).rejects.toThrow(problem);
  qemu.close();
});

test("a named device moves alone, and what others hold counts as base", async () => {
  const started = await startQemu({ devices: ["vm0", "vm1"], dimmMib: 128 });
  const qemu = await attach(started, { kind: "named", id: "vm1" });
  await qemu.observe();
  await qemu.setRequested(64 * MIB);
  expect(await qemu.observe()).toMatchObject({
    baseMemBytes: BASE_BYTES + 128 * MIB,
    memoryDevice: { requestedBytes: 64 * MIB },
  });
  const devices = await started.qmp.execute("query-memory-devices", {});
  const requested = devices.map(
    ({ data }) => (data as { "requested-size"?: number })["requested-size"],
  );
  expect(requested.toSorted()).toEqual([0, 64 * MIB, undefined]);
  qemu.close();
});

test.for([
  { name: "by choice", devices: ["vm0"], choice: NONE },
  { name: "for want of a device", devices: [], choice: ONLY_ONE },
])("memory is fixed $name", async ({ devices, choice }) => {
  const qemu = await attach(await startQemu({ devices }), choice);
  expect(await qemu.observe()).toMatchObject({
    baseMemBytes: BASE_BYTES,
    memoryDevice: null,
  });
  await expect(qemu.setRequested(0)).rejects.toThrow("no virtio-mem device to resize");
  qemu.close();
});

test("vCPUs are plugged lowest id first, never twice, and never beyond what there is", async () => {
  const started = await startQemu();
  const qemu = await attach(started);
  await qemu.plugCpus(3);
  expect(await qemu.observe()).toMatchObject({ vcpusPlugged: 3, vcpusMax: 4 });
  await qemu.plugCpus(2); // already there
  await qemu.plugCpus(9);
  expect(await qemu.observe()).toMatchObject({ vcpusPlugged: 4 });
  const cpus = await started.qmp.execute("query-cpus-fast", {});
  const sockets = cpus
    .toSorted((a, b) => a["cpu-index"] - b["cpu-index"])
    .map(({ props }) => props?.["socket-id"]);
  expect(sockets).toEqual([0, 1, 2, 3]);
  const paths = cpus.map((cpu) => cpu["qom-path"]).filter((path) => path.includes("selfscale"));
  expect(paths.toSorted()).toEqual([1, 2, 3].map((n) => `/machine/peripheral/selfscale-cpu-${n}`));
  qemu.close();
});

test("another client may plug in between; the next free one is taken", async () => {
  const started = await startQemu();
  const qemu = await attach(started);
  const slots = await started.qmp.execute("query-hotpluggable-cpus", {});
  const lowest = slots.findLast((slot) => slot["qom-path"] === null);
  if (lowest === undefined) throw new Error("QEMU has no free slot");
  await started.qmp.execute("device_add", { driver: lowest.type, id: "theirs", ...lowest.props });
  await qemu.plugCpus(3);
  expect(await qemu.observe()).toMatchObject({ vcpusPlugged: 3 });
  qemu.close();
});

test("tells of a stop, and reads the run state anew", async () => {
  const started = await startQemu();
  const qemu = await attach(started);
  const seen: string[] = [];
  qemu.onNews((event) => seen.push(event.name));
  await started.qmp.execute("stop", {});
  await until("the STOP event", () => seen.includes("STOP"));
  expect(await qemu.observe()).toMatchObject({ runState: "paused" });
  qemu.close();
});

test("a killed QEMU ends the connection; the next one is another process", async () => {
  const first = await startQemu({ uuid: UUID });
  const before = await attach(first);
  const { process } = await before.observe();
  await first.end();
  expect(await before.closed).toMatchObject({ reason: "ended-by-peer" });
  await expect(attach(first)).rejects.toMatchObject({ reason: "refused" });

  const second = await startQemu({ uuid: UUID, socket: first.socket });
  const after = await attach(second);
  expect((await after.observe()).process).not.toBe(process);
  after.close();
});

test("a signal that aborts ends the session, and what was under way is lost", async () => {
  const stop = new AbortController();
  const qemu = await attach(await startQemu(), ONLY_ONE, stop.signal);
  const observing = qemu.observe();
  stop.abort();
  await expect(observing).rejects.toMatchObject({ name: "QmpLostError" });
  expect((await qemu.closed).reason).toBe("closed-here");
  await expect(qemu.observe()).rejects.toThrow("closed here");
});
