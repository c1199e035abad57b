// The bundle as deploy/systemd runs it: a user that owns nothing, given one QMP socket by its group and the quota files
// of one cgroup folder. docs/deploy.md has the same commands.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { build } from "esbuild";
import { expect, onTestFinished, test, vi, type TestContext } from "vitest";
import { loadConfig } from "./config/load.ts";
import { findCgroup } from "./hypervisor/cgroup.ts";
import { edit, writeConfig } from "./testing/config-file.ts";
import { startGuest } from "./testing/guest.ts";
import { MIB, startQemu, type TestQemu } from "./testing/qemu.ts";
import { ask } from "./control/client.ts";
import { makeTempDir } from "./testing/temp-dir.ts";
import { PATIENT, until } from "./testing/wait.ts";

vi.setConfig(PATIENT);

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
/** Ids that nobody has. */
const [AGENT, QMP_GROUP] = [64_001, 64_002];
const AS_AGENT = [
  ...[`--reuid=${AGENT}`, `--regid=${AGENT}`, `--groups=${QMP_GROUP}`],
  ...["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"],
];

/** Why an agent of another user can't be tried here; null: it can. */
function obstacle(): string | null {
  if (process.getuid?.() !== 0) return "only root can start a process of another user";
  const { status, stderr, error } = spawnSync(
    "setpriv",
    [...AS_AGENT, process.execPath, "--version"],
    { encoding: "utf8" },
  );
  return status === 0 ? null : `another user can't run this node: ${error?.message ?? stderr}`;
}

async function startAgent(folder: string, config: string) {
  const bundle = path.join(folder, "agent.cjs");
  await build({
    entryPoints: [path.join(import.meta.dirname, "main.ts")],
    ...{ outfile: bundle, bundle: true, platform: "node", target: "node20.19", format: "cjs" },
    external: ["bufferutil", "utf-8-validate"],
    logLevel: "error",
  });
  const child = spawn("setpriv", [...AS_AGENT, process.execPath, bundle, "--config", config], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {},
    cwd: "/",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (words += text));
  return { child, words: () => words };
}

/** A folder whose quota files are the agent's, and nothing else in it. The kernel's own where it can be had. */
function delegate(qemu: TestQemu): string {
  const real = `/sys/fs/cgroup/cpu/selfscale-non-root-${process.pid}`;
  try {
    fs.accessSync("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", fs.constants.W_OK);
    fs.mkdirSync(real);
  } catch {
    return fakeCgroup(qemu);
  }
  onTestFinished(async () => {
    await qemu.end();
    const procs = path.join(real, "cgroup.procs");
    await until("the cgroup to be empty", () => fs.readFileSync(procs, "utf8") === "");
    fs.rmdirSync(real);
  });
  fs.writeFileSync(path.join(real, "cgroup.procs"), String(qemu.pid));
  for (const name of ["cpu.cfs_quota_us", "cpu.cfs_period_us"]) {
    fs.chownSync(path.join(real, name), AGENT, 0);
  }
  return real;
}

function fakeCgroup({ pid }: TestQemu): string {
  const folder = makeTempDir();
  fs.chmodSync(folder, 0o755);
  const files = {
    "cpu.max": "max 100000\n",
    "cpu.stat": "usage_usec 0\nnr_periods 0\nnr_throttled 0\n",
    "cgroup.procs": `${pid}\n`,
  };
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
  fs.chownSync(path.join(folder, "cpu.max"), AGENT, 0);
  return folder;
}

/** As root made it, for the group of the QMP sockets. */
function open(qemu: TestQemu): void {
  fs.chmodSync(path.dirname(qemu.socket), 0o750);
  fs.chownSync(path.dirname(qemu.socket), 0, QMP_GROUP);
  fs.chownSync(qemu.socket, 0, QMP_GROUP);
  fs.chmodSync(qemu.socket, 0o660);
}

async function setUp(t: TestContext) {
  const problem = obstacle();
  if (problem !== null) t.skip(problem);
  const [qemu, guest] = await Promise.all([startQemu({ uuid: UUID }), startGuest({ uuid: UUID })]);
  const folder = makeTempDir();
  fs.chmodSync(folder, 0o755);
  fs.mkdirSync(path.join(folder, "run"), { mode: 0o700 });
  fs.chownSync(path.join(folder, "run"), AGENT, AGENT);
  const cgroup = delegate(qemu);
  const config = path.join(folder, "agent.yaml");
  fs.writeFileSync(
    config,
    `node: { cpu: 4, mem: 3Gi }
http: none
socket: ${folder}/run/agent.sock
vms:
  - name: pg-1
    qmp: unix:${qemu.socket}
    monitor: ${guest.monitor.url}
    cgroup: ${cgroup}
    bounds: { min: { cpu: 0.5, mem: 128Mi }, max: { cpu: 2, mem: 1Gi } }
`,
    { mode: 0o640 },
  );
  fs.chownSync(config, 0, AGENT);
  return { qemu, guest, folder, config, cgroup };
}

async function requestedMib({ qmp }: TestQemu): Promise<number> {
  const [device] = await qmp.execute("query-memory-devices", {});
  return (device?.data as { "requested-size": number })["requested-size"] / MIB;
}

test("a user that owns nothing resizes a VM whose socket and quota it was given", async (t) => {
  const { qemu, guest, folder, config, cgroup } = await setUp(t);
  open(qemu);
  const { child, words } = await startAgent(folder, config);
  await guest.wish(1.5, 384);
  await until("the memory", async () => (await requestedMib(qemu)) === 256);
  await until("the quota", () => findCgroup(cgroup).readQuota() === 1500);
  const status = fs.readFileSync(`/proc/${child.pid}/status`, "utf8");
  expect(status).toMatch(new RegExp(`^Uid:\\s+${AGENT}\\s+${AGENT}\\s+${AGENT}`, "m"));
  for (const set of ["CapEff", "CapPrm", "CapBnd"]) {
    expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, "m"));
  }
  child.kill("SIGTERM");
  expect((await once(child, "exit"))[0], words()).toBe(0);
});

test("a socket that it was not given is said, and nothing else of the VM is touched", async (t) => {
  const { qemu, folder, config, cgroup } = await setUp(t);
  const before = findCgroup(cgroup).readQuota();
  const { words } = await startAgent(folder, config);
  const socket = path.join(folder, "run", "agent.sock");
  await until("its word on it", async () => {
    return (await ask(socket, { method: "GET", path: "/status" }).catch(words)).includes(
      "no permission",
    );
  });
  expect(await requestedMib(qemu)).toBe(0);
  expect(findCgroup(cgroup).readQuota()).toBe(before);
});

test("the example of deploy/systemd is a right configuration", () => {
  const example = path.join(import.meta.dirname, "../../../deploy/systemd/agent.yaml");
  const { folder, file } = writeConfig(edit());
  const slice = path.join(folder, "machine.slice");
  fs.mkdirSync(path.join(slice, "pg-1"), { recursive: true });
  fs.writeFileSync(path.join(slice, "pg-1/cpu.max"), "max 100000\n");
  fs.writeFileSync(path.join(folder, "meminfo"), "MemTotal: 16777216 kB\n");
  fs.writeFileSync(path.join(folder, "stat"), "cpu0 1\ncpu1 1\n");
  const text = fs.readFileSync(example, "utf8").replaceAll("/sys/fs/cgroup", folder);
  fs.writeFileSync(file, text);
  const config = loadConfig(file, folder);
  expect(config.vms.map(({ spec }) => spec.name)).toEqual(["pg-1"]);
  expect(config.nodePlan).toMatchObject({ milliCpu: null, memBytes: null });
});
