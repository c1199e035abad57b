// Plays a story: the core as it ships, agent, arbiter and monitors, in a world of simulated machines and wires, with
// watchers beside it. Pure: the same story ends the same way.
import {
  AGENT_TIMERS,
  type AgentTimers,
  type Capacity,
  type MonitorAction,
  type VmAction,
  type VmEvent,
} from "@selfscale/core";
import { AgentProcess, type NodeWitness, type VmOptions } from "./agent/agent-process.ts";
import { type AgentWitness } from "./agent/vm-agent.ts";
import { capacityOf, roomFor, takenBy, toldBy } from "./capacity.ts";
import { Clock } from "./clock.ts";
import { beginFault, endFault } from "./deeds.ts";
import { Digest } from "./digest.ts";
import { problemOf, type Outcome, type Problem, type RunOptions } from "./outcome.ts";
import { Random } from "./random.ts";
import { boundsOf, Seat } from "./seat.ts";
import { haveRoom, memberOf, specOf } from "./operator-file.ts";
import { type Fault } from "./story/faults.ts";
import { type Story } from "./story/story.ts";
import { MIB } from "./units.ts";
import { intrude } from "./vm/intruder.ts";
import { type MonitorWitness } from "./vm/monitor-process.ts";
import { ConnectionBook } from "./watch/connection-book.ts";
import { judgeEndings } from "./watch/convergence.ts";
import { endingOf, QUIET_MS, type QuietStart } from "./watch/ending.ts";
import { type MonitorWatch } from "./watch/monitor-watch.ts";
import { NodeWatch } from "./watch/node-watch.ts";
import { judgeRecords } from "./watch/record-watch.ts";
import { SizeWatch } from "./watch/size-watch.ts";
import { WorkWatch } from "./watch/work-watch.ts";

/** Worlds begin at a time that is nobody's zero. */
const START_MS = 1_000_000;
const SLICE_BYTES = 256 * MIB;
/** An operator's settings for a story that must be short: the longest pauses are seconds, and idle VMs are left alone. */
const SHORT_TIMERS: Partial<AgentTimers> = {
  retryMaxMs: 20_000,
  metricsModeAfterMs: 10_000,
  metricsFreshMs: 20_000,
  levelFreshMs: 20_000,
  observeIdleMs: 2_000,
};

export function runWorld(story: Story, options: RunOptions = {}): Outcome {
  return new World(story, options).run();
}

export class World {
  readonly clock = new Clock(START_MS);
  readonly #story: Story;
  readonly #options: RunOptions;
  readonly #digest = new Digest();
  readonly #timers: AgentTimers;
  readonly #seats: readonly Seat[];
  readonly #counts = { agentSteps: 0, monitorSteps: 0, commands: 0, frames: 0 };
  readonly #work: WorkWatch;
  #agent: AgentProcess | null = null;
  #agents = 0;
  #crashes = 0;
  #stops = 0;
  #capacity: Capacity;
  #nodeWatch: NodeWatch | null = null;
  #sizeWatches: readonly SizeWatch[] = [];

