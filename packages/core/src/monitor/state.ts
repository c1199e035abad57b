// Everything the monitor's machine remembers. Deadlines are state; time is an argument elsewhere.
import { type ScaleReason, type Size } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { initialHold, type HoldState } from "../policy/hold.ts";
import { initialCpu, type CpuNeed, type CpuState } from "../policy/cpu.ts";
import { initialMemory, type MemoryNeed, type MemoryState } from "../policy/memory.ts";
import { initialReaction, type Reaction } from "../policy/reserve.ts";
import { type PeakWindow } from "../policy/window.ts";
import { type MonitorConfig } from "./config.ts";
import { NO_RESERVATIONS, type Reservations } from "./reservations/state.ts";
import { type CpuSample, type FileCacheSeen, type MemorySample } from "./types.ts";

/** What the agent said on this link. */
export type AgentReport = Readonly<{
  actual: Size;
  requested: Size;
  permit: Size;
  min: Size;
  max: Size;
  stepMilliCpu: number;
  stepMemBytes: number;
  reason: string | null;
  cpuUsed: number | null;
  throttledShare: number | null;
}>;

/** On a version-1 link: is ScaleRequest understood? `tried` until an answer or `probeMs`. */
export type Probe =
  | Readonly<{ kind: "untried" }>
  | Readonly<{ kind: "tried"; id: number; at: MonoMs }>
  | Readonly<{ kind: "understood" }>
  | Readonly<{ kind: "unknown" }>;

export type Session = Readonly<{
  link: number;
  version: number;
  openedAt: MonoMs;
  /** The agent's last frame; its first one allows us to speak. */
  lastFrameAt: MonoMs;
  hasSpoken: boolean;
  nextId: number;
  report: AgentReport | null;
  /** Last UpscaleNotification since the last report: all that version 1 says of the size. */
  notified: Size | null;
  /** The last size asked for, and when. */
  stated: Readonly<{ size: Size; floor: Size; at: MonoMs }> | null;
  lastUpscaleRequestAt: MonoMs;
  probe: Probe;
  nonsenseAt: readonly MonoMs[];
}>;

/** Resource by resource. */
export type Each<T> = Readonly<{ cpu: T; mem: T }>;

/** PostgreSQL's file cache, see file-cache.ts. Bytes. */
export type FileCache = Readonly<{
  /** What PostgreSQL said last; null: there is none, or nobody to ask. */
  seen: FileCacheSeen | null;
  /** Orders ever given: an answer carries the number of its own. */
  orders: number;
  order: Readonly<{ number: number; bytes: number; until: MonoMs }> | null;
  /** Orders in a row that came to nothing. */
  failures: number;
  /** No order that nobody waits for before this. */
  notBefore: MonoMs;
  /** So small may the machine become: what was asked for, and until when the cache stays as small. */
  agreed: Readonly<{ memBytes: number; until: MonoMs }> | null;
}>;

/** A DownscaleRequest that waits for the file cache to become `cacheBytes` or less. */
export type ShrinkQuestion = Readonly<{
  link: number;
  id: number;
  target: Size;
  cacheBytes: number;
  until: MonoMs;
}>;

export type MonitorState = Readonly<{
  config: MonitorConfig;
  startedAt: MonoMs;
  session: Session | null;
  cpu: CpuState;
  memory: MemoryState;
  cpuSample: Readonly<{ at: MonoMs; value: CpuSample }> | null;
  memorySample: Readonly<{ at: MonoMs; value: MemorySample }> | null;
  cpuNeed: CpuNeed | null;
  memoryNeed: MemoryNeed | null;
  /** Needs of the last while, on the grid. Milli-vCPU and bytes. */
  peaks: Each<PeakWindow>;
  /** How long they count, as learned. */
  holds: Each<HoldState>;
  /** What was jumped to is kept until then, whatever turns out to be needed. Milli-vCPU and bytes. */
  jumps: Each<Readonly<{ to: number; until: MonoMs }>>;
  reaction: Reaction;
  /** What is wanted now. null until the first samples. */
  desired: Size | null;
  /** Why, resource by resource. "start": it is only what it has. */
  reasons: Each<ScaleReason>;
  /** When the sample was taken that raised desired last: `ageMs` counts from here. */
  neededAt: MonoMs;
  shortGrantAt: MonoMs;
  /** The last release to a fraction of a core, and by how much the next is held longer. */
  fraction: Readonly<{ releasedAt: MonoMs; releasedMilli: number; holdFactor: number }>;
  /** CPUs the guest agreed to use no more than, until the size has followed. */
  consented: Readonly<{
    cpus: number;
    milliCpu: number;
    /** What was desired then: more than that raises the agreement. */
    desiredMilli: number;
    until: MonoMs;
  }> | null;
  /** Consents to unplug memory that freed nothing, in a row, and the last one. */
  unplug: Readonly<{ failures: number; agreedAt: MonoMs; totalBytes: number }> | null;
  onlineAsked: number | null;
  reservations: Reservations;
  fileCache: FileCache;
  question: ShrinkQuestion | null;
  decisions: number;
  counters: Readonly<{
    links: number;
    scaleRequests: number;
    upscaleRequests: number;
    agreed: number;
    refused: number;
    /** Frames of the agent that made no sense. */
    nonsense: number;
    /** Our frames that the agent did not take. */
    rejected: number;
    oomKills: number;
    /** Times the monitor itself got no CPU for longer than `staleMs`. */
    sampleGaps: number;
    reservationsGranted: number;
    reservationsRefused: number;
  }>;
}>;

const NO_FILE_CACHE: FileCache = {
  seen: null,
  orders: 0,
  order: null,
  failures: 0,
  notBefore: -Infinity,
  agreed: null,
};

const NO_JUMP = { to: 0, until: -Infinity } as const;

export function initialMonitor(config: MonitorConfig, now: MonoMs): MonitorState {
  return {
    config,
    startedAt: now,
    session: null,
    cpu: initialCpu(),
    memory: initialMemory(),
    cpuSample: null,
    memorySample: null,
    cpuNeed: null,
    memoryNeed: null,
    peaks: { cpu: [], mem: [] },
    holds: { cpu: initialHold(), mem: initialHold() },
    jumps: { cpu: NO_JUMP, mem: NO_JUMP },
    reaction: initialReaction(),
    desired: null,
    reasons: { cpu: "start", mem: "start" },
    neededAt: now,
    shortGrantAt: -Infinity,
    fraction: { releasedAt: -Infinity, releasedMilli: 0, holdFactor: 1 },
    consented: null,
    unplug: null,
    onlineAsked: null,
    reservations: NO_RESERVATIONS,
    fileCache: NO_FILE_CACHE,
    question: null,
    decisions: 0,
    counters: {
      links: 0,
      scaleRequests: 0,
      upscaleRequests: 0,
      agreed: 0,
      refused: 0,
      nonsense: 0,
      rejected: 0,
      oomKills: 0,
      sampleGaps: 0,
      reservationsGranted: 0,
      reservationsRefused: 0,
    },
  };
}

/** One more of something. */
export function count(state: MonitorState, what: keyof MonitorState["counters"]): MonitorState {
  return { ...state, counters: { ...state.counters, [what]: state.counters[what] + 1 } };
}
