// A real VM for a test: started from a saved state, looked into, ended without a trace.
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ensureGuest, type GuestImage } from "../guest/image.ts";
import { findAccelerator } from "./accelerator.ts";
import { cgroupUnavailable, makeCgroup } from "./cgroup.ts";
import { makeRunDir } from "./cleanup.ts";
import { execInGuest, type ExecOptions, type ExecResult } from "./exec-channel.ts";
import { type Ports } from "./ports.ts";
import { type Machine, Qemu, SOCKETS } from "./qemu.ts";
import { waitForMonitor, waitUntilReady } from "./ready.ts";
import { ensureState, type SavedState } from "./saved-state.ts";
import { until } from "./until.ts";

export { cgroupUnavailable, ensureGuest };
export type { ExecOptions, ExecResult };

export type GuestOptions = Readonly<{
  name: string;
  memMiB?: number;
  maxMemMiB?: number;
  cpus?: number;
  maxCpus?: number;
  /** Guests that run at once need an identity each: it is the VM's SMBIOS UUID. */
  identity?: keyof typeof UUIDS;
  /** QEMU in a CPU cgroup of its own; see `cgroupUnavailable`. */
  cgroup?: boolean;
  /** Added to the monitor's listen addresses; given, the monitor is restarted with them. */
  monitorArgs?: readonly string[];
  /** Another monitor than the one just built, for instance an older release. */
  monitorBundle?: string;
  /** false boots, which takes ten times as long. */
  restore?: boolean;
  /** Takes over the sockets and ports of this one, whose QEMU has ended. Kill both: they share a folder. */
  successorOf?: Guest;
}>;

const UUIDS = {
  a: "5e1f5ca1-e000-4000-8000-00000000000a",
  b: "5e1f5ca1-e000-4000-8000-00000000000b",
  c: "5e1f5ca1-e000-4000-8000-00000000000c",
};

/** How long a clean shutdown may take before it becomes an unclean one. */
const SHUTDOWN_WITHIN_MS = 20_000;

const EXIT_IS_KNOWN_WITHIN_MS = 500;

type Prepared = Readonly<{ machine: Machine; image: GuestImage; state: SavedState | null }>;

/** Builds what a guest is started from, if it is not there: minutes the first time, then milliseconds. */
export async function prepareGuest(options: Omit<GuestOptions, "name">): Promise<Prepared> {
  const { memMiB = 512, maxMemMiB = 2560, cpus = 1, maxCpus = 4, identity = "a" } = options;
  const image = await ensureGuest(options.monitorBundle);
  const accelerator = await findAccelerator(image.kernel);
  const machine = { memMiB, maxMemMiB, cpus, maxCpus, uuid: UUIDS[identity], accelerator };
  const state = options.restore === false ? null : await ensureState(machine, image);
  return { machine, image, state };
}

/** Resolves when its monitor and its PostgreSQL answer. */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  const { machine, image, state } = await prepareGuest(options);
  const before = options.successorOf?.place ?? null;
  const ports = before?.ports ?? null;
  const runDir = before?.runDir ?? (await makeRunDir());
  const cgroup =
    options.cgroup === true ? makeCgroup(`selfscale-${process.pid}-${options.name}`) : null;
  const disk = state?.disk ?? ({ file: image.baseDisk, format: "raw", isKept: false } as const);
  const stateFile = state?.ram ?? null;
  const qemu = await Qemu.launch({ machine, image, runDir, ports, disk, stateFile, cgroup });
  const guest = new Guest(qemu, { name: options.name, uuid: machine.uuid, cgroup });
  try {
    if (state !== null) await resume(qemu, state);
    await waitUntilReady(qemu);
    // The state's clock stands where it was saved, perhaps days ago.
    if (state !== null) await guest.exec(`date -s @${(Date.now() / 1000).toFixed(3)}`);
    if (options.monitorArgs !== undefined) await guest.restartMonitor(options.monitorArgs);
    return guest;
  } catch (error) {
    await guest.kill();
    throw error;
  }
}

