// One VM's loop in the agent: steps the core's machine, performs what it wants, dials the monitor, scrapes metrics.
// A copy in virtual time of apps/agent's loop and world.
import {
  initialVm,
  stepVm,
  vmWakeAt,
  type AgentTimers,
  type Claim,
  type VmAction,
  type VmEvent,
  type VmSpec,
  type VmState,
} from "@selfscale/core";
import { type Clock } from "../clock.ts";
import { type Random } from "../random.ts";
import { type Machine } from "../vm/machine.ts";
import { type Connection, type Dialer, type Network } from "../wire.ts";
import { Backoff } from "./backoff.ts";
import { QmpLink, type QmpManners } from "./qmp-link.ts";

const SCRAPE_EVERY_MS = 5_000;

/** Sees what the machine learns before it does, and what it wants before it is done; may change the latter. */
export type AgentWitness = Readonly<{
  learns: (event: VmEvent) => void;
  stepped: (event: VmEvent, actions: readonly VmAction[]) => readonly VmAction[];
}>;

export type VmAgentOptions = Readonly<{
  clock: Clock;
  random: Random;
  spec: VmSpec;
  timers: AgentTimers;
  sliceBytes: number;
  machine: Machine;
  network: Network;
  qmpManners: QmpManners;
  /** The kernel does not take quotas now. */
  refusesQuota: () => boolean;
  canScrape: () => boolean;
  witness: AgentWitness;
  claim: (claim: Claim) => void;
  leave: () => void;
}>;

export class VmAgent {
  steps = 0;
  ticks = 0;
  readonly #options: VmAgentOptions;
  readonly #qmp: QmpLink;
  readonly #backoff: Backoff;
  #state: VmState;
  #isStopped = false;
  #links = 0;
  #connection: { link: number; wire: Connection; openedAt: number | null } | null = null;
  #armedFor = Infinity;
  /** When the machine wants to be woken, as it said after its last step. */
  #wakeAt: number | null = null;
  #scraping = 0;
  readonly #mailbox: VmEvent[] = [];
  #isStepping = false;
  #isStill = false;

