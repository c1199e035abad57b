// Our agent as its own process, with a real QEMU that has nothing to boot: sizes can be told; vCPUs come, memory does not.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type RealAgentSetup = Readonly<{
  bundle: string;
  url: string;
  vm: string;
  token: string;
  /** Factor on the protocol's times, by its configuration. */
  tempo: number;
}>;

const MIB = 1024 ** 2;

/** Returns what ends both and removes what they left. */
export function startRealAgent(setup: RealAgentSetup): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "real-agent-"));
  const qmp = join(folder, "qmp.sock");
  const qemu = spawn("qemu-system-x86_64", qemuArgs(qmp, setup.vm), { stdio: "ignore" });
  writeFileSync(join(folder, "token"), setup.token);
  const config = join(folder, "agent.yaml");
  writeFileSync(config, JSON.stringify(configOf(setup, folder, qmp))); // JSON is YAML
  const agent = spawn(process.execPath, [setup.bundle, "--config", config], { stdio: "ignore" });
  return async () => {
    await Promise.all([ended(agent), ended(qemu)]);
    rmSync(folder, { recursive: true, force: true });
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit").catch(() => undefined); // it could not be started: gone all the same
  child.kill("SIGKILL");
  await exited;
}

function configOf({ url, tempo }: RealAgentSetup, folder: string, qmp: string): object {
  const timers = {
    ...{ handshakeMs: 4_000, dialMs: 4_000, requestMs: 5_000, healthCheckMs: 5_000 },
    ...{ firstLevelMs: 10_000, retryMinMs: 5_000, plugMs: 10_000, consentMs: 2_000 },
    ...{ reportMinMs: 500, reportEveryMs: 30_000, scaleUpwardMs: 100, scaleOtherMs: 1_000 },
    // Shorter than it must be: the kit waits for dials all the time.
    ...{ reconnectMinMs: 250, reconnectMaxMs: 500 },
  };
  const quick = Object.entries(timers).map(([name, ms]) => [name, Math.ceil(ms * tempo)] as const);
  return {
    node: { cpu: 32, mem: "8Gi" },
    socket: join(folder, "agent.sock"),
    timers: Object.fromEntries(quick),
    vms: [
      {
        ...{ name: "pg-1", qmp: `unix:${qmp}`, monitor: url, token: join(folder, "token") },
        bounds: { min: { cpu: 1, mem: "128Mi" }, max: { cpu: 8, mem: "1152Mi" } },
      },
    ],
  };
}

function qemuArgs(qmp: string, uuid: string): string[] {
  return [
    ..."-machine q35 -accel tcg -nodefaults -no-user-config -display none".split(" "),
    ...["-uuid", uuid, "-m", "128M,slots=8,maxmem=4G"],
    ...["-smp", "1,sockets=8,cores=1,threads=1,maxcpus=8"],
    ...["-object", `memory-backend-ram,id=m0,size=${128 * MIB}`, "-numa", "node,memdev=m0"],
    ...["-object", `memory-backend-ram,id=vmem0,size=${1024 * MIB},reserve=off`],
    ...["-device", "virtio-mem-pci,id=vm0,memdev=vmem0,node=0,requested-size=0"],
    ...["-qmp", `unix:${qmp},server=on,wait=off`],
  ];
}