/** Lets a loaded state run: it was stopped when it was saved. */
async function resume(qemu: Qemu, state: SavedState): Promise<void> {
  const qmp = await qemu.connect();
  await until(`QEMU loaded ${state.ram}`, async () => {
    if (qemu.isGone) throw new Error(`QEMU ended: ${qemu.complaints()}`);
    return (await qmp.execute("query-status", {})).status !== "inmigrate";
  });
  await qmp.execute("cont", {});
  qmp.close();
}

type GuestFacts = Readonly<{ name: string; uuid: string; cgroup: string | null }>;

export class Guest {
  readonly name: string;
  readonly pid: number;
  readonly uuid: string;
  /** Where an agent connects. */
  readonly monitorUrl: string;
  /** The monitor's host_* metrics. */
  readonly metricsUrl: string;
  /** User postgres, no password. */
  readonly pgPort: number;
  /** The QMP socket that is the agent's. */
  readonly qmpPath: string;
  /** The QMP socket that is the test's. */
  readonly truthPath: string;
  /** Absolute path of the cgroup that QEMU is in. */
  readonly cgroup: string | null;
  readonly #qemu: Qemu;

  constructor(qemu: Qemu, { name, uuid, cgroup }: GuestFacts) {
    const { ports } = qemu;
    this.name = name;
    this.pid = qemu.pid;
    this.uuid = uuid;
    this.monitorUrl = `ws://127.0.0.1:${ports.monitor}/monitor`;
    this.metricsUrl = `http://127.0.0.1:${ports.metrics}/metrics`;
    this.pgPort = ports.postgres;
    this.qmpPath = join(qemu.runDir, SOCKETS.agent);
    this.truthPath = join(qemu.runDir, SOCKETS.truth);
    this.cgroup = cgroup;
    this.#qemu = qemu;
  }

  /** What a successor takes over. */
  get place(): Readonly<{ runDir: string; ports: Ports }> {
    return { runDir: this.#qemu.runDir, ports: this.#qemu.ports };
  }

  /**
   * Runs a shell command as root in the guest. Throws ExecError if there is no whole answer in time, and what QEMU said
   * last if it ended meanwhile.
   */
  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    try {
      return await execInGuest(this.#qemu.ports.exec, command, options);
    } catch (error) {
      // The connection ends a moment before the process is known to have.
      const end = await Promise.race([this.#qemu.exited, pause(EXIT_IS_KNOWN_WITHIN_MS, null)]);
      if (end === null) throw error;
      const why = this.#qemu.complaints().trim();
      throw new Error(`QEMU ended (${end}) during ${command}\n${why}`, { cause: error });
    }
  }

  /**
   * Ends the monitor and waits for its successor, which gets these arguments too. A bundle is a file in the guest (see
   * put-file.ts), from then on the monitor that is started; without one it is the one before.
   */
  async restartMonitor(args: readonly string[], bundle?: string): Promise<void> {
    const words = args.map((arg) => `'${arg.replaceAll("'", `'\\''`)}'`).join(" ");
    const { code, stderr } = await this.exec(`BUNDLE=${bundle ?? ""} restart-monitor ${words}`);
    if (code !== 0) throw new Error(`the monitor was not restarted: ${stderr}`);
    await waitForMonitor(this.#qemu);
  }

  /** What the guest wrote to its serial console. */
  consoleLog(): string {
    return this.#qemu.console();
  }

  /** Resolves when QEMU is gone, with its exit code or signal. */
  get exited(): Promise<number | string> {
    return this.#qemu.exited;
  }

  /** Presses the power button and waits; a guest that does not react in time is killed. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => void this.kill(), SHUTDOWN_WITHIN_MS);
    try {
      const qmp = await this.#qemu.connect();
      await qmp.execute("system_powerdown", {});
      await this.#qemu.exited;
    } finally {
      clearTimeout(timer);
      await this.kill();
    }
  }

  /** Ends QEMU at once. Afterwards nothing of the guest is left. Harmless when repeated. */
  async kill(): Promise<void> {
    await this.#qemu.kill();
  }
}
