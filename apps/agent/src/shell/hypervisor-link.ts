import { setTimeout as delay } from "node:timers/promises";
import { type MonoMs, type VmEvent } from "@selfscale/core";
import { QmpConnectError, type QmpAddress, type QmpEvent } from "@selfscale/qmp";
import { Hypervisor, type HypervisorOptions } from "../hypervisor/hypervisor.ts";
import { mayStillListen } from "../hypervisor/listening.ts";
import { isConnectionGood, outcomeOf, sayError } from "../hypervisor/outcome.ts";
import { Backoff } from "./backoff.ts";
import { type ShellTimers } from "./timers.ts";

/** Events of QEMU can be caused by a guest; more often than this they are not followed at once. */
const NEWS_EVERY_MS = 50;

export type HypervisorLinkOptions = Readonly<{
  hypervisor: HypervisorOptions;
  timers: ShellTimers;
  now: () => MonoMs;
  onEvent: (event: VmEvent) => void;
  /** QEMU is known to have ended: nothing listens on its socket any more. */
  onGone: () => void;
  count: (what: "attaches" | "observations" | "commandsDone" | "commandsFailed") => void;
}>;

type Attached = {
  readonly qemu: Hypervisor;
  observing: "no" | "once" | "again";
  observedAt: MonoMs;
  newsTimer: NodeJS.Timeout | null;
  /** QEMU's own word for why it ends, when it said one. */
  shutdownReason: string | null;
};

/** The connection to one VM's QEMU: attaches, attaches again, runs commands in order, observes. */
export class HypervisorLink {
  readonly #options: HypervisorLinkOptions;
  readonly #stop = new AbortController();
  #attached: Attached | null = null;
  #done: Promise<void> = Promise.resolve();
  /** One after the other per resource; a vCPU that takes seconds must not delay memory. */
  #memoryLane: Promise<void> = Promise.resolve();
  #cpuLane: Promise<void> = Promise.resolve();

  constructor(options: HypervisorLinkOptions) {
    this.#options = options;
  }

  start(): void {
    this.#done = this.#keepAttached();
  }

  /** Lets go of QEMU; what was told stays told. Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    if (this.#attached !== null) this.#lose(this.#attached, "the agent is stopping");
    await this.#done;
  }

  setMemory(attempt: number, requestedBytes: number): void {
    this.#memoryLane = this.#memoryLane.then(() =>
      this.#command(attempt, (qemu) => qemu.setRequested(requestedBytes)),
    );
  }

  plugCpus(attempt: number, vcpus: number): void {
    this.#cpuLane = this.#cpuLane.then(() =>
      this.#command(attempt, (qemu) => qemu.plugCpus(vcpus)),
    );
  }

  /** Reads everything; never two readings at once, and the last one begins after the last call. */
  observe(): void {
    const attached = this.#attached;
    if (attached === null) return;
    if (attached.observing === "no") void this.#observe(attached);
    else attached.observing = "again";
  }

  /** Reads the kernel's part of what is observed, at once; nothing is asked of QEMU. */
  readCpu(): void {
    const attached = this.#attached;
    if (attached === null) return;
    this.#options.onEvent({ kind: "cpu-read", cpu: attached.qemu.readCpu() });
  }

