// A real QEMU without a guest: stopped at its first instruction (-S), nothing to boot, TCG, so
// that it runs wherever the package is installed. It has one virtio-mem device `vm0` and room for
// 4 CPUs.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as z from "zod";
import { QmpClient } from "../client.ts";
import { QmpConnectError } from "../errors.ts";
import { makeTempDir, type TempDir } from "./temp-dir.ts";

export const QEMU_UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
export const BASE_BYTES = 512 * 1024 ** 2;
export const DEVICE_BYTES = 2 * 1024 ** 3;
/** QEMU's default for virtio-mem on x86. */
export const BLOCK_BYTES = 2 * 1024 ** 2;

const BINARY = "qemu-system-x86_64";
const START_DEADLINE_MS = 20_000;
const RETRY_EVERY_MS = 20;

export type Qemu = Readonly<{
  pid: number;
  unix: string;
  tcp: string;
  /** QMP that prints each message over several lines, as -mon pretty=on does. */
  pretty: string;
  /** The monitor for people: no QMP at all. */
  human: string;
  dir: TempDir;
  /** Resolves when the process is gone. */
  exited: Promise<void>;
  kill: (signal: NodeJS.Signals) => void;
  /** Ends it if it lives, and removes its folder. */
  stop: () => Promise<void>;
}>;

/** Throws, naming the package, when QEMU is not installed. */
export async function startQemu(): Promise<Qemu> {
  const dir = makeTempDir();
  const child = spawn(BINARY, qemuArguments(dir), { stdio: ["ignore", "ignore", "pipe"] });
  const killOnExit = () => child.kill("SIGKILL");
  process.once("exit", killOnExit);
  const exited = waitForExit(child).finally(() => process.removeListener("exit", killOnExit));
  const stop = async () => {
    child.kill("SIGKILL");
    await exited;
    dir.remove();
  };
  try {
    const pid = await waitForPid(child);
    const port = await waitForTcpPort(dir, child);
    const unix = `unix:${dir.file("qmp")}`;
    const tcp = `tcp:127.0.0.1:${port}`;
    const others = { pretty: `unix:${dir.file("pretty")}`, human: `unix:${dir.file("human")}` };
    const kill = (signal: NodeJS.Signals) => void child.kill(signal);
    return { pid, unix, tcp, ...others, dir, exited, kill, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function qemuArguments(dir: TempDir): string[] {
  const socket = (id: string) => `socket,id=${id},path=${dir.file(id)},server=on,wait=off`;
  const machine = "-S -machine q35 -accel tcg -nodefaults -no-user-config -display none";
  return [
    ...machine.split(" "),
    ...["-uuid", QEMU_UUID],
    ...["-m", "512M,slots=8,maxmem=4G", "-smp", "1,sockets=4,cores=1,threads=1,maxcpus=4"],
    ...["-object", `memory-backend-ram,id=m0,size=${BASE_BYTES}`, "-numa", "node,memdev=m0"],
    ...["-object", `memory-backend-ram,id=vmem0,size=${DEVICE_BYTES},reserve=off`],
    ...["-device", "virtio-mem-pci,id=vm0,memdev=vmem0,node=0,requested-size=0"],
    ...["-chardev", socket("qmp"), "-mon", "chardev=qmp,mode=control"],
    ...["-chardev", socket("probe"), "-mon", "chardev=probe,mode=control"],
    ...["-chardev", socket("pretty"), "-mon", "chardev=pretty,mode=control,pretty=on"],
    ...["-chardev", socket("human"), "-mon", "chardev=human,mode=readline"],
    // Port 0: the kernel chooses a free one, so that test files never collide.
    ...["-chardev", "socket,id=tcp,host=127.0.0.1,port=0,server=on,wait=off"],
    ...["-mon", "chardev=tcp,mode=control"],
  ];
}

async function waitForPid(child: ChildProcess): Promise<number> {
  if (child.pid !== undefined) return child.pid;
  const [cause] = (await once(child, "error")) as [unknown];
  const message = `${BINARY} cannot be started: install the package qemu-system-x86`;
  throw new Error(message, { cause });
}

async function waitForExit(child: ChildProcess): Promise<void> {
  // "close" and not "exit": a process that never started has no exit, but both end with close.
  await new Promise((resolve) => child.once("close", resolve));
}

const Chardevs = z.array(z.object({ label: z.string(), filename: z.string() }));

async function waitForTcpPort(dir: TempDir, child: ChildProcess): Promise<number> {
  const probe = await connectWhenUp(`unix:${dir.file("probe")}`, child);
  try {
    const chardevs = Chardevs.parse(await probe.executeUntyped("query-chardev", {}));
    const filename = chardevs.find(({ label }) => label === "tcp")?.filename ?? "";
    // "disconnected:tcp:127.0.0.1:46243,server=on"
    const port = /:([0-9]+),server/.exec(filename)?.[1];
    if (port === undefined) throw new Error(`no TCP port in ${JSON.stringify(filename)}`);
    return Number(port);
  } finally {
    probe.close();
  }
}

async function connectWhenUp(address: string, child: ChildProcess): Promise<QmpClient> {
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const deadlineAt = performance.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      return await QmpClient.connect(address);
    } catch (error) {
      const isStarting = error instanceof QmpConnectError && child.exitCode === null;
      if (!isStarting || performance.now() > deadlineAt) {
        throw new Error(`${BINARY} did not start: ${stderr}`, { cause: error });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_EVERY_MS));
  }
}
