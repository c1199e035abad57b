// A QEMU without a guest: the agent can tell it sizes, and nothing ever plugs them.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { makeRunDir } from "../harness/cleanup.ts";
import { MIB } from "../harness/truth.ts";
import { until } from "../harness/until.ts";

export const BARE_UUID = "5e1f5ca1-e000-4000-8000-00000000be4c";
const BASE_MIB = 128;
const DEVICE_MIB = 1024;

/** The entry of the agent's configuration for it, and how to end it. */
export type BareQemu = Readonly<{ entry: Record<string, unknown>; end: () => Promise<void> }>;

export async function startBareQemu(name: string): Promise<BareQemu> {
  const dir = await makeRunDir();
  const socket = join(dir, "qmp.sock");
  const qemu = [
    ..."qemu-system-x86_64 -machine q35 -accel tcg -nodefaults -no-user-config -display none".split(
      " ",
    ),
    ...["-uuid", BARE_UUID, "-m", `${BASE_MIB}M,slots=8,maxmem=4G`],
    ...["-smp", "1,sockets=4,cores=1,threads=1,maxcpus=4"],
    ...["-object", `memory-backend-ram,id=m0,size=${BASE_MIB * MIB}`, "-numa", "node,memdev=m0"],
    ...["-object", `memory-backend-ram,id=vmem0,size=${DEVICE_MIB * MIB},reserve=off`],
    ...["-device", "virtio-mem-pci,id=vm0,memdev=vmem0,node=0,requested-size=0"],
    ...["-qmp", `unix:${socket},server=on,wait=off`],
  ];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...qemu], { stdio: "ignore" });
  await until("QEMU's socket", () => {
    if (child.exitCode !== null) throw new Error(`QEMU ended with ${child.exitCode}`);
    return existsSync(socket);
  });
  const bounds = {
    min: { cpu: 1, mem: `${BASE_MIB}Mi` },
    max: { cpu: 4, mem: `${BASE_MIB + DEVICE_MIB}Mi` },
  };
  return {
    entry: { name, qmp: `unix:${socket}`, bounds },
    end: async () => {
      child.kill("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    },
  };
}