  /** Never rejects: what goes wrong is an event. */
  async #command(attempt: number, run: (qemu: Hypervisor) => Promise<void>): Promise<void> {
    const { onEvent, count } = this.#options;
    const attached = this.#attached;
    try {
      if (attached === null) throw new Error("QEMU is not attached");
      await run(attached.qemu);
      count("commandsDone");
      onEvent({ kind: "command-settled", attempt, outcome: "done", problem: null });
    } catch (error) {
      count("commandsFailed");
      const [outcome, problem] = [outcomeOf(error), sayError(error)];
      onEvent({ kind: "command-settled", attempt, outcome, problem });
      // A connection that lost or ignored a command is not trusted any more.
      if (attached !== null && !isConnectionGood(error)) this.#lose(attached, problem);
    }
  }

  /** Never rejects either. */
  async #observe(attached: Attached): Promise<void> {
    const { onEvent, count, now } = this.#options;
    try {
      do {
        attached.observing = "once";
        const facts = await attached.qemu.observe();
        attached.observedAt = now();
        count("observations");
        if (this.#attached === attached) onEvent({ kind: "hypervisor-observed", facts });
      } while (isAskedAgain(attached) && this.#attached === attached);
      attached.observing = "no";
    } catch (error) {
      // What can't be read can't be resized, whosever fault it is.
      this.#lose(attached, sayError(error));
    }
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #lose(attached: Attached, problem: string): void {
    if (this.#attached !== attached) return;
    this.#attached = null;
    if (attached.newsTimer !== null) clearTimeout(attached.newsTimer);
    attached.qemu.close();
    if (!this.#isStopped()) this.#options.onEvent({ kind: "hypervisor-lost", problem });
  }

  async #keepAttached(): Promise<void> {
    const { timers, now, onEvent, onGone } = this.#options;
    const { signal } = this.#stop;
    const backoff = new Backoff({ minMs: timers.reconnectMinMs, maxMs: timers.reconnectMaxMs });
    // Who was never attached to has most likely not been started yet.
    let wasClosedByQemu = true;
    while (!signal.aborted) {
      const startedAt = now();
      try {
        const attached = await this.#attach();
        const end = await attached.qemu.closed;
        wasClosedByQemu = end.reason === "ended-by-peer";
        const { shutdownReason } = attached;
        const how = shutdownReason === null ? end.message : `QEMU ended (${shutdownReason})`;
        this.#lose(attached, how);
      } catch (error) {
        if (this.#isStopped()) return;
        const isGone = await isKnownGone(error, wasClosedByQemu, this.#options.hypervisor.address);
        if (this.#isStopped()) return;
        if (isGone) onGone();
        onEvent({ kind: "hypervisor-lost", problem: sayError(error) });
      }
      if (now() - startedAt >= timers.reconnectResetMs) backoff.reset();
      // Aborted while waiting: the loop's own condition ends it.
      await delay(backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }

  async #attach(): Promise<Attached> {
    const { hypervisor, onEvent, count, now } = this.#options;
    const { signal } = this.#stop;
    const qemu = await Hypervisor.attach(hypervisor, signal);
    const attached: Attached = {
      qemu,
      observing: "no",
      observedAt: now(),
      newsTimer: null,
      shutdownReason: null,
    };
    try {
      // Listening first: what changes while we read is then read again.
      qemu.onNews((event) => this.#followNews(attached, event));
      const facts = await qemu.observe();
      this.#attached = attached;
      count("attaches");
      onEvent({ kind: "hypervisor-attached", facts });
      if (isAskedAgain(attached)) {
        attached.observing = "no";
        this.observe();
      }
      return attached;
    } catch (error) {
      qemu.close();
      throw error;
    }
  }

  #followNews(attached: Attached, event: QmpEvent): void {
    if (event.known && event.name === "SHUTDOWN") attached.shutdownReason = event.data.reason;
    if (attached.newsTimer !== null) return;
    if (this.#attached !== attached) {
      attached.observing = "again"; // still attaching: read once more when that is done
      return;
    }
    const dueMs = attached.observedAt + NEWS_EVERY_MS - this.#options.now();
    if (dueMs <= 0) this.observe();
    else {
      attached.newsTimer = setTimeout(() => {
        attached.newsTimer = null;
        this.observe();
      }, dueMs);
    }
  }
}

function isAskedAgain(attached: Attached): boolean {
  return attached.observing === "again";
}

/**
 * The kernel's word that no process listens there. A missing socket file alone may only have been removed by somebody:
 * then whoever was bound to it still is.
 */
async function isKnownGone(
  error: unknown,
  wasClosedByQemu: boolean,
  address: QmpAddress,
): Promise<boolean> {
  if (!(error instanceof QmpConnectError)) return false;
  if (error.reason === "refused") return true;
  return error.reason === "absent" && wasClosedByQemu && !(await mayStillListen(address));
}
