import { type CpuFacts, type HypervisorFacts, type MonoMs } from "@selfscale/core";
import { type QmpEnd, type QmpEvent } from "@selfscale/qmp";
import { CgroupError, type Cgroup } from "./cgroup.ts";
import { CpuWindow, type CpuSample } from "./cpu-window.ts";
import { readProcessId, readQemuCpuUs } from "./process.ts";
import { Qemu, type QemuOptions } from "./qemu.ts";

export type HypervisorOptions = QemuOptions &
  Readonly<{
    /** null: no quota can be set. */
    cgroup: Cgroup | null;
    /** QEMU's thread ids are this machine's too: its QMP is a local socket. */
    isLocal: boolean;
    cpuWindowMs: number;
    now: () => MonoMs;
    /** The quota can't be read, or limits nothing. Said each time; the listener says it once. */
    onCgroupProblem: (problem: string) => void;
  }>;

/** One attached QEMU and the kernel's word on it: the source of all facts about a VM's size. */
export class Hypervisor {
  readonly #qemu: Qemu;
  readonly #options: HypervisorOptions;
  readonly #window: CpuWindow;
  #isPlaceChecked = false;
  /** Of the first vCPU, as last observed; null before. */
  #threadId: number | null = null;

  private constructor(qemu: Qemu, options: HypervisorOptions) {
    this.#qemu = qemu;
    this.#options = options;
    this.#window = new CpuWindow(options.cpuWindowMs);
  }

  static async attach(options: HypervisorOptions, signal: AbortSignal): Promise<Hypervisor> {
    return new Hypervisor(await Qemu.attach(options, signal), options);
  }

  get closed(): Promise<QmpEnd> {
    return this.#qemu.closed;
  }

  close(): void {
    this.#qemu.close();
  }

  onNews(listener: (event: QmpEvent) => void): void {
    this.#qemu.onNews(listener);
  }

  async observe(): Promise<HypervisorFacts> {
    const { threadId, ...facts } = await this.#qemu.observe();
    if (!this.#isPlaceChecked) this.#checkPlace(threadId);
    this.#isPlaceChecked = true;
    this.#threadId = threadId;
    // In this order: of an object that is spread and then added to, node 20 makes a hidden class of its own.
    const { quotaMilliCpu, cpuUsedMilli, throttledShare } = this.readCpu();
    return { quotaMilliCpu, cpuUsedMilli, throttledShare, ...facts };
  }

  /** The kernel's part of the facts. Plain file reads of some microseconds each. */
  readCpu(): CpuFacts {
    const quota = this.#readQuota();
    return {
      quotaMilliCpu: quota,
      cpuUsedMilli: this.#window.usedMilli,
      throttledShare: quota === null ? null : this.#window.throttledShare,
    };
  }

  setRequested(requestedBytes: number): Promise<void> {
    return this.#qemu.setRequested(requestedBytes);
  }

  plugCpus(vcpus: number): Promise<void> {
    return this.#qemu.plugCpus(vcpus);
  }

  /** Reads the quota and takes one sample of use; null when there is no limit or no reading. */
  #readQuota(): number | null {
    const { cgroup, now } = this.#options;
    const at = now();
    try {
      const quota = cgroup?.readQuota() ?? null;
      const periods = quota === null ? null : (cgroup?.readPeriods() ?? null);
      this.#window.add({ at, usageUs: this.#readUsageUs(), periods });
      return quota;
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error;
      this.#options.onCgroupProblem(error.message);
      this.#window.add({ at, usageUs: null, periods: null });
      return null;
    }
  }

  #readUsageUs(): CpuSample["usageUs"] {
    const { cgroup, isLocal } = this.#options;
    const counted = cgroup?.readUsageUs() ?? null;
    if (counted !== null) return counted;
    if (isLocal) return this.#threadId === null ? null : readQemuCpuUs(this.#threadId);
    // Over TCP a thread id may be another machine's, but the cgroup is this one's.
    return (
      cgroup
        ?.readPids()
        .map(readQemuCpuUs)
        .find((us) => us !== null) ?? null
    );
  }

  /** Whoever starts QEMU puts it into its cgroup. If nobody did, the quota is a number on paper. */
  #checkPlace(threadId: number): void {
    const { cgroup, isLocal, onCgroupProblem } = this.#options;
    const pid = isLocal ? readProcessId(threadId) : null;
    if (cgroup === null || pid === null) return;
    try {
      if (!cgroup.holds(pid)) {
        onCgroupProblem(
          `${cgroup.folder} does not hold QEMU (process ${pid}): its CPU is not limited`,
        );
      }
    } catch (error) {
      onCgroupProblem(error instanceof Error ? error.message : String(error));
    }
  }
}