  constructor(options: VmAgentOptions) {
    this.#options = options;
    const { clock, random, spec, timers, sliceBytes, machine, qmpManners } = options;
    this.#state = initialVm(spec, timers, sliceBytes);
    this.#backoff = new Backoff(random);
    this.#qmp = new QmpLink({
      clock,
      random,
      machine,
      manners: qmpManners,
      onEvent: (event) => this.tell(event),
      onGone: options.leave,
    });
  }

  get stateSize(): number {
    return JSON.stringify(this.#state).length;
  }

  get qmp(): QmpLink {
    return this.#qmp;
  }

  start(): void {
    this.#qmp.start();
    this.#dial();
  }

  /** Killed: the kernel closes its sockets, nothing more is done. */
  kill(): void {
    this.#isStopped = true;
    this.#qmp.stop();
    this.#connection?.wire.hangUp("ECONNRESET");
  }

  tell(event: VmEvent): void {
    if (this.#isStopped) return;
    this.#mailbox.push(event);
    if (this.#isStill || this.#isStepping) return;
    this.#work();
  }

  /** The process is stopped: what happens waits for it. */
  standStill(): void {
    this.#isStill = true;
  }

  goOn(): void {
    if (!this.#isStill) return;
    this.#isStill = false;
    if (!this.#isStopped) this.#work();
  }

  #work(): void {
    this.#isStepping = true;
    for (let next = this.#mailbox.shift(); next !== undefined; next = this.#mailbox.shift()) {
      this.#step(next);
    }
    this.#isStepping = false;
    this.#arm();
  }

  #step(event: VmEvent): void {
    const { clock, witness } = this.#options;
    this.steps += 1;
    witness.learns(event);
    const [after, actions] = stepVm(this.#state, event, clock.now);
    this.#state = after;
    for (const action of witness.stepped(event, actions)) this.#perform(action);
  }

  #arm(): void {
    if (this.#isStopped) return;
    const wakeAt = vmWakeAt(this.#state);
    this.#wakeAt = wakeAt;
    if (wakeAt === null) return;
    const { clock } = this.#options;
    const at = Math.max(clock.now, Math.ceil(wakeAt));
    if (at >= this.#armedFor && this.#armedFor > clock.now) return;
    this.#armedFor = at;
    clock.at(at, () => {
      if (this.#armedFor !== at || this.#isStopped) return;
      this.#armedFor = Infinity;
      if (this.#isStill) return; // armed again when it goes on
      if (this.#wakeAt !== null && this.#wakeAt <= clock.now) {
        this.ticks += 1;
        this.tell({ kind: "tick" });
      } else this.#arm();
    });
  }

  #perform(action: VmAction): void {
    switch (action.kind) {
      case "set-memory":
        this.#qmp.setMemory(action.attempt, action.requestedBytes);
        return;
      case "plug-cpu":
        this.#qmp.plugCpus(action.attempt, action.vcpus);
        return;
      case "set-quota":
        this.#setQuota(action.attempt, action.milliCpu);
        return;
      case "observe":
        this.#qmp.observe();
        return;
      case "read-cpu":
        this.#readCpu();
        return;
      case "send-frame":
        if (this.#connection?.link === action.link) this.#connection.wire.say(action.text);
        return;
      case "close-link":
        if (this.#connection?.link === action.link) {
          this.#connection.wire.hangUp(action.reason);
          this.#ended(action.link, action.reason);
        }
        return;
      case "seek-permit":
        this.#options.claim(action.claim);
        return;
      case "scrape":
        this.#scraping += 1;
        if (action.isWanted) this.#scrapeLater(this.#scraping, SCRAPE_EVERY_MS / 2);
        return;
      case "explain":
        return;
      default:
        action satisfies never;
    }
  }

  /** The kernel's word, whether QEMU answers or not. */
  #readCpu(): void {
    const { machine, clock } = this.#options;
    if (!machine.isThere) return;
    const { quotaMilliCpu, cpuUsedMilli, throttledShare } = machine.facts(clock.now);
    this.tell({ kind: "cpu-read", cpu: { quotaMilliCpu, cpuUsedMilli, throttledShare } });
  }

  #setQuota(attempt: number, milliCpu: number): void {
    const { machine, clock, refusesQuota } = this.#options;
    machine.advance(clock.now);
    const isRefused = refusesQuota() || !machine.isThere;
    if (!isRefused) machine.quotaMilli = milliCpu;
    const problem = isRefused ? "EINVAL: cpu.max" : null;
    const outcome = isRefused ? "refused" : "done";
    this.tell({ kind: "command-settled", attempt, outcome, problem });
  }

  #dial(): void {
    if (this.#isStopped) return;
    const link = (this.#links += 1);
    const { clock, network } = this.#options;
    const dialer: Dialer = {
      opened: () => {
        if (this.#isStopped) {
          wire.hangUp("ECONNRESET");
          return;
        }
        this.#connection = { link, wire, openedAt: clock.now };
        this.tell({ kind: "link-opened", link });
      },
      failed: (_wire, problem) => {
        this.tell({ kind: "link-closed", link, problem: `no connection: ${problem}` });
        this.#redial();
      },
      heard: (_wire, text) => this.tell({ kind: "frame-received", link, text }),
      closed: (_wire, problem) => this.#ended(link, problem),
    };
    const wire = network.dial(dialer);
  }

  #ended(link: number, problem: string): void {
    const connection = this.#connection;
    if (connection?.link !== link || this.#isStopped) return;
    this.#connection = null;
    const { clock } = this.#options;
    this.#backoff.lived(clock.now - (connection.openedAt ?? clock.now));
    this.tell({ kind: "link-closed", link, problem });
    this.#redial();
  }

  #redial(): void {
    if (this.#isStopped) return;
    this.#options.clock.after(this.#backoff.next(), () => this.#dial());
  }

  #scrapeLater(run: number, ms: number): void {
    const { clock, machine, canScrape } = this.#options;
    clock.after(ms, () => {
      if (this.#isStopped || run !== this.#scraping) return;
      machine.advance(clock.now);
      if (canScrape() && machine.isRunning) {
        this.tell({ kind: "metrics-scraped", metrics: machine.guest.readMetrics() });
      }
      this.#scrapeLater(run, SCRAPE_EVERY_MS);
    });
  }
}
