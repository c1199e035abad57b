// A real QEMU without anything to boot: TCG, sizes that can be told but are never met by a guest.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { QmpClient } from "@selfscale/qmp";
import { onTestFinished } from "vitest";
import { makeTempDir } from "./temp-dir.ts";
import { until } from "./wait.ts";

export const MIB = 1024 ** 2;
export const BASE_BYTES = 128 * MIB;
export const DEVICE_BYTES = 1024 * MIB;
export const BLOCK_BYTES = 2 * MIB;

export type QemuSetup = Readonly<{
  uuid?: string;
  /** Ids of virtio-mem devices. */
  devices?: readonly string[];
  /** Size of a DIMM present from the start. */
  dimmMib?: number;
  /** Stopped at its first instruction. */
  isStopped?: boolean;
  /** Socket of an earlier one that ended, to be served again. */
  socket?: string;
}>;

export type TestQemu = Readonly<{
  /** For the agent. */
  socket: string;
  /** For the test: a second QMP socket. */
  qmp: QmpClient;
  pid: number;
  kill: (signal: NodeJS.Signals) => void;
  /** Kills it and waits until it is gone. */
  end: () => Promise<void>;
}>;

/** Started and reachable; it ends with the test. */
export async function startQemu(setup: QemuSetup = {}): Promise<TestQemu> {
  const folder = makeTempDir();
  const socket = setup.socket ?? path.join(folder, "agent.qmp");
  const probe = path.join(folder, "test.qmp");
  const child = spawn("qemu-system-x86_64", argumentsOf(setup, [socket, probe]), {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = waitForEnd(child);
  const end = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  onTestFinished(end);
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (words += text));
  const qmp = await until("QEMU's QMP socket", async () => {
    if (child.exitCode !== null) throw new Error(`QEMU ended: ${words}`);
    return await QmpClient.connect({ kind: "unix", path: probe }).catch(() => null);
  });
  const kill = (signal: NodeJS.Signals) => void child.kill(signal);
  return { socket, qmp, pid: child.pid ?? 0, kill, end };
}

function argumentsOf(setup: QemuSetup, sockets: readonly string[]): string[] {
  const words = "-machine q35 -accel tcg -nodefaults -no-user-config -display none";
  const devices = (setup.devices ?? ["vm0"]).flatMap((id, index) => [
    ...["-object", `memory-backend-ram,id=vmem${index},size=${DEVICE_BYTES},reserve=off`],
    ...["-device", `virtio-mem-pci,id=${id},memdev=vmem${index},node=0,requested-size=0`],
  ]);
  const dimm =
    setup.dimmMib === undefined
      ? []
      : [
          ...["-object", `memory-backend-ram,id=d0,size=${setup.dimmMib}M`],
          ...["-device", "pc-dimm,id=dimm0,memdev=d0,node=0"],
        ];
  return [
    ...words.split(" "),
    ...(setup.isStopped === true ? ["-S"] : []),
    ...(setup.uuid === undefined ? [] : ["-uuid", setup.uuid]),
    ...["-m", `${BASE_BYTES / MIB}M,slots=8,maxmem=4G`],
    ...["-smp", "1,sockets=4,cores=1,threads=1,maxcpus=4"],
    ...["-object", `memory-backend-ram,id=m0,size=${BASE_BYTES}`, "-numa", "node,memdev=m0"],
    ...devices,
    ...dimm,
    ...sockets.flatMap((socket) => ["-qmp", `unix:${socket},server=on,wait=off`]),
  ];
}

/** "close" and not "exit": a process that never started has no exit, but both end with close. */
async function waitForEnd(child: ChildProcess): Promise<void> {
  await once(child, "close").catch(() => undefined); // it could not be started: gone all the same
}