  constructor(story: Story, options: RunOptions) {
    this.#story = story;
    this.#options = options;
    const { seed, vms, memoryEveryMs, cpuEveryMs, patience, node } = story;
    this.#timers = patience === "short" ? { ...AGENT_TIMERS, ...SHORT_TIMERS } : AGENT_TIMERS;
    this.#capacity = capacityOf(node, 1);
    this.#seats = vms.map((plan, index) => {
      const random = Random.of(seed, index);
      const cadence = { memoryEveryMs, cpuEveryMs };
      const witness = (seat: Seat, watch: MonitorWatch) => this.#monitorWitness(seat, watch);
      return new Seat({ index, plan, clock: this.clock, random, cadence, witness });
    });
    this.#work = new WorkWatch(this.#seats);
  }

  run(): Outcome {
    let problem: Problem | null = null;
    try {
      this.#play();
    } catch (error) {
      problem = problemOf(error, this.clock.now - START_MS);
    }
    const counts = { events: this.clock.events, ...this.#counts };
    return { problem, digest: this.#digest.hex, counts };
  }

  #play(): void {
    const { clock } = this;
    const { hostileMs, healthyMs, faults, demands } = this.#story;
    for (const seat of this.#seats) seat.refresh();
    this.startAgent();
    const endAt = START_MS + hostileMs;
    for (const demand of demands) {
      const seat = this.#seats[demand.vm];
      clock.at(START_MS + demand.at, () => {
        seat?.machine.advance(clock.now);
        const { milliCpu, anonMib, cacheMib } = demand;
        seat?.machine.need({ milliCpu, anonBytes: anonMib * MIB, cacheBytes: cacheMib * MIB });
      });
    }
    for (const fault of faults) this.#plan(fault, endAt);
    clock.after(WorkWatch.EVERY_MS, () => this.#watchWork());
    clock.runUntil(endAt + healthyMs - QUIET_MS);
    const quiet = this.#seats.map((seat): QuietStart => {
      // What is said again changes nothing.
      seat.book?.repeatWish((link, text) => {
        this.#agent?.vms[seat.index]?.tell({ kind: "frame-received", link, text });
      });
      const { guest, memBytes } = seat.machine;
      return { tally: { ...seat.tally, ...this.#ticks(seat) }, memBytes, oomKills: guest.oomKills };
    });
    clock.runUntil(endAt + healthyMs);
    const endings = this.#seats.map((seat, index) => {
      seat.machine.advance(clock.now);
      const before = quiet[index];
      if (before === undefined) throw new Error("a seat is missing");
      return endingOf(seat, before, { ...seat.tally, ...this.#ticks(seat) }, clock.now);
    });
    judgeEndings(endings, this.#capacity);
  }

  #plan(fault: Fault, endAt: number): void {
    const seat = this.#seats[fault.vm];
    if (seat === undefined) return;
    const { clock } = this;
    const begin = Math.min(endAt, START_MS + fault.at);
    clock.at(begin, () => {
      this.#tell(fault.vm, `fault ${fault.kind} ${fault.amount} for ${fault.forMs} ms`);
      const active: Fault = {
        ...fault,
        at: clock.now,
        forMs: Math.min(fault.forMs, endAt - begin),
      };
      beginFault(this, seat, active);
      clock.after(active.forMs, () => {
        this.#tell(fault.vm, `fault ${fault.kind} is over`);
        endFault(this, seat, active);
      });
    });
  }

  #ticks({ index, monitor }: Seat): { agentTicks: number; monitorTicks: number } {
    return {
      agentTicks: this.#agent?.vms[index]?.ticks ?? 0,
      monitorTicks: monitor?.ticks ?? 0,
    };
  }

  #watchWork(): void {
    this.#work.judge((vm) => this.#agent?.vms[vm]?.stateSize ?? 0);
    this.clock.after(WorkWatch.EVERY_MS, () => this.#watchWork());
  }

  startAgent(): void {
    this.#crashes = Math.max(0, this.#crashes - 1);
    if (this.#crashes > 0 || this.#agent !== null) return;
    this.#agents += 1;
    const specs = this.#seats.map((seat) => specOf(seat));
    this.#nodeWatch = new NodeWatch(this.#capacity, this.#seats.map(memberOf));
    this.#sizeWatches = specs.map((spec, vm) => new SizeWatch(vm, spec, this.#timers, SLICE_BYTES));
    const vms = this.#seats.map((seat, vm): VmOptions => {
      seat.book = null;
      const spec = specs[vm];
      const watch = this.#sizeWatches[vm];
      if (spec === undefined || watch === undefined) throw new Error("a seat is missing");
      return {
        random: Random.of(this.#story.seed, 100 * this.#agents + vm),
        spec,
        weight: seat.plan.weight,
        priority: seat.plan.priority,
        timers: this.#timers,
        sliceBytes: SLICE_BYTES,
        machine: seat.machine,
        network: seat.network,
        qmpManners: seat.qmpManners,
        refusesQuota: () => seat.active("quota-refused") !== null,
        canScrape: () => seat.active("scrape-fails") === null,
        witness: this.#agentWitness(seat, watch),
      };
    });
    this.#agent = new AgentProcess(this.clock, this.#capacity, vms, this.#nodeWitness());
    this.#agent.start();
  }

  killAgent(): void {
    this.#crashes += 1;
    this.#agent?.kill();
    this.#agent = null;
    for (const seat of this.#seats) seat.book = null;
  }

  stopAgent(): void {
    this.#stops += 1;
    this.#agent?.standStill();
  }

  continueAgent(): void {
    this.#stops -= 1;
    if (this.#stops === 0) this.#agent?.goOn();
  }

  restartAgent(): void {
    if (this.#agent === null) return;
    this.killAgent();
    this.startAgent();
  }

  breakQmp(seat: Seat, problem: string): void {
    this.#agent?.vms[seat.index]?.qmp.broke(problem);
  }

  intrude(seat: Seat, fault: Fault): void {
    const random = Random.of(this.#story.seed, 1_000_000 + fault.at);
    intrude(this.clock, random, seat.network, fault.forMs);
  }

  setBounds(seat: Seat, share: number): void {
    seat.shares.most = share;
    this.#boundsChanged(seat);
  }

  setLeast(seat: Seat, share: number): void {
    seat.shares.least = share;
    this.#boundsChanged(seat);
  }

  #boundsChanged(seat: Seat): void {
    const bounds = boundsOf(seat.plan, seat.shares);
    // An operator's file whose minimums do not fit the node is refused.
    const others = this.#seats.filter((one) => one !== seat).map((one) => one.bounds.min);
    const fits = haveRoom([bounds.min, ...others], roomFor(this.#seats.length, this.#capacity));
    if (!fits && seat.shares.least > 0) return;
    seat.bounds = bounds;
    const watch = this.#sizeWatches[seat.index];
    if (watch !== undefined) watch.bounds = seat.bounds;
    this.#agent?.rebound(seat.index, this.#seats.map(memberOf), seat.bounds);
  }

  /** The node changes under the agent, or while it is started anew. */
  setCapacity(share: number, isRestarted: boolean): void {
    this.#capacity = capacityOf(this.#story.node, share);
    if (isRestarted) this.restartAgent();
    else this.#agent?.resize(this.#capacity);
  }

  #agentWitness(seat: Seat, watch: SizeWatch): AgentWitness {
    return {
      learns: (event) => {
        this.#counts.agentSteps += 1;
        this.#learns(seat, watch, event);
      },
      stepped: (_event, wanted) => {
        const { sabotage } = this.#options;
        const actions = sabotage?.agent?.(seat.index, wanted, this.clock.now) ?? wanted;
        if (actions.length > 0) this.#acts(seat, watch, actions);
        return actions;
      },
    };
  }

  #learns(seat: Seat, watch: SizeWatch, event: VmEvent): void {
    const { now } = this.clock;
    const { index } = seat;
    if (event.kind === "tick") return;
    switch (event.kind) {
      case "hypervisor-attached":
        watch.read(event.facts);
        this.#nodeWatch?.attached(index, watch.mostHeld(event.facts));
        break;
      case "hypervisor-observed":
      case "cpu-read":
        watch.look(event);
        return; // a look is no news
      case "hypervisor-lost":
        watch.lost();
        this.#nodeWatch?.lost(index);
        break;
      case "command-settled":
        watch.settled(event.attempt);
        this.#nodeWatch?.settled(index);
        break;
      case "link-opened":
        seat.book = new ConnectionBook(event.link, seat.agentMax);
        break;
      case "frame-received":
        if (seat.book?.link === event.link) seat.book.hear(event.text, now);
        this.#tell(index, `< ${event.text}`);
        return;
      case "link-closed":
        if (seat.book?.link === event.link) seat.book = null;
        break;
      case "metrics-scraped":
        if (seat.book?.isUp === true) seat.book.scrapedAt = now;
        break;
      case "permit-changed":
        this.#nodeWatch?.learns(index, event);
        watch.permitted(event);
        break;
      case "bounds-changed":
      case "spec-changed":
      case "operator-paused":
      case "operator-floor":
        break;
      default:
        event satisfies never;
    }
    this.#tell(index, JSON.stringify(event));
  }

  #acts(seat: Seat, watch: SizeWatch, actions: readonly VmAction[]): void {
    const { now } = this.clock;
    const { index } = seat;
    judgeRecords(index, actions);
    for (const action of actions) {
      if (action.kind === "seek-permit") watch.claimed(action.claim.number);
      if (["observe", "read-cpu", "seek-permit"].includes(action.kind)) continue;
      if (action.kind === "explain") {
        this.#tell(index, `  ${action.note.reason}: ${action.note.message}`);
        continue;
      }
      this.#tell(index, action.kind === "send-frame" ? `> ${action.text}` : JSON.stringify(action));
      if (action.kind === "scrape") continue;
      if (action.kind === "send-frame") {
        this.#counts.frames += 1;
        seat.tally.frames += 1;
        // The other frames say nothing about sizes that could be false.
        if (!/"(?:DownscaleRequest|UpscaleNotification)"/.test(action.text)) continue;
        seat.book?.said(action.text, watch.known(seat.machine.facts(now)), now);
      }
      if (action.kind === "close-link") {
        if (seat.book?.link === action.link) seat.book = null;
        continue;
      }
      watch.judge(action, seat.machine.facts(now), seat.book, now);
      if ("attempt" in action) this.#tells(seat, watch, action);
    }
  }

  /** A size is told: it counts, and the node must have room for it. */
  #tells(seat: Seat, watch: SizeWatch, action: Extract<VmAction, { attempt: number }>): void {
    this.#counts.commands += 1;
    seat.tally.told += 1;
    const { of, to } = toldBy(seat, action);
    const held = watch.mostHeld(seat.machine.facts(this.clock.now))[of];
    if (to > held) this.#nodeWatch?.grows(seat.index, of, to, this.#seats.map(takenBy));
  }

  #nodeWitness(): NodeWitness {
    return {
      divided: (event, wanted) => {
        const changes = this.#options.sabotage?.node?.(wanted, this.clock.now) ?? wanted;
        this.#nodeWatch?.divided(event, changes);
        return changes;
      },
    };
  }

  #monitorWitness(seat: Seat, watch: MonitorWatch): MonitorWitness {
    return {
      stepped: (event, wanted) => {
        this.#counts.monitorSteps += 1;
        const { now } = this.clock;
        const actions: readonly MonitorAction[] =
          this.#options.sabotage?.monitor?.(seat.index, wanted, now) ?? wanted;
        watch.stepped(event, actions, seat.machine.memBytes, now);
        for (const action of actions) {
          if (action.kind === "set-online-cpus") this.#tell(seat.index, `online ${action.count}`);
        }
        return actions;
      },
    };
  }

  #tell(vm: number, line: string): void {
    const at = this.clock.now - START_MS;
    this.#digest.add(`${at} ${vm} ${line}\n`);
    this.#options.listen?.(at, vm, line);
  }
}
