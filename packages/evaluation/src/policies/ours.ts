// Our own monitor as it ships, in the laboratory: the machine's figures become the counters that a guest kernel shows,
// `stepMonitor` decides, and its ScaleRequests are granted by a node with room. Nothing of the policy is written twice.
import {
  initialMonitor,
  MONITOR_DEFAULTS,
  MONITOR_TIMERS,
  monitorWakeAt,
  PRESETS,
  stepMonitor,
  withCalm,
  type CpuSample,
  type MemorySample,
  type MonitorAction,
  type MonitorConfig,
  type MonitorEvent,
  type MonitorState,
  type PolicyConfig,
} from "@selfscale/core";
import {
  allocationFromSize,
  encodeFromAgent,
  type FromAgent,
  type Size,
} from "@selfscale/protocol";
import { CPU_STEP, MEM_STEP_GIB } from "../machine/profile.ts";
import {
  blankObservation,
  type Observation,
  type Policy,
  type VmGiven,
  type Want,
} from "../policy.ts";
import { UNIT_CPU, UNIT_GIB } from "../score.ts";
import { nameWith, switchSpec, type SettingSpecs, type SettingsOf } from "./settings.ts";
import { TICK_SEC, type LabSize } from "../workload.ts";

const GIB = 1024 ** 3;
const PAGE_BYTES = 4096;
const TICK_MS = TICK_SEC * 1000;
const LINK = 1;
/** A change of CPU use smaller than this is no news for the agent. */
const CPU_NEWS = 0.05;
const CPU_NEWS_TICKS = 1 / TICK_SEC;
const MEMORY_EVERY_TICKS = 1 / TICK_SEC;

export const OURS_SETTINGS = {
  calm: {
    unit: "share",
    default: 0.5,
    min: 0,
    max: 1,
    help: "patience: 0 is the preset frugal, 1 the preset calm",
  },
  coupled: switchSpec(false, "CPU and memory in whole units of 0.25 vCPU and 1 GiB, together"),
} as const satisfies SettingSpecs;

/** Our monitor with its defaults, but for what is set. */
export function oursPolicy(settings: SettingsOf<typeof OURS_SETTINGS>): Policy {
  const name = nameWith("ours", OURS_SETTINGS, settings);
  return monitorPolicy(name, withCalm(PRESETS.default, settings.calm), settings.coupled === 1);
}

/** The policy of our monitor, with these numbers. */
export function monitorPolicy(name: string, policy: PolicyConfig, isCoupled = false): Policy {
  const config: MonitorConfig = {
    ...MONITOR_DEFAULTS,
    policy,
    // The model's link never falls silent, so nobody has to ask whether it lives.
    timers: { ...MONITOR_TIMERS, silenceMs: Infinity },
    // Fastest page-in of the machine model, and how long its growth takes until it is usable.
    rMaxBytesPerSec: 2.5 * GIB,
    tReactStartMs: 650,
  };
  return {
    name,
    isCoupled,
    start: (vm) => {
      const guest = new MonitoredGuest(config, vm);
      const wish: Want = { cpu: 0, memGib: 0 };
      const decide = (seen: Readonly<Observation>, want: Want) => {
        guest.decide(seen, wish);
        if (wish.cpu === 0) return; // nothing said yet
        const units = Math.max(Math.ceil(wish.cpu / UNIT_CPU), Math.ceil(wish.memGib / UNIT_GIB));
        want.cpu = isCoupled ? units * UNIT_CPU : wish.cpu;
        want.memGib = isCoupled ? units * UNIT_GIB : wish.memGib;
      };
      return { decide, startSize: null };
    },
  };
}

/** The guest's kernel, the agent and the link, as far as the monitor notices them. */
class MonitoredGuest {
  #state: MonitorState;
  readonly #vm: VmGiven;
  #busyMs = 0;
  #stolenMs = 0;
  #runDelayMs = 0;
  #cpuPressureMs = 0;
  #memPressureMs = 0;
  #refaultedPages = 0;
  #nextId = 2;
  #isTold = false;
  #toldCpu = -1;
  #toldMem = -1;
  #toldUsed = -1;
  #toldThrottled = 0;
  #toldTick = -Infinity;
  readonly #lastMemory = blankObservation();
  #memoryTick = -Infinity;

  constructor(config: MonitorConfig, vm: VmGiven) {
    this.#vm = vm;
    this.#state = initialMonitor(config, 0);
  }

