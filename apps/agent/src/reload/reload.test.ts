// A fleet that goes over to another configuration: real QEMU, real sockets.
import fs from "node:fs";
import { AGENT_TIMERS } from "@selfscale/core";
import { expect, test, vi } from "vitest";
import { loadConfig, type AgentConfig, type VmConfig } from "../config/load.ts";
import { GOOD, writeConfig } from "../testing/config-file.ts";
import { memoryLog, nodeOf, QUICK, size, startFleet, vmConfig } from "../testing/fleet.ts";
import { startGuest } from "../testing/guest.ts";
import { MIB, startQemu } from "../testing/qemu.ts";
import { startScriptedQemu } from "../testing/scripted-qemu.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { type ReloadPlan } from "./plan.ts";
import { Reloader } from "./reloader.ts";

vi.setConfig(PATIENT);

const UUIDS = ["0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "11111111-2222-4333-8444-555555555555"];

const configOf = (vms: readonly VmConfig[], overrides: Partial<AgentConfig> = {}): AgentConfig => ({
  ...nodeOf(size(16, 16_384)),
  vms,
  statusSocket: "/nowhere",
  logLevel: "info",
  sliceBytes: 256 * MIB,
  timers: AGENT_TIMERS,
  shellTimers: QUICK,
  ...overrides,
});

async function startVm(index: number) {
  const uuid = UUIDS[index] ?? "";
  const [qemu, guest] = [await startQemu({ uuid }), await startGuest({ uuid })];
  const name = `vm-${index}`;
  const config = vmConfig({ name, socket: qemu.socket, url: guest.monitor.url });
  const requestedMib = async () => {
    const [device] = await qemu.qmp.execute("query-memory-devices", {});
    return (device?.data as { "requested-size": number })["requested-size"] / MIB;
  };
  return { qemu, guest, config, name, requestedMib };
}

const withMax = (vm: VmConfig, mib: number): VmConfig => {
  const bounds = { min: size(1, 128), max: size(4, mib) };
  return { ...vm, spec: { ...vm.spec, bounds } };
};
const named = (vm: VmConfig, name: string) => ({ ...vm, spec: { ...vm.spec, name } });

test("bounds, slice and timers change live: the link stays, and the size follows", async () => {
  const { guest, config, name, requestedMib } = await startVm(0);
  const { fleet } = startFleet([withMax(config, 384)]);
  await guest.wish(1, 1024);
  await until("the old bounds", async () => (await requestedMib()) === 256);
  const plan = fleet.reload(
    configOf([withMax(config, 640)], { timers: { ...AGENT_TIMERS, healthCheckMs: 100 } }),
  );
  expect(plan.changes).toEqual(["timers (live)", `${name}: bounds (live)`]);
  await until("the new bounds", async () => (await requestedMib()) === 512);
  const checks = guest.framesOf("HealthCheck").length;
  await until("checks by the new timer", () => guest.framesOf("HealthCheck").length > checks + 5);
  expect(guest.monitor.connections).toHaveLength(1);
  expect(fleet.status().vms[0]?.counters.attaches).toBe(1);
});

test("one VM is added, another removed without touching it, a third never hears of it", async () => {
  const [first, second] = await Promise.all([startVm(0), startVm(1)]);
  const { fleet } = startFleet([first.config]);
  await first.guest.wish(1, 512);
  await until("the first", async () => (await first.requestedMib()) === 384);
  fleet.reload(configOf([first.config, second.config]));
  await second.guest.wish(1, 256);
  await until("the second", async () => (await second.requestedMib()) === 128);
  expect(fleet.names()).toEqual(["vm-0", "vm-1"]);
  fleet.reload(configOf([second.config]));
  await until("the hang-up", () =>
    first.guest.monitor.connections.every((one) => one.ended() !== null),
  );
  expect(await first.requestedMib()).toBe(384);
  expect(fleet.runner("vm-0")).toBeNull();
  // It runs on, and what it holds is nobody else's.
  const { node } = fleet.status();
  expect(node.held).toEqual(size(2, 768));
  expect(node.leaving).toMatchObject([{ vm: "vm-0", held: size(1, 512) }]);
  first.qemu.kill("SIGKILL");
  await until("its QEMU is missed", () => fleet.status().node.leaving.length === 0);
  expect(fleet.status().node.held).toEqual(size(1, 256));
  expect(second.guest.monitor.connections).toHaveLength(1);
});

test("one that was taken out and comes back under another name is not counted twice", async () => {
  const { config, guest, requestedMib } = await startVm(0);
  const { fleet } = startFleet([config]);
  await guest.wish(1, 512);
  await until("its size", async () => (await requestedMib()) === 384);
  fleet.reload(configOf([]));
  await until("it is looked for", () => guest.monitor.connections.every((one) => one.ended()));
  expect(fleet.status().node.leaving).toMatchObject([{ vm: "vm-0" }]);
  fleet.reload(configOf([named(config, "pg-9")]));
  expect(fleet.status().node).toMatchObject({ held: size(1, 512), leaving: [] });
  await until("it is met again", () => fleet.status().vms[0]?.actual !== null);
  expect(fleet.status().node).toMatchObject({ held: size(1, 512), leaving: [] });
});

test("an agent that stops right after a VM was taken out leaves nothing that keeps it alive", async () => {
  const { config, guest, requestedMib } = await startVm(0);
  const timers = () => process.getActiveResourcesInfo().filter((one) => one === "Timeout").length;
  const before = timers();
  const { fleet } = startFleet([config]);
  await guest.wish(1, 512);
  await until("its size", async () => (await requestedMib()) === 384);
  fleet.reload(configOf([]));
  await fleet.stop();
  await until("its timers are over", () => timers() <= before);
});

test("a changed address restarts that VM's loop only; what it held stays claimed meanwhile", async () => {
  const [first, second] = await Promise.all([startVm(0), startVm(1)]);
  const { fleet } = startFleet([first.config, second.config]);
  await first.guest.wish(1, 512);
  await second.guest.wish(1, 512);
  await until("both", () => fleet.status().node.held.memBytes === 1024 * MIB);
  const moved = await startGuest({ uuid: UUIDS[0] ?? "" });
  const { changes } = fleet.reload(
    configOf([{ ...first.config, monitorUrl: moved.monitor.url }, second.config]),
  );
  expect(changes).toEqual(["vm-0: monitor (its loop starts anew)"]);
  expect(fleet.status().node.held.memBytes).toBe(1024 * MIB);
  await moved.wish(1, 640);
  await until("its next size", async () => (await first.requestedMib()) === 512);
  expect(second.guest.monitor.connections).toHaveLength(1);
});

test("a VM under another name keeps its size and the operator's orders", async () => {
  const { config, guest, requestedMib } = await startVm(0);
  const { fleet } = startFleet([config]);
  await guest.wish(1, 512);
  await until("its size", async () => (await requestedMib()) === 384);
  const until30 = performance.now() + 1_800_000;
  await fleet.runner("vm-0")?.order({
    ...{ kind: "operator-floor", floor: size(1, 256), until: until30 },
  });
  expect(fleet.reload(configOf([named(config, "pg-9")])).changes).toEqual(["pg-9: was vm-0"]);
  await until("its link", () => fleet.status().vms[0]?.link.state === "up");
  await until("its QEMU to be read", () => fleet.status().node.held.memBytes === 512 * MIB);
  // The new loop tells the guest's driver once more: one block less first, or it would not listen.
  await until("its size", async () => (await requestedMib()) === 384);
  expect(fleet.status().vms[0]).toMatchObject({
    name: "pg-9",
    operator: { floor: { size: size(1, 256) } },
  });
});

test("a VM that is taken out in the middle of a shrink is settled on what the guest has", async () => {
  const qemu = await startScriptedQemu(UUIDS[0] ?? "", 896 * MIB);
  const guest = await startGuest({ uuid: UUIDS[0] ?? "" });
  const vm = vmConfig({ name: "pg-1", socket: qemu.socket, url: guest.monitor.url });
  const { fleet } = startFleet([vm]);
  qemu.isObedient = false;
  await guest.wish(1, 128);
  await until("the first slice", () => qemu.requests.length === 1);
  qemu.sizeBytes = 768 * MIB;
  await until("the agent to see it", () => {
    return fleet.status().vms[0]?.actual?.memBytes === (128 + 768) * MIB;
  });
  fleet.reload(configOf([named(vm, "pg-2")]));
  await until("the settling", () => qemu.requests.length > 1);
  expect(qemu.requests.slice(0, 2).map((bytes) => bytes / MIB)).toEqual([640, 768]);
});

test("reloads in a row end with the last one, and nothing is left behind", async () => {
  const { config, guest } = await startVm(0);
  const { fleet } = startFleet([config]);
  await until("the link", () => fleet.status().vms[0]?.link.state === "up");
  for (const name of ["a", "b", "c"]) fleet.reload(configOf([named(config, name)]));
  await until("the last", () => fleet.status().vms[0]?.link.state === "up");
  expect(fleet.names()).toEqual(["c"]);
  await fleet.stop();
  await until("every hang-up", () => {
    return guest.monitor.connections.every((connection) => connection.ended() !== null);
  });
});

test("the level of the log changes live, in every VM's lines", async () => {
  const { config } = await startVm(0);
  const { fleet, lines } = startFleet([config]);
  fleet.reload(configOf([config], { logLevel: "debug" }));
  await until("steps", () => lines.some(({ msg, vm }) => msg === "step" && vm === "vm-0"));
});

test("a bad file changes nothing and is said; a good one is", () => {
  const { file } = writeConfig(GOOD);
  const { log, lines } = memoryLog();
  const applied: AgentConfig[] = [];
  const plan: ReloadPlan = {
    ended: [],
    begun: [],
    removed: [],
    changes: ["x"],
    needRestart: ["socket"],
  };
  const apply = (config: AgentConfig) => {
    applied.push(config);
    return plan;
  };
  const reloader = new Reloader({ file, log, load: loadConfig, apply });
  fs.writeFileSync(file, GOOD.replace("cpu: 4,", "cpu: -4,"));
  reloader.reload("SIGHUP");
  expect(applied).toEqual([]);
  expect(reloader.status).toMatchObject({ reloads: 0, reloadsFailed: 1, needRestart: [] });
  expect(reloader.status.problem).toContain("agent.yaml:1: node.cpu: got -4");
  expect(lines.at(-1)).toMatchObject({ level: "error", why: "SIGHUP" });
  fs.writeFileSync(file, GOOD);
  reloader.reload("the file changed");
  expect(applied).toHaveLength(1);
  expect(reloader.status).toMatchObject({
    ...{ reloads: 1, reloadsFailed: 1, problem: null, needRestart: ["socket"] },
  });
  expect(lines.map(({ msg }) => msg)).toContain("read anew");
});
