// One QEMU process: its arguments, its start, its end. Knows nothing of what runs inside.
import { spawn, type ChildProcess } from "node:child_process";
import { openSync, closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { QmpClient } from "@selfscale/qmp";
import { type GuestImage } from "../guest/image.ts";
import { run } from "../guest/run.ts";
import { disown, type Belongings, own } from "./cleanup.ts";
import { forwardArgs, parseForwards, type Ports } from "./ports.ts";
import { until } from "./until.ts";

const QEMU = "qemu-system-x86_64";

/** What makes two guests the same machine: a saved state fits exactly these. */
export type Machine = Readonly<{
  memMiB: number;
  maxMemMiB: number;
  cpus: number;
  maxCpus: number;
  uuid: string;
  accelerator: "kvm" | "tcg";
}>;

/** In the run folder: for the agent, for a test's own look, for starting and stopping the guest. */
export const SOCKETS = { agent: "qmp.sock", truth: "truth.sock", harness: "harness.sock" };

const KERNEL_ARGS = [
  "console=ttyS0 quiet panic=-1 mitigations=off nokaslr",
  // 64 MiB of bounce buffers that a guest without DMA limits never uses.
  "swiotlb=noforce",
  // Plugged memory is online at once, and where nothing unmovable prevents its way back.
  "memhp_default_state=online_movable",
].join(" ");

const ACCELERATOR_ARGS = {
  kvm: ["-accel", "kvm", "-cpu", "host"],
  // A hot-plugged CPU needs a free region of the translation buffer. QEMU 7.2 aborts when there is none
  // ("tcg_region_initial_alloc__locked: assertion failed"), and a boot alone fills 256 MiB: 3 of 9 booted guests died
  // so. Memory is used only as far as it is filled. Delete this line when QEMU flushes the buffer instead.
  tcg: ["-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max"],
};

/** The part of the command line that a saved state depends on. */
export function machineArgs(machine: Machine): string[] {
  const { memMiB, maxMemMiB, cpus, maxCpus } = machine;
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-M", "q35"],
    ...ACCELERATOR_ARGS[machine.accelerator],
    // A GiB above what can be plugged: QEMU aligns devices within that space.
    ...["-m", `${memMiB}M,slots=8,maxmem=${maxMemMiB + 1024}M`],
    ...["-smp", `${cpus},sockets=${maxCpus},cores=1,threads=1,maxcpus=${maxCpus}`],
    ...["-object", `memory-backend-ram,id=m0,size=${memMiB}M`],
    ...["-numa", "node,nodeid=0,memdev=m0"],
    ...["-object", `memory-backend-ram,id=vmem0,size=${maxMemMiB - memMiB}M,reserve=off`],
    ...["-device", "virtio-mem-pci,id=vm0,memdev=vmem0,node=0,requested-size=0"],
    ...["-uuid", machine.uuid],
    ...["-device", "virtio-net-pci,netdev=n0,romfile="],
    ...["-device", "virtio-blk-pci,drive=base", "-device", "virtio-blk-pci,drive=tools"],
    ...["-append", KERNEL_ARGS],
  ];
}

export type Disk = Readonly<{ file: string; format: "raw" | "qcow2"; isKept: boolean }>;

export type LaunchOptions = Readonly<{
  machine: Machine;
  image: GuestImage;
  runDir: string;
  /** null: QEMU takes free ones. */
  ports: Ports | null;
  disk: Disk;
  /** A state written by `migrate`; null boots. */
  stateFile: string | null;
  cgroup: string | null;
}>;

