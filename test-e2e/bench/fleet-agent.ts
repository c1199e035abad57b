// The real agent over a simulated fleet: its bundle on one core, the peers and the hostile monitor on another.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { AGENT_BUNDLE } from "../harness/agent-process.ts";
import { makeRunDir } from "../harness/cleanup.ts";
import { MIB } from "../harness/truth.ts";
import { BASE_BYTES, DEVICE_BYTES } from "./fleet-qemu.ts";
import { type PeersOrder } from "./fleet-peers.ts";
import { type FlooderOrder } from "./frame-flooder.ts";
import { HelperProcess } from "./helper-process.ts";
import { pin } from "./pin.ts";

const DEPLOY = join(import.meta.dirname, "../../deploy/systemd");
const AGENT_CORE = 0;
const PEERS_CORE = Math.min(1, cpus().length - 1);

export type RunningFleet = Readonly<{
  count: number;
  agentPid: number;
  /** On the clock of `Date.now()`: when the agent's process was started. */
  startedAtMs: number;
  peers: <Answer>(order: PeersOrder) => Promise<Answer>;
  /** The monitor of one VM more. */
  hostile: <Answer>(order: FlooderOrder) => Promise<Answer>;
}>;

/** Runs `measure` with `count` VMs and the hostile one; all processes are gone when it returns or throws. */
export async function withFleet<T>(
  count: number,
  measure: (fleet: RunningFleet) => Promise<T>,
): Promise<T> {
  const folder = await makeRunDir();
  const peers = HelperProcess.start("fleet-peers.ts");
  const flooder = HelperProcess.start("frame-flooder.ts");
  let agent: ChildProcess | null = null;
  try {
    for (const { pid } of [peers, flooder]) pin(pid, PEERS_CORE);
    const monitors = await peers.ask<{ port: number }>({ kind: "listen", count, folder });
    const hostile = await flooder.ask<{ port: number }>({ kind: "listen" });
    const file = join(folder, "agent.yaml");
    await writeFile(file, stringify(configOf(count, folder, monitors.port, hostile.port)));
    const startedAtMs = Date.now();
    agent = startAgent(file, join(folder, "agent.log"));
    return await measure({
      count,
      agentPid: agent.pid ?? 0,
      startedAtMs,
      peers: (order) => peers.ask(order),
      hostile: (order) => flooder.ask(order),
    });
  } finally {
    if (agent !== null) await endAgent(agent);
    peers.end();
    flooder.end();
    await rm(folder, { recursive: true, force: true });
  }
}

function startAgent(configFile: string, logFile: string): ChildProcess {
  const log = openSync(logFile, "w");
  // setpriv and taskset keep the pid; killed by the kernel if we are.
  const pinned = ["--pdeathsig", "KILL", "taskset", "-c", `${AGENT_CORE}`];
  const agent = [process.execPath, ...deployedFlags(), AGENT_BUNDLE, "--config", configFile];
  const child = spawn("setpriv", [...pinned, ...agent], { stdio: ["ignore", "ignore", log] });
  closeSync(log);
  return child;
}

/** Those of node in the agent's unit: what is measured is what is deployed. */
function deployedFlags(): readonly string[] {
  const unit = readFileSync(join(DEPLOY, "selfscale-agent.service"), "utf8");
  const flags = /^ExecStart=\S+node ((?:--\S+ )+)/m.exec(unit)?.[1]?.trim().split(" ");
  if (flags === undefined) throw new Error("the agent's unit starts node without flags");
  return flags;
}

async function endAgent(agent: ChildProcess): Promise<void> {
  if (agent.exitCode !== null) return;
  const ended = once(agent, "exit");
  agent.kill("SIGKILL"); // no measurement is about its end
  await ended;
}

/** A node that is never full: what is measured is the agent, not the waiting for room. */
function configOf(count: number, folder: string, port: number, hostilePort: number): object {
  // One vCPU each: a node has at most 1024. Made anew for each VM, or YAML would write one and refer to it.
  const boundsOf = () => ({
    min: { cpu: 1, mem: `${BASE_BYTES / MIB}Mi` },
    max: { cpu: 1, mem: `${(BASE_BYTES + DEVICE_BYTES) / MIB}Mi` },
  });
  const vms = Array.from({ length: count }, (_, index) => ({
    name: `vm-${index}`,
    qmp: `unix:${join(folder, `vm-${index}.qmp`)}`,
    monitor: `ws://127.0.0.1:${port}/vm-${index}`,
    bounds: boundsOf(),
  }));
  const hostile = {
    name: "hostile",
    qmp: `unix:${join(folder, "hostile.qmp")}`,
    monitor: `ws://127.0.0.1:${hostilePort}/monitor`,
    bounds: boundsOf(),
  };
  return {
    socket: join(folder, "agent.sock"),
    node: { cpu: count + 1, mem: `${(count + 1) * 65}Gi` },
    vms: [...vms, hostile],
  };
}
