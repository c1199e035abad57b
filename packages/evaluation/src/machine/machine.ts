// One VM under a policy, tick by tick: the published machine model (fluid CPU queue, memory with swap and cache, slow
// and partial actuators). Deterministic: the same workload, profile and wishes give the same run.
import { blankObservation, type Observation, type Want } from "../policy.ts";
import { Random } from "../random.ts";
import { TICK_SEC, type LabSize, type Workload } from "../workload.ts";
import { CpuActuator, MemActuator } from "./actuator.ts";
import { CpuQueue } from "./cpu-queue.ts";
import { GuestMemory } from "./memory.ts";
import { ceilTo, CPU_STEP, MEM_STEP_GIB, usableGib, type MachineProfile } from "./profile.ts";

/** A wish that got lost is repeated after this long, as the protocol has it. */
const REPEAT_TICKS = 4.5 / TICK_SEC;

export class Machine {
  readonly seen: Observation;
  readonly cpu: CpuActuator;
  readonly mem: MemActuator;
  readonly queue = new CpuQueue();
  readonly guest: GuestMemory;
  /** Whether an operation began in the last tick. */
  hasResized = false;
  /** The wish as it was heard, on the grid and within bounds. */
  readonly heard: Want;
  readonly #workload: Workload;
  readonly #random: Random;
  readonly #unmovableGib: number;
  #tick = 0;
  #deafTicks = 0;
  #lastCpu: number;
  #lastMem: number;

  constructor(workload: Workload, profile: MachineProfile, start: LabSize) {
    const { seed, name, anonGib, min, max, trouble } = workload;
    this.#workload = workload;
    this.#random = new Random(seed, `${name} machine`);
    this.cpu = new CpuActuator(profile.actuator, start.cpu);
    this.mem = new MemActuator(profile.actuator, start.memGib, new Random(seed, `${name} unplug`));
    const quiet = anonGib.reduce((least, one) => Math.min(least, one), Infinity);
    this.guest = new GuestMemory(profile.swapGib, quiet, anonGib[0] ?? 0);
    this.#unmovableGib = min.memGib + (max.memGib - min.memGib) * trouble.unmovableShare;
    this.heard = { cpu: start.cpu, memGib: start.memGib };
    this.#lastCpu = start.cpu;
    this.#lastMem = start.memGib;
    this.seen = blankObservation();
    this.#look();
  }

  /** One tick, with what the policy wanted at its beginning. */
  pass(want: Readonly<Want>): void {
    const { cpu, parallelism, anonGib, workingSetGib, readGibPerSec } = this.#workload;
    const { waitingTasks, stealShare } = this.#workload;
    const tick = this.#tick;
    this.#hear(want);
    this.#order();
    const capacity = this.cpu.pass();
    const isStuck = this.#unmovableGib > this.#workload.min.memGib;
    const floor = this.guest.floorGib();
    this.mem.pass(isStuck ? Math.max(floor, this.#unmovable()) : floor);
    const { guest } = this;
    guest.pass(
      this.mem.now,
      anonGib[tick] ?? 0,
      workingSetGib[tick] ?? 0,
      readGibPerSec[tick] ?? 0,
    );
    const served =
      guest.outageTicks > 0 ? 0 : capacity * guest.slow * (1 - (stealShare[tick] ?? 0));
    this.queue.pass(cpu[tick] ?? 0, served, parallelism[tick] ?? Infinity, waitingTasks[tick] ?? 0);
    this.#tick += 1;
    this.#look();
  }

  /** Half of what is above the least is stuck where it was plugged once. */
  #unmovable(): number {
    return Math.min(this.mem.now, this.#unmovableGib);
  }

  #hear(want: Readonly<Want>): void {
    const { lossShare } = this.#workload.trouble;
    if (lossShare > 0) {
      if (this.#deafTicks > 0) {
        this.#deafTicks -= 1;
        return;
      }
      const isNews = want.cpu !== this.#lastCpu || want.memGib !== this.#lastMem;
      this.#lastCpu = want.cpu;
      this.#lastMem = want.memGib;
      if (isNews && this.#random.chance(lossShare)) {
        this.#deafTicks = REPEAT_TICKS;
        return;
      }
    }
    const { min, max } = this.#workload;
    this.heard.cpu = fit(want.cpu, CPU_STEP, min.cpu, max.cpu);
    this.heard.memGib = fit(want.memGib, MEM_STEP_GIB, min.memGib, max.memGib);
  }

  #order(): void {
    const { cpu, memGib } = this.heard;
    const isDenied = this.#isDenied();
    const takesCpu = !(isDenied && cpu > this.cpu.now) && this.cpu.order(cpu);
    const takesMem = !(isDenied && memGib > this.mem.now) && this.mem.order(memGib);
    this.hasResized = takesCpu || takesMem;
  }

  #isDenied(): boolean {
    const { denials } = this.#workload.trouble;
    for (const { fromTick, untilTick } of denials) {
      if (this.#tick >= fromTick && this.#tick < untilTick) return true;
    }
    return false;
  }

  #look(): void {
    const { seen, guest, queue } = this;
    const tick = Math.max(0, this.#tick - 1);
    seen.tick = this.#tick;
    seen.atMs = this.#tick * TICK_SEC * 1000;
    seen.cpu = this.cpu.now;
    seen.memGib = this.mem.now;
    seen.busyCpus = queue.busy;
    seen.runnable = queue.runnable;
    seen.cpuPressureShare = queue.pressureShare;
    seen.stealShare = this.#workload.stealShare[tick] ?? 0;
    seen.load1 = queue.load1;
    seen.load5 = queue.load5;
    seen.usableGib = usableGib(this.mem.now);
    seen.anonGib = guest.anonGib;
    seen.swapUsedGib = guest.swapUsedGib;
    seen.cacheGib = guest.cacheGib;
    seen.workingSetGib = this.#workload.workingSetGib[tick] ?? 0;
    seen.refaultGib = guest.refaultGib;
    seen.memPressureShare = guest.swapUsedGib > 0 ? 1 - guest.slow : 0;
    seen.oomKills = guest.oomKills;
    this.#hint();
  }

  #hint(): void {
    const { seen } = this;
    seen.hintCpu = 0;
    seen.hintMemGib = 0;
    for (const hint of this.#workload.hints) {
      if (this.#tick < hint.fromTick || this.#tick >= hint.untilTick) continue;
      seen.hintCpu = Math.max(seen.hintCpu, hint.cpu);
      seen.hintMemGib += hint.addMemGib;
    }
  }
}

function fit(value: number, step: number, min: number, max: number): number {
  const cell = ceilTo(value, step);
  return cell < min || Number.isNaN(cell) ? min : cell > max ? max : cell;
}
