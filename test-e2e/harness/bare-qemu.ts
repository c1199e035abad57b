// A QEMU with nothing to boot, for tests of the two daemons alone: an agent needs one to be somebody's agent.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { QmpClient } from "@selfscale/qmp";
import { disown, own, makeRunDir, type Belongings } from "./cleanup.ts";
import { until } from "./until.ts";

export const BARE_MIB = 128;

/** Stopped at its first instruction, one fixed size. `qmp` is for the agent. */
export async function startBareQemu(
  mib = BARE_MIB,
): Promise<Readonly<{ qmp: string; kill: () => void }>> {
  const runDir = await makeRunDir();
  const [socket, probe] = [join(runDir, "qmp.sock"), join(runDir, "probe.sock")];
  const words = `-machine q35 -accel tcg -nodefaults -no-user-config -display none -S -m ${mib}M`;
  const qemu = ["qemu-system-x86_64", ...words.split(" ")];
  for (const path of [socket, probe]) qemu.push("-qmp", `unix:${path},server=on,wait=off`);
  // Killed by the kernel if we are; setpriv keeps the pid.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...qemu], { stdio: "ignore" });
  const belongings: Belongings = { pid: child.pid ?? null, runDir, cgroup: null };
  own(belongings);
  const client = await until("QEMU opens its socket", async () => {
    if (child.exitCode !== null) throw new Error(`QEMU ended with ${child.exitCode}`);
    return await QmpClient.connect(`unix:${probe}`).catch(() => null);
  });
  client.close();
  return { qmp: `unix:${socket}`, kill: () => disown(belongings) };
}