  decide(seen: Readonly<Observation>, want: Want): void {
    const now = seen.atMs;
    this.#count(seen);
    this.#feed({ kind: "cpu-sampled", sample: this.#cpuSample(seen) }, now, want);
    if (this.#isMemoryNews(seen)) {
      this.#feed({ kind: "memory-sampled", sample: this.#memorySample(seen) }, now, want);
    }
    if (!this.#isTold) {
      this.#isTold = true;
      this.#feed({ kind: "link-opened", link: LINK, version: 2, features: [] }, now, want);
    }
    this.#report(seen, want);
    if ((monitorWakeAt(this.#state) ?? Infinity) <= now) this.#feed({ kind: "tick" }, now, want);
  }

  /** Memory that stands still is looked at once a second: a reading that is the same tells nothing but the time. */
  #isMemoryNews(seen: Readonly<Observation>): boolean {
    const last = this.#lastMemory;
    const isSame =
      seen.anonGib === last.anonGib &&
      seen.cacheGib === last.cacheGib &&
      seen.swapUsedGib === last.swapUsedGib &&
      seen.usableGib === last.usableGib &&
      seen.oomKills === last.oomKills &&
      seen.refaultGib === 0;
    if (isSame && seen.tick < this.#memoryTick + MEMORY_EVERY_TICKS) return false;
    last.anonGib = seen.anonGib;
    last.cacheGib = seen.cacheGib;
    last.swapUsedGib = seen.swapUsedGib;
    last.usableGib = seen.usableGib;
    last.oomKills = seen.oomKills;
    this.#memoryTick = seen.tick;
    return true;
  }

  #count(seen: Readonly<Observation>): void {
    const waiting = Math.max(0, seen.runnable - seen.busyCpus);
    this.#busyMs += seen.busyCpus * TICK_MS;
    // Where a share is taken, work keeps a CPU wanting for longer by as much.
    const { stealShare, busyCpus } = seen;
    const stolen = stealShare < 1 ? (busyCpus * stealShare) / (1 - stealShare) : seen.cpu;
    this.#stolenMs += Math.min(stolen, seen.cpu - busyCpus) * TICK_MS;
    this.#runDelayMs += waiting * TICK_MS;
    this.#cpuPressureMs += seen.cpuPressureShare * TICK_MS;
    this.#memPressureMs += seen.memPressureShare * TICK_MS;
    this.#refaultedPages += (seen.refaultGib * GIB) / PAGE_BYTES;
  }

  #cpuSample(seen: Readonly<Observation>): CpuSample {
    const cpus = Math.ceil(seen.cpu - 1e-9);
    return {
      busyMs: this.#busyMs,
      stolenMs: this.#stolenMs,
      runDelayMs: this.#runDelayMs,
      somePressureMs: this.#cpuPressureMs,
      runnable: null,
      onlineCount: cpus,
      presentCount: cpus,
    };
  }

  #memorySample(seen: Readonly<Observation>): MemorySample {
    const resident = seen.anonGib - seen.swapUsedGib;
    return {
      totalBytes: seen.usableGib * GIB,
      availableBytes: Math.max(0, seen.usableGib - resident) * GIB,
      cachedBytes: seen.cacheGib * GIB,
      swapTotalBytes: this.#vm.swapGib * GIB,
      swapFreeBytes: (this.#vm.swapGib - seen.swapUsedGib) * GIB,
      anonBytes: resident * GIB,
      shmemBytes: 0,
      counters: {
        refaultedAnonPages: 0,
        refaultedFilePages: Math.round(this.#refaultedPages),
        allocationStalls: 0,
        oomKills: seen.oomKills,
      },
      somePressureMs: this.#memPressureMs,
      blocks: null,
    };
  }

  /** What our agent would say: every change of the size, and of its CPU readings once a second. */
  #report(seen: Readonly<Observation>, want: Want): void {
    const isSize = seen.cpu !== this.#toldCpu || seen.memGib !== this.#toldMem;
    const hasQuota = !Number.isInteger(seen.cpu);
    const throttled = hasQuota && seen.runnable > seen.cpu ? seen.cpuPressureShare : 0;
    const isNews =
      hasQuota &&
      seen.tick >= this.#toldTick + CPU_NEWS_TICKS &&
      (Math.abs(seen.busyCpus - this.#toldUsed) >= CPU_NEWS ||
        Math.abs(throttled - this.#toldThrottled) >= CPU_NEWS);
    if (!isSize && !isNews) return;
    this.#toldCpu = seen.cpu;
    this.#toldMem = seen.memGib;
    this.#toldUsed = seen.busyCpus;
    this.#toldThrottled = throttled;
    this.#toldTick = seen.tick;
    const actual = allocation({ cpu: seen.cpu, memGib: seen.memGib });
    const message: FromAgent = {
      type: "SizeReport",
      content: {
        actual,
        requested: actual,
        permit: actual,
        bounds: { min: allocation(this.#vm.min), max: allocation(this.#vm.max) },
        step: { cpu: CPU_STEP, mem: MEM_STEP_GIB * GIB },
        ...(hasQuota ? { cpuUsed: seen.busyCpus, throttledShare: throttled } : {}),
      },
      id: this.#nextId,
    };
    this.#nextId += 2;
    const text = encodeFromAgent(message);
    this.#feed({ kind: "frame-received", link: LINK, text }, seen.atMs, want);
  }

  #feed(event: MonitorEvent, now: number, want: Want): void {
    const [state, actions] = stepMonitor(this.#state, event, now);
    this.#state = state;
    for (const action of actions) perform(action, state.desired, want);
  }
}

/** The level that was stated is the level that is wanted. */
function perform(action: MonitorAction, desired: Size | null, want: Want): void {
  if (action.kind !== "send-frame" || desired === null) return;
  if (!action.text.includes('"ScaleRequest"')) return;
  want.cpu = desired.milliCpu / 1000;
  want.memGib = desired.memBytes / GIB;
}

function allocation({ cpu, memGib }: LabSize) {
  return allocationFromSize({
    milliCpu: Math.round(cpu * 1000),
    memBytes: Math.round(memGib * GIB),
  });
}
