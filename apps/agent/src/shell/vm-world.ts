import { type Claim, type MonoMs, type VmAction, type VmEvent } from "@selfscale/core";
import { type Recorder } from "@selfscale/recording";
import { type VmConfig } from "../config/load.ts";
import { CgroupError } from "../hypervisor/cgroup.ts";
import { sayError } from "../hypervisor/outcome.ts";
import { type Log } from "../log.ts";
import { MetricsReader } from "../metrics/reader.ts";
import { metricsSources } from "../metrics/sources.ts";
import { ChangedReason } from "./changed-reason.ts";
import { type Counters } from "./counters.ts";
import { HypervisorLink } from "./hypervisor-link.ts";
import { Mailbox } from "./mailbox.ts";
import { MonitorLink } from "./monitor-link.ts";
import { type Observer } from "./observer.ts";
import { type ShellTimers } from "./timers.ts";
import { type World } from "./vm-loop.ts";

/** The node, as one VM sees it. */
export type NodePort = Readonly<{
  /** Ask for room. The answer comes as `permit-changed`. */
  claim: (claim: Claim) => void;
  /** This VM's QEMU is known to have ended. */
  leave: () => void;
}>;

export type VmWorldOptions = Readonly<{
  vm: VmConfig;
  timers: ShellTimers;
  log: Log;
  counters: Counters;
  recorder: Recorder | null;
  observer: Observer;
  node: NodePort;
  now: () => MonoMs;
  random: () => number;
}>;

/** One VM's sockets and files: turns what happens into events, and actions into what happens. */
export class VmWorld implements World {
  readonly #options: VmWorldOptions;
  readonly #mailbox: Mailbox;
  readonly #hypervisor: HypervisorLink;
  readonly #monitor: MonitorLink;
  readonly #metrics: MetricsReader;
  readonly #dialProblem = new ChangedReason();
  readonly #cgroupProblem = new ChangedReason();

  constructor(options: VmWorldOptions) {
    this.#options = options;
    const { vm, now } = options;
    this.#mailbox = new Mailbox(now);
    this.#hypervisor = this.#newHypervisorLink();
    this.#monitor = this.#newMonitorLink();
    this.#metrics = new MetricsReader({
      ...options,
      sources: metricsSources(vm, options.timers),
      onMetrics: (metrics) => this.tell({ kind: "metrics-scraped", metrics }),
    });
  }

  start(): void {
    this.#hypervisor.start();
    this.#monitor.start();
  }

  /** The monitor's link only: the machine then settles what is in flight, and shrinks no more. */
  hangUp(): void {
    this.#monitor.stop();
    this.#metrics.setWanted(false);
  }

  async stop(): Promise<void> {
    this.hangUp();
    await this.#hypervisor.stop();
    this.#mailbox.close();
  }

  /** From the node, or from the operator. */
  tell(event: VmEvent): void {
    this.#mailbox.push(event);
  }

  now(): MonoMs {
    return this.#options.now();
  }

  nextEvent(deadline: MonoMs | null, signal: AbortSignal): Promise<VmEvent> {
    return this.#mailbox.next(deadline, signal);
  }

  perform(action: VmAction): void {
    switch (action.kind) {
      case "set-memory":
        this.#hypervisor.setMemory(action.attempt, action.requestedBytes);
        break;
      case "plug-cpu":
        this.#hypervisor.plugCpus(action.attempt, action.vcpus);
        break;
      case "set-quota":
        this.#setQuota(action.attempt, action.milliCpu);
        break;
      case "observe":
        this.#hypervisor.observe();
        break;
      case "read-cpu":
        this.#hypervisor.readCpu();
        break;
      case "send-frame":
        this.#monitor.send(action.link, action.text);
        break;
      case "close-link":
        this.#monitor.close(action.link, action.code, action.reason);
        break;
      case "seek-permit":
        this.#options.node.claim(action.claim);
        break;
      case "scrape":
        this.#metrics.setWanted(action.isWanted);
        break;
      case "explain": // the loop's witness has logged and kept it
        break;
      default:
        action satisfies never;
    }
  }

  #setQuota(attempt: number, milliCpu: number): void {
    const { counters, vm } = this.#options;
    try {
      if (vm.cgroup === null) throw new CgroupError("no cgroup is configured");
      vm.cgroup.writeQuota(milliCpu);
      counters.add("commandsDone");
      this.tell({ kind: "command-settled", attempt, outcome: "done", problem: null });
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error;
      counters.add("commandsFailed");
      const problem = sayError(error);
      this.tell({ kind: "command-settled", attempt, outcome: "refused", problem });
    }
  }

  #newHypervisorLink(): HypervisorLink {
    const { vm, timers, now, counters, node, log } = this.#options;
    return new HypervisorLink({
      hypervisor: {
        address: vm.qmp,
        memoryDevice: vm.memoryDevice,
        // Read at each attach: the configuration may change meanwhile.
        get greetingMs() {
          return timers.qmpGreetingMs;
        },
        get commandMs() {
          return timers.qmpCommandMs;
        },
        cgroup: vm.cgroup,
        isLocal: vm.qmp.kind === "unix",
        get cpuWindowMs() {
          return timers.cpuWindowMs;
        },
        now,
        onCgroupProblem: (problem) => {
          if (this.#cgroupProblem.isNews(problem))
            log.warn({ problem }, "something is wrong with the cgroup");
        },
      },
      timers,
      now,
      onEvent: (event) => this.tell(event),
      onGone: node.leave,
      count: (what) => counters.add(what),
    });
  }

  #newMonitorLink(): MonitorLink {
    const { vm, timers, now, counters, recorder, log } = this.#options;
    const peer = { vm: vm.spec.name, address: vm.monitorUrl };
    return new MonitorLink({
      url: vm.monitorUrl,
      tokenFile: vm.tokenFile,
      tls: vm.tls,
      timers,
      now,
      onEvent: (event) => {
        if (event.kind === "link-opened") this.#dialProblem.clear();
        this.tell(event);
      },
      // Retries are many; what keeps the monitor out of reach is said once.
      onDialFailed: (problem) => {
        if (this.#dialProblem.isNews(problem))
          log.warn({ problem }, "the monitor can't be reached");
      },
      count: (what) => counters.add(what),
      record: () => recorder?.connection(peer) ?? null,
    });
  }
}
