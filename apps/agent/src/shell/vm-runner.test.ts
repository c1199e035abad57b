import fs from "node:fs";
import path from "node:path";
import { AGENT_TIMERS, type Claim } from "@selfscale/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { findCgroup } from "../hypervisor/cgroup.ts";
import { memoryLog, QUICK, size, startFleet, vmConfig } from "../testing/fleet.ts";
import { startGuest } from "../testing/guest.ts";
import { MIB, startQemu } from "../testing/qemu.ts";
import { makeTempDir } from "../testing/temp-dir.ts";
import { PATIENT, until } from "../testing/wait.ts";
import { NO_OBSERVER } from "./observer.ts";
import { VmRunner, type RunnerOptions } from "./vm-runner.ts";

vi.setConfig(PATIENT);

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

async function startVm() {
  const qemu = await startQemu({ uuid: UUID });
  const guest = await startGuest({ uuid: UUID });
  const vm = vmConfig({ name: "pg-1", socket: qemu.socket, url: guest.monitor.url });
  return { qemu, guest, vm };
}

function startRunner(
  options: Pick<RunnerOptions, "vm" | "node"> & Partial<RunnerOptions>,
  level = "info",
) {
  const { log, lines } = memoryLog(level);
  const runner = new VmRunner({
    recorder: null,
    observer: NO_OBSERVER,
    timers: AGENT_TIMERS,
    shellTimers: QUICK,
    ...options,
    sliceBytes: 256 * MIB,
    vms: 1,
    log,
    now: () => performance.now(),
    random: Math.random,
  });
  onTestFinished(() => runner.stop());
  runner.start();
  return { runner, lines };
}

/** As the arbiter does, never more than is wanted: the rest would be given up, and claimed anew. */
function permitAll(runner: VmRunner, { number, want: permit }: Claim): void {
  const rest = { isNodeFull: false, recall: null, verdict: null };
  runner.tell({ kind: "permit-changed", permit, ...rest, answers: number });
}

test("a loop that dies of our mistake is logged with its last events, and starts anew", async () => {
  const { vm, guest } = await startVm();
  let claims = 0;
  const node = {
    claim: (claim: Claim) => {
      claims += 1;
      if (claims === 1) throw new Error("invariant broken: on purpose");
      permitAll(runner, claim);
    },
    leave: () => undefined,
  };
  const { runner, lines } = startRunner({ vm, node });
  expect(runner.status().loop).toEqual({ isBroken: false, sight: "not-yet", isAttached: false });
  await until("its death", () => runner.status().loop.isBroken);
  await until("a second life", () => claims > 1);
  expect(runner.status().loop).toEqual({ isBroken: true, sight: "seen", isAttached: true });
  const [death, ...others] = lines.filter(({ level }) => level === "error");
  expect(others).toEqual([]);
  expect(death).toMatchObject({
    msg: "this VM's loop died; it starts anew",
    err: { message: "invariant broken: on purpose" },
  });
  const events = death?.["lastEvents"] as { now: number; event: { kind: string } }[];
  expect(events.map(({ event }) => event.kind)).toContain("hypervisor-attached");
  await guest.wish(2, 256);
  await until("its work", () => runner.status().actual?.milliCpu === 2000);
  expect(runner.status().counters).toMatchObject({ restarts: 1, attaches: 2 });
});

test("a loop that has turned long enough since its death is whole again", async () => {
  const { vm } = await startVm();
  let claims = 0;
  const claim = () => {
    claims += 1;
    if (claims === 1) throw new Error("invariant broken: on purpose");
  };
  const shellTimers = { ...QUICK, reconnectResetMs: 300 };
  const node = { claim, leave: () => undefined };
  const { runner } = startRunner({ vm, node, shellTimers });
  await until("its death", () => runner.status().loop.isBroken);
  await until("its recovery", () => !runner.status().loop.isBroken);
  expect(claims).toBeGreaterThan(1);
});

test("the debug log is a trace: each event with the actions it led to", async () => {
  const { vm, guest } = await startVm();
  const node = {
    claim: (claim: Claim) => permitAll(runner, claim),
    leave: () => undefined,
  };
  const { runner, lines } = startRunner({ vm, node }, "debug");
  await guest.wish(1, 256);
  const steps = () => lines.filter(({ msg }) => msg === "step");
  type Action = { kind: string; requestedBytes?: number };
  const actions = () => steps().flatMap((step) => step["actions"] as Action[]);
  await until("the resize", () => actions().some(({ kind }) => kind === "set-memory"));
  expect(actions().find(({ kind }) => kind === "set-memory")?.requestedBytes).toBe(128 * MIB);
  const begin = lines.find(({ msg }) => msg === "loop begins");
  expect(begin).toMatchObject({ spec: { name: "pg-1" }, sliceBytes: 256 * MIB });
  const times = steps().map((step) => step["now"] as number);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

test("with a real cgroup the quota is set, follows growth, and its use is measured", async (t) => {
  const folder = `/sys/fs/cgroup/cpu/selfscale-runner-${process.pid}`;
  try {
    fs.accessSync("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", fs.constants.W_OK);
    fs.mkdirSync(folder);
  } catch {
    t.skip("no writable cgroup v1 CPU hierarchy here");
    return;
  }
  const { vm, guest, qemu } = await startVm();
  onTestFinished(async () => {
    await qemu.end();
    await until("the cgroup to be empty", () => read(folder, "cgroup.procs") === "");
    fs.rmdirSync(folder);
  });
  fs.writeFileSync(path.join(folder, "cgroup.procs"), String(qemu.pid));
  const cgroup = findCgroup(folder);
  const { spec } = vm;
  const bounds = { min: size(0.5, 128), max: size(4, 1152) };
  const limited = { ...vm, cgroup, spec: { ...spec, bounds, hasQuota: true } };
  const { fleet } = startFleet([limited]);
  await until("a limit at all", () => cgroup.readQuota() === 1000);
  await guest.wish(1.5, 128);
  await until("growth", () => cgroup.readQuota() === 1500);
  await until("its vCPU", () => fleet.status().vms[0]?.actual?.milliCpu === 1500);
  const [cpus] = [await qemu.qmp.execute("query-cpus-fast", {})];
  expect(cpus).toHaveLength(2);
  await until("a measurement of its use", async () => {
    // A stopped VM may use nothing at all between two looks; QEMU's longest answer costs it milliseconds.
    await qemu.qmp.executeUntyped("query-qmp-schema", {});
    return (fleet.status().vms[0]?.cpuUsedMilli ?? 0) > 0;
  });
  expect(fleet.status().vms[0]?.throttledShare).not.toBeNull();
  await guest.wish(0.5, 128); // the scripted monitor agrees to everything
  await until("the shrink", () => cgroup.readQuota() === 500);
});

test("a cgroup that does not hold QEMU is said", async () => {
  const folder = makeTempDir();
  for (const [name, text] of [
    ["cpu.max", "max 100000"],
    ["cpu.stat", "usage_usec 0\nnr_periods 0\nnr_throttled 0"],
    ["cgroup.procs", "1\n"],
  ] as const) {
    fs.writeFileSync(path.join(folder, name), text);
  }
  const { vm, qemu } = await startVm();
  const { lines } = startFleet([{ ...vm, cgroup: findCgroup(folder) }]);
  const said = await until("the warning", () => lines.find((line) => "problem" in line));
  expect(said).toMatchObject({
    msg: "something is wrong with the cgroup",
    problem: `${folder} does not hold QEMU (process ${qemu.pid}): its CPU is not limited`,
  });
});

const read = (folder: string, name: string) => fs.readFileSync(path.join(folder, name), "utf8");
