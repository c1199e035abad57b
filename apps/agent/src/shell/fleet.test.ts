import { expect, test, vi } from "vitest";
import { startFleet, size, vmConfig, QUICK, type LogLine } from "../testing/fleet.ts";
import { startGuest, type TestGuest } from "../testing/guest.ts";
import { startMonitor } from "../testing/monitor.ts";
import { MIB, startQemu, type TestQemu } from "../testing/qemu.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { type Fleet } from "./fleet.ts";

vi.setConfig(PATIENT);

const UUIDS = ["0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "11111111-2222-4333-8444-555555555555"];

type Vm = Readonly<{ name: string; qemu: TestQemu; guest: TestGuest }>;

async function startVm(index = 0, monitorUuid = UUIDS[index] ?? ""): Promise<Vm> {
  const qemu = await startQemu({ uuid: UUIDS[index] ?? "" });
  const guest = await startGuest({ uuid: monitorUuid });
  return { name: `vm-${index}`, qemu, guest };
}

const configOf = ({ name, qemu, guest }: Vm) =>
  vmConfig({ name, socket: qemu.socket, url: guest.monitor.url });

const statusOf = (fleet: Fleet, name: string) => {
  const found = fleet.status().vms.find((vm) => vm.name === name);
  if (found === undefined) throw new Error(`no VM ${name}`);
  return found;
};

async function requestedMib({ qmp }: TestQemu): Promise<number> {
  const [device] = await qmp.execute("query-memory-devices", {});
  return (device?.data as { "requested-size": number })["requested-size"] / MIB;
}

const reasonsOf = (lines: readonly LogLine[], vm: string) =>
  lines.filter((line) => line.vm === vm).map(({ reason }) => reason);

test("a wish becomes a requested size and plugged vCPUs", async () => {
  const vm = await startVm();
  const { fleet, lines } = startFleet([configOf(vm)]);
  await vm.guest.wish(2, 384);
  await until("the request", async () => (await requestedMib(vm.qemu)) === 256);
  await until("the vCPUs", () => statusOf(fleet, vm.name).actual?.milliCpu === 2000);
  const [response] = await until("an answer", () => {
    const found = vm.guest.framesOf("ScaleResponse");
    return found.length > 0 ? found : null;
  });
  expect(response?.content).toMatchObject({
    outcome: "accepted",
    permit: { cpu: 2, mem: 384 * MIB },
  });
  expect(statusOf(fleet, vm.name)).toMatchObject({
    mode: "compute-controlled",
    desired: size(2, 384),
    permit: size(2, 384),
    requested: size(2, 384),
    actual: size(2, 128), // there is no guest to plug it
    link: { state: "up", version: 2, identity: "proven" },
    problems: [],
  });
  expect(fleet.status().node).toMatchObject({ held: size(2, 384), isOvercommitted: false });
  expect(vm.guest.framesOf("SizeReport").length).toBeGreaterThan(0);
  const notified = () => vm.guest.framesOf("UpscaleNotification");
  await until("the notification", () => notified().length > 0);
  expect(notified().map(({ content }) => content["granted"])).toEqual([{ cpu: 2, mem: 128 * MIB }]);
  expect(reasonsOf(lines, vm.name)).toEqual(
    expect.arrayContaining(["hypervisor-attached", "link-up", "mode-changed", "resize-begun"]),
  );
});

test("what the node has no room for waits, and comes when another gives it back", async () => {
  const [first, second] = await Promise.all([startVm(0), startVm(1)]);
  const { fleet } = startFleet([configOf(first), configOf(second)], {
    capacity: size(4, 768),
    timers: { plugMs: 200, retryMinMs: 100 }, // no guest will ever plug: give up on it soon
  });
  await first.guest.wish(1, 512);
  await until("the first", async () => (await requestedMib(first.qemu)) === 384);
  await second.guest.wish(1, 512);
  await until("a part for the second", async () => (await requestedMib(second.qemu)) === 128);
  expect(statusOf(fleet, second.name)).toMatchObject({ reason: "node-full", permit: size(1, 256) });
  const answers = second.guest.framesOf("ScaleResponse").map(({ content }) => content["outcome"]);
  expect(answers).toEqual(["deferred"]);

  // Nothing was plugged, so taking the request back needs no consent of the first guest's.
  await first.guest.wish(1, 128);
  await until("the rest", async () => (await requestedMib(second.qemu)) === 384);
  expect(await requestedMib(first.qemu)).toBe(0);
});

test("a monitor of another VM resizes nothing", async () => {
  const vm = await startVm(0, UUIDS[1]);
  const { fleet, lines } = startFleet([configOf(vm)]);
  await vm.guest.wish(4, 1024);
  await until("the answer", () => vm.guest.framesOf("ScaleResponse").length > 0);
  expect(await requestedMib(vm.qemu)).toBe(0);
  expect(statusOf(fleet, vm.name)).toMatchObject({
    actual: size(1, 128),
    reason: "stuck",
    link: { identity: "mismatched" },
  });
  expect(reasonsOf(lines, vm.name)).toContain("identity-mismatch");
});

test("a killed QEMU is said once and harms no other VM; the next one is managed again", async () => {
  const [first, second] = await Promise.all([startVm(0), startVm(1)]);
  const { fleet, lines } = startFleet([configOf(first), configOf(second)]);
  await first.guest.wish(1, 512);
  await until("the first", async () => (await requestedMib(first.qemu)) === 384);
  const heldMib = () => fleet.status().node.held.memBytes / MIB;
  await until("the node to count it", () => heldMib() === 512 + 128);

  await first.qemu.end();
  await until("the loss", () => statusOf(fleet, first.name).reason === "stuck");
  await until("its room to be free", () => heldMib() === 128 + 128);
  const attempts = statusOf(fleet, first.name).counters.steps;
  await until("more attempts", () => statusOf(fleet, first.name).counters.steps > attempts + 5);
  const losses = reasonsOf(lines, first.name).filter((reason) => reason === "hypervisor-lost");
  expect(losses.length).toBeLessThanOrEqual(2); // that it ended, and that nobody listens
  await second.guest.wish(2, 256);
  await until("the second", async () => (await requestedMib(second.qemu)) === 128);

  const reborn = await startQemu({ uuid: UUIDS[0] ?? "", socket: first.qemu.socket });
  await until("the new one", () => reasonsOf(lines, first.name).includes("new-process"));
  await until("its own link", () => first.guest.monitor.connections.length === 2);
  await first.guest.wish(1, 256);
  await until("its request", async () => (await requestedMib(reborn)) === 128);
});

test("a QEMU that hangs is a typed loss; when it wakes up it is managed again", async () => {
  const vm = await startVm();
  const shellTimers = { ...QUICK, qmpCommandMs: 200, qmpGreetingMs: 200 };
  const { fleet } = startFleet([configOf(vm)], { shellTimers });
  await until("the attach", () => statusOf(fleet, vm.name).reason !== "stuck");
  vm.qemu.kill("SIGSTOP");
  const problem = () => statusOf(fleet, vm.name).problems.join();
  await until("the timeout", () => problem().includes("nothing within 200 ms"));
  expect(statusOf(fleet, vm.name)).toMatchObject({ reason: "stuck", actual: size(1, 128) });
  expect(fleet.status().node.held).toEqual(size(1, 128)); // hanging is not gone
  vm.qemu.kill("SIGCONT");
  await until("the return", () => statusOf(fleet, vm.name).reason !== "stuck");
});

test("a paused QEMU is told nothing until it runs", async () => {
  const vm = await startVm();
  await vm.qemu.qmp.execute("stop", {});
  const { fleet } = startFleet([configOf(vm)]);
  await vm.guest.wish(1, 512);
  await until("the wish", () => statusOf(fleet, vm.name).desired?.memBytes === 512 * MIB);
  expect(statusOf(fleet, vm.name).reason).toBe("paused");
  expect(await requestedMib(vm.qemu)).toBe(0);
  await vm.qemu.qmp.execute("cont", {});
  await until("the request", async () => (await requestedMib(vm.qemu)) === 384);
});

test("nonsense from one monitor costs that link, and no other VM", async () => {
  const [bad, good] = await Promise.all([startVm(0), startVm(1)]);
  const garbage = await startMonitor(({ socket, frames }) => {
    if (frames.length === 1) socket.send(JSON.stringify({ version: 2, vm: UUIDS[0] }));
    for (let n = 0; n < 30; n += 1) socket.send("not json");
  });
  const badConfig = { ...configOf(bad), monitorUrl: garbage.url };
  const { fleet, lines } = startFleet([badConfig, configOf(good)]);
  await until("a lost link", () => reasonsOf(lines, bad.name).includes("link-down"));
  await until("many more", () => statusOf(fleet, bad.name).counters.dials > 10);
  // Hundreds of frames, said once and then rarely.
  expect(lines.filter((line) => line.vm === bad.name).length).toBeLessThan(40);
  await good.guest.wish(2, 256);
  await until("the good one", async () => (await requestedMib(good.qemu)) === 128);
  expect(await requestedMib(bad.qemu)).toBe(0);
});

test("without QEMU and without a monitor: what is missing is said once, however often tried", async () => {
  const monitor = await startMonitor();
  await monitor.close();
  const { fleet, lines } = startFleet([
    vmConfig({ name: "vm-0", socket: "/nowhere/qmp", url: monitor.url }),
  ]);
  await until("retries", () => statusOf(fleet, "vm-0").counters.dials > 6);
  await until("retries", () => statusOf(fleet, "vm-0").counters.steps > 12);
  expect(lines.map((line) => line.msg)).toEqual(
    expect.arrayContaining(["the monitor can't be reached"]),
  );
  expect(lines).toHaveLength(2);
  expect(statusOf(fleet, "vm-0")).toMatchObject({ actual: null, mode: "held", reason: "stuck" });
  expect(statusOf(fleet, "vm-0").problems.join()).toMatch(/nowhere.*ECONNREFUSED/s);
});

test("stopping lets go and touches no size", async () => {
  const vm = await startVm();
  const { fleet } = startFleet([configOf(vm)]);
  await vm.guest.wish(1, 512);
  await until("the request", async () => (await requestedMib(vm.qemu)) === 384);
  await fleet.stop();
  const connection = vm.guest.monitor.connections[0];
  expect(await until("the close", () => connection?.ended())).toMatchObject({ code: 1001 });
  expect(await requestedMib(vm.qemu)).toBe(384);
});