/** The rest of the command line: files, sockets and ports of this one run. */
function runArgs({ image, runDir, ports, disk, stateFile }: LaunchOptions): string[] {
  const drive = (id: string, { file, format, isKept }: Disk) =>
    `id=${id},if=none,file=${comma(file)},format=${format},cache=unsafe,discard=unmap` +
    (isKept ? "" : ",snapshot=on");
  const tools: Disk = { file: image.toolsDisk, format: "raw", isKept: false };
  return [
    ...["-kernel", image.kernel.vmlinux, "-initrd", image.kernel.initramfs],
    // restrict: the guest reaches nothing, only the forwarded ports lead into it.
    ...["-netdev", `user,id=n0,restrict=on${forwardArgs(ports)}`],
    ...["-drive", drive("base", disk), "-drive", drive("tools", tools)],
    ...["-chardev", `file,id=console,path=${comma(join(runDir, "console.log"))}`],
    ...["-serial", "chardev:console"],
    // QEMU talks to one client per socket.
    ...Object.values(SOCKETS).flatMap((name) => [
      "-qmp",
      `unix:${comma(join(runDir, name))},server=on,wait=off`,
    ]),
    ...["-pidfile", join(runDir, "qemu.pid")],
    ...(stateFile === null ? [] : ["-incoming", `exec:cat ${quote(stateFile)}`]),
  ];
}

export class Qemu {
  readonly pid: number;
  readonly runDir: string;
  /** Resolves when the process is gone, with its exit code or signal. */
  readonly exited: Promise<number | string>;
  readonly #belongings: Belongings;
  #ports: Ports | null = null;
  #isGone = false;

  private constructor(child: ChildProcess, pid: number, belongings: Belongings) {
    this.pid = pid;
    this.runDir = belongings.runDir;
    this.#belongings = belongings;
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#isGone = true;
        // The number may soon be somebody else's.
        belongings.pid = null;
        resolve(code ?? signal ?? "unknown");
      });
    });
  }

  static async launch(options: LaunchOptions): Promise<Qemu> {
    const { machine, runDir, cgroup } = options;
    // In the cgroup before QEMU makes a thread, and killed by the kernel if we are: setpriv keeps the pid.
    const script = `${cgroup === null ? "" : 'echo $$ >"$0"/cgroup.procs && '}exec setpriv --pdeathsig KILL "$@"`;
    const args = [QEMU, ...machineArgs(machine), ...runArgs(options)];
    const complaints = openSync(join(runDir, "qemu.log"), "w");
    const belongings: Belongings = { pid: null, runDir, cgroup };
    own(belongings);
    const child = spawn("/bin/sh", ["-c", script, cgroup ?? "sh", ...args], {
      stdio: ["ignore", complaints, complaints],
    });
    closeSync(complaints);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    const pid = child.pid;
    if (pid === undefined) throw new Error("QEMU has no pid");
    belongings.pid = pid;
    const qemu = new Qemu(child, pid, belongings);
    try {
      qemu.#ports = options.ports ?? (await qemu.#askPorts());
    } catch (error) {
      await qemu.kill();
      throw error;
    }
    return qemu;
  }

  get ports(): Ports {
    if (this.#ports === null) throw new Error("QEMU has not told its ports");
    return this.#ports;
  }

  /** A connection of the harness's own. Close it: QEMU talks to one client per socket. */
  async connect(): Promise<QmpClient> {
    return await until("QEMU opens its socket", async () => {
      if (this.#isGone) throw new Error(`QEMU ended: ${this.complaints()}`);
      return await QmpClient.connect(`unix:${join(this.runDir, SOCKETS.harness)}`).catch(
        () => null,
      );
    });
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** What QEMU itself printed: its complaints. */
  complaints(): string {
    return readFileSync(join(this.runDir, "qemu.log"), "utf8").trim();
  }

  /** The guest's console. */
  console(): string {
    return readFileSync(join(this.runDir, "console.log"), "utf8").replaceAll("\r", "");
  }

  async #askPorts(): Promise<Ports> {
    const qmp = await this.connect();
    try {
      return await until("QEMU tells its ports", async () => {
        const question = { "command-line": "info usernet" };
        return parseForwards(String(await qmp.executeUntyped("human-monitor-command", question)));
      });
    } finally {
      qmp.close();
    }
  }

  /** Ends it at once and removes what it had. */
  async kill(): Promise<void> {
    if (!this.#isGone) process.kill(this.pid, "SIGKILL");
    await this.exited;
    disown(this.#belongings);
  }
}

/** The version, for the key of a saved state. */
export async function qemuVersion(): Promise<string> {
  return (await run(QEMU, ["--version"])).split("\n")[0] ?? "";
}

/** QEMU splits its options at commas. */
function comma(value: string): string {
  return value.replaceAll(",", ",,");
}

function quote(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
