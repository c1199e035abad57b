// One VM's place in the world: its machine, its network, whoever answers in the monitor's place, what goes wrong with it
// now, and the books of the watchers.
import { type MonitorState } from "@selfscale/core";
import { type Bounds } from "@selfscale/protocol";
import { goodManners, type QmpManners } from "./agent/qmp-link.ts";
import { type Clock } from "./clock.ts";
import { type Random } from "./random.ts";
import { type Fault, type FaultKind } from "./story/faults.ts";
import { type VmPlan } from "./story/story.ts";
import { MIB } from "./units.ts";
import { Hostile } from "./vm/hostile.ts";
import { lyingSensors, trueSensors } from "./vm/sensors.ts";
import { Machine } from "./vm/machine.ts";
import { MonitorProcess, type MonitorWitness } from "./vm/monitor-process.ts";
import { Network } from "./wire.ts";
import { type ConnectionBook } from "./watch/connection-book.ts";
import { MonitorWatch } from "./watch/monitor-watch.ts";

export type { MonitorState };

/** What happened to this VM, counted. */
export type Tally = { told: number; frames: number; agentTicks: number; monitorTicks: number };

export type SeatOptions = Readonly<{
  index: number;
  plan: VmPlan;
  clock: Clock;
  random: Random;
  cadence: Readonly<{ memoryEveryMs: number; cpuEveryMs: number }>;
  /** Sees what this monitor does, after its own watcher is made. */
  witness: (seat: Seat, watch: MonitorWatch) => MonitorWitness;
}>;

export class Seat {
  readonly index: number;
  readonly plan: VmPlan;
  readonly machine: Machine;
  readonly network: Network;
  readonly qmpManners: QmpManners = goodManners();
  readonly tally: Tally = { told: 0, frames: 0, agentTicks: 0, monitorTicks: 0 };
  agentMax: number;
  monitorMax: number;
  bounds: Bounds;
  /** What the operator made of the planned bounds: the upper one cut, the lower one raised to a share of it. */
  readonly shares = { most: 1, least: 0 };
  /** The agent's connection, as a watcher at its end sees it. */
  book: ConnectionBook | null = null;
  monitor: MonitorProcess | null = null;
  #hostile: Hostile | null = null;
  readonly #options: SeatOptions;
  #active: Fault[] = [];

  constructor(options: SeatOptions) {
    this.#options = options;
    const { index, plan, clock, random } = options;
    this.index = index;
    this.plan = plan;
    this.agentMax = plan.agentMax;
    this.monitorMax = plan.monitorMax;
    this.bounds = boundsOf(plan, this.shares);
    this.machine = new Machine(plan, uuidOf(index), clock.now);
    this.network = new Network(clock, random, () => {
      if (!this.machine.isThere) return null;
      if (this.machine.isStopped) return "silent";
      return this.monitor?.acceptor ?? this.#hostile?.acceptor ?? null;
    });
  }

  begin(fault: Fault): void {
    this.#active.push(fault);
  }

  end(fault: Fault): void {
    this.#active = this.#active.filter((other) => other !== fault);
  }

  /** The last one of this kind that is not over. */
  active(kind: FaultKind): Fault | null {
    return this.#active.findLast((fault) => fault.kind === kind) ?? null;
  }

  /** Everything is as the faults say that are not over. */
  refresh(): void {
    const { clock } = this.#options;
    this.machine.advance(clock.now);
    const has = (kind: FaultKind) => this.active(kind) !== null;
    const amount = (kind: FaultKind, otherwise: number) => this.active(kind)?.amount ?? otherwise;
    const { weather } = this.network;
    weather.slowMs = amount("link-slow", 0);
    weather.lateMs = amount("link-late", 0);
    weather.isRefused = has("link-refused");
    weather.isVanishing = has("link-half-open");
    const reader = this.active("reader-slow");
    weather.unreadUntil = reader === null ? 0 : reader.at + reader.forMs;
    const { qmpManners, machine } = this;
    qmpManners.slowMs = amount("qmp-slow", 0);
    qmpManners.isStuck = has("qmp-stuck");
    qmpManners.isDeaf = has("qmp-deaf");
    qmpManners.refuses = has("qmp-refuses");
    qmpManners.isGone = has("qmp-gone");
    qmpManners.vcpuSlowMs = amount("vcpu-slow", 0);
    machine.manners = {
      pluggableBytes: amount("plug-partial", Infinity) * MIB,
      unpluggableBytes: amount("unplug-partial", 0) * MIB,
      unplugFactor: amount("unplug-slow", 1),
    };
    machine.isPaused = has("paused");
    this.#seatSomebody();
  }

  /** All that it is now is lost; what follows begins at the next refresh. */
  unseat(isNoticed: boolean): void {
    this.monitor?.kill(isNoticed);
    this.monitor = null;
    this.#hostile?.kill();
    this.#hostile = null;
  }

  #seatSomebody(): void {
    const { clock, random, index } = this.#options;
    const { machine } = this;
    const isUp = machine.isThere && clock.now >= machine.bootedAt;
    const wants =
      !isUp || this.active("monitor-crash") !== null
        ? "nobody"
        : this.active("hostile") !== null
          ? "hostile"
          : "monitor";
    const has = this.monitor !== null ? "monitor" : this.#hostile !== null ? "hostile" : "nobody";
    if (wants !== has) {
      this.unseat(isUp);
      if (wants === "monitor") this.monitor = this.#startMonitor();
      if (wants === "hostile") {
        const isForeign = this.active("hostile")?.amount === 1;
        const uuid = isForeign ? uuidOf(index + 1) : machine.plan.hasUuid ? machine.uuid : null;
        this.#hostile = new Hostile(clock, random, machine, uuid);
      }
    }
    if (machine.isStopped || this.active("monitor-frozen") !== null) this.monitor?.freeze();
    else this.monitor?.thaw();
  }

  #startMonitor(): MonitorProcess {
    const { clock, cadence, random, index, plan, witness } = this.#options;
    const watch = new MonitorWatch(index, plan.preset, clock.now);
    const honest = trueSensors(this.machine);
    const sensors = lyingSensors(honest, random, () => this.active("lying")?.amount ?? null);
    return new MonitorProcess({
      clock,
      machine: this.machine,
      sensors,
      protocolMax: this.monitorMax,
      ...cadence,
      witness: witness(this, watch),
      isStubborn: () => this.active("cpu-stubborn") !== null,
    });
  }
}

export function boundsOf(
  plan: VmPlan,
  { most, least }: Readonly<{ most: number; least: number }>,
): Bounds {
  const whole = (mib: number) => Math.round(mib) * MIB;
  const max = {
    milliCpu: Math.max(plan.minMilli, Math.round(plan.maxMilli * most)),
    memBytes: Math.max(plan.minMib * MIB, whole(plan.maxMib * most)),
  };
  const min = {
    milliCpu: Math.max(plan.minMilli, Math.round(max.milliCpu * least)),
    memBytes: Math.max(plan.minMib * MIB, whole((max.memBytes / MIB) * least)),
  };
  return { min, max };
}

function uuidOf(index: number): string {
  return `00000000-0000-4000-8000-0000000000a${index}`;
}
