// The deployed agent (neondatabase/autoscaling) with the monitor of its computes (neondatabase/neon, libs/vm_monitor):
// what it wants comes from our own legacy path, the same code that runs for version-1 computes.
import {
  DEPLOYED_LEGACY_CONFIG,
  downscaleDenied,
  INITIAL_OVERRIDES,
  legacyDesired,
  overridesWakeAt,
  upscaleRequested,
  type LegacyConfig,
  type LegacyMetrics,
  type LegacyOverrides,
} from "@selfscale/core";
import { type Bounds, type Size } from "@selfscale/protocol";
import { type Decider, type Observation, type Policy, type VmGiven, type Want } from "../policy.ts";
import { TICK_SEC } from "../workload.ts";
import { usedGib } from "./guest.ts";
import { defaultsOf, nameWith, switchSpec, type SettingsOf } from "./settings.ts";
import { MeanWindow } from "./windows.ts";
import { WorkingSetRecord } from "./working-set-record.ts";

export const NEON_SETTINGS = {
  blend: {
    unit: "share",
    default: 0,
    min: 0,
    max: 10,
    help: "stable and mixed zone of load1 against load5; 0 as deployed: load1 alone",
  },
  lfc: switchSpec(true, "the file cache tells its working set, as production has it"),
  monitor: switchSpec(true, "the monitor asks for more when memory runs out"),
  lag: {
    unit: "s",
    default: 3,
    min: 0,
    max: 4.75,
    help: "from the kernel's load average to the agent: the mean of both scrapes' phases",
  },
} as const;

type NeonSettings = SettingsOf<typeof NEON_SETTINGS>;

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const PAGE_BYTES = 8_192;
/** autoscaler-agent/config_map.yaml: metrics.system and metrics.lfc, secondsBetweenRequests. */
const SYSTEM_TICKS = 5 / TICK_SEC;
const LFC_TICKS = 15 / TICK_SEC;
/** What the agent adds to use (pkg/agent/core/metrics.go), and what the monitor takes off a size (runner.rs). */
const KERNEL_BYTES = 100 * MIB;
/** libs/vm_monitor: share of memory that anonymous memory may fill; what a shrink must leave; the mean; the pace. */
const THRESHOLD_SHARE = 0.85;
const BUFFER_BYTES = 100 * MIB;
const MEAN_TICKS = 0.5 / TICK_SEC;
const REQUEST_TICKS = 1 / TICK_SEC;
/** Scrapes never fail here, so they are never old. */
const FRESH_MS = 60_000;

/**
 * goal = max(load ÷ 0.9 ÷ 0.25 rounded, usage ÷ 0.75, (min(working set, cached) + usage) ÷ 0.9, working set ÷ 0.75),
 * in units of 0.25 vCPU and 1 GiB; metrics every 5 s, the file cache's windows every 15 s; up straight to the goal,
 * down a unit per approval of the monitor. The monitor refuses while 0.85 · (target − 100 MiB) < anon + 100 MiB (asked
 * again after 5 s), and asks for a unit more, at most once a second and for 10 s, when the mean of 0.5 s of anonymous
 * memory reaches 0.85 · (size − 100 MiB).
 * Source: neondatabase/autoscaling @a4bce09e pkg/agent/core/{goalcu,metrics,wss,state}.go,
 * autoscaler-agent/config_map.yaml; neondatabase/neon libs/vm_monitor/src/{runner,cgroup}.rs.
 *
 * In the laboratory: an approval takes a tick; the way through Kubernetes is the machine's actuator; the scheduler
 * always permits; the 100 ms poll happens once a tick; the file cache tells the true working set.
 */
export function neonPolicy(settings: NeonSettings = defaultsOf(NEON_SETTINGS)): Policy {
  return {
    name: nameWith("neon", NEON_SETTINGS, settings),
    isCoupled: true,
    start: (vm) => ({ decide: new Agent(settings, vm).decide, startSize: null }),
  };
}

class Agent {
  readonly #config: LegacyConfig;
  readonly #bounds: Bounds;
  readonly #hasMonitor: boolean;
  readonly #lagTicks: number;
  readonly #workingSet: WorkingSetRecord;
  readonly #anonBytes = new MeanWindow(MEAN_TICKS);
  #metrics: LegacyMetrics = { system: null, lfc: null };
  #overrides: LegacyOverrides = INITIAL_OVERRIDES;
  #overridesEndAt = Infinity;
  #scrapedAt = 0;
  #desired: Size;
  /** What the monitor was told that the VM has. */
  #approved: Size;
  #askedAtTick = -Infinity;

  constructor(settings: NeonSettings, { min, max }: VmGiven) {
    this.#config = {
      ...DEPLOYED_LEGACY_CONFIG,
      enableLFCMetrics: settings.lfc === 1,
      cpuStableZoneRatio: settings.blend,
      cpuMixedZoneRatio: settings.blend,
    };
    this.#hasMonitor = settings.monitor === 1;
    this.#lagTicks = Math.round(settings.lag / TICK_SEC);
    this.#workingSet = new WorkingSetRecord();
    this.#bounds = {
      min: sizeOf(min.cpu, min.memGib),
      max: sizeOf(max.cpu, max.memGib),
    };
    this.#desired = this.#bounds.min;
    this.#approved = this.#bounds.min;
  }

  readonly decide: Decider = (seen, want) => {
    this.#anonBytes.add(usedGib(seen) * GIB);
    this.#workingSet.note(seen.workingSetGib);
    const isNews = this.#scrape(seen);
    const isAsking = this.#hasMonitor && this.#ask(seen);
    if (isNews || isAsking || seen.atMs >= this.#overridesEndAt) this.#conclude(seen);
    if (this.#approved !== this.#desired) this.#move(seen, want);
  };

  /** Takes what is due; true if something was. */
  #scrape(seen: Readonly<Observation>): boolean {
    const since = seen.tick - this.#lagTicks;
    if (since < 0 || since % SYSTEM_TICKS !== 0) return false;
    const lfc =
      this.#config.enableLFCMetrics && since % LFC_TICKS === 0
        ? { workingSetPagesPerMinute: this.#workingSet.minutes(GIB / PAGE_BYTES) }
        : this.#metrics.lfc;
    this.#metrics = {
      system: {
        load1: seen.load1,
        load5: seen.load5,
        memTotalBytes: seen.usableGib * GIB,
        memUsageBytes: usedGib(seen) * GIB + KERNEL_BYTES,
        memCachedBytes: seen.cacheGib * GIB,
      },
      lfc,
    };
    this.#scrapedAt = seen.atMs;
    return true;
  }

  /** The monitor's side: true if it asks for more. */
  #ask(seen: Readonly<Observation>): boolean {
    const isShort = this.#anonBytes.mean >= thresholdBytes(this.#approved.memBytes);
    if (!isShort || seen.tick - this.#askedAtTick < REQUEST_TICKS) return false;
    this.#askedAtTick = seen.tick;
    this.#overrides = upscaleRequested(this.#overrides, this.#approved, seen.atMs);
    return true;
  }

  #conclude(seen: Readonly<Observation>): void {
    const wish = legacyDesired({
      config: this.#config,
      bounds: this.#bounds,
      using: this.#approved,
      metrics: this.#metrics,
      metricsAt: { system: this.#scrapedAt, lfc: this.#scrapedAt },
      metricsFreshMs: FRESH_MS,
      overrides: this.#overrides,
      now: seen.atMs,
    });
    this.#desired = isSame(wish.desired, this.#approved) ? this.#approved : wish.desired;
    this.#overridesEndAt = overridesWakeAt(this.#overrides, this.#config, seen.atMs) ?? Infinity;
  }

  /** Up at once; down by a unit, if the monitor agrees. */
  #move(seen: Readonly<Observation>, want: Want): void {
    const { milliCpu, memBytes } = this.#desired;
    const { computeUnit } = this.#config;
    const current = this.#approved;
    const next = {
      milliCpu: Math.max(milliCpu, current.milliCpu - computeUnit.milliCpu),
      memBytes: Math.max(memBytes, current.memBytes - computeUnit.memBytes),
    };
    const isShrink = next.milliCpu < current.milliCpu || next.memBytes < current.memBytes;
    if (isShrink && !this.#mayShrinkTo(next.memBytes)) {
      this.#overrides = downscaleDenied(this.#overrides, current, next, seen.atMs);
      this.#conclude(seen);
      return;
    }
    this.#approved = isSame(next, this.#desired) ? this.#desired : next;
    want.cpu = next.milliCpu / 1000;
    want.memGib = next.memBytes / GIB;
  }

  #mayShrinkTo(memBytes: number): boolean {
    return (
      this.#anonBytes.isFull && thresholdBytes(memBytes) >= this.#anonBytes.mean + BUFFER_BYTES
    );
  }
}

function thresholdBytes(memBytes: number): number {
  return Math.trunc((memBytes - KERNEL_BYTES) * THRESHOLD_SHARE);
}

function isSame(a: Size, b: Size): boolean {
  return a.milliCpu === b.milliCpu && a.memBytes === b.memBytes;
}

function sizeOf(cpu: number, memGib: number): Size {
  return { milliCpu: Math.round(cpu * 1000), memBytes: Math.round(memGib * GIB) };
}
