// Everything the monitor's machine remembers. Deadlines are state; time is an argument elsewhere.
import { type MonitorDecision, type Size } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { initialCpu, type CpuNeed, type CpuState } from "../policy/cpu.ts";
import { initialMemory, type MemoryNeed, type MemoryState } from "../policy/memory.ts";
import { initialReaction, type Reaction } from "../policy/reserve.ts";
import { type PeakWindow } from "../policy/window.ts";
import { type MonitorConfig } from "./config.ts";
import { type CpuSample, type MemorySample } from "./types.ts";

/** What the agent said on this link. null: nothing yet. */
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

export type Session = Readonly<{
  link: number;
  version: number;
  openedAt: MonoMs;
  /** The agent's last frame; its first one allows us to speak. */
  lastFrameAt: MonoMs;
  hasSpoken: boolean;
  nextId: number;
  report: AgentReport | null;
  /** Last UpscaleNotification: all that version 1 says of the size. */
  notified: Size | null;
  /** The last size asked for, and when. */
  stated: Readonly<{ size: Size; at: MonoMs }> | null;
  lastUpscaleRequestAt: MonoMs;
  /** On version 1: whether ScaleRequest is worth a try, is on trial, or is not known there. */
  probe: "untried" | "tried" | "unknown";
  nonsenseAt: readonly MonoMs[];
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
  cpuPeaks: PeakWindow;
  memoryPeaks: PeakWindow;
  reaction: Reaction;
  /** What is wanted now, and since which sample, and why. null until the first samples. */
  desired: Size | null;
  desiredReason: MonitorDecision["cpu"]["reason"];
  /** When the sample was taken that raised desired last: `ageMs` counts from here. */
  neededAt: MonoMs;
  /** What the VM had when nobody has told us since; grows with what is seen. */
  lastActual: Size | null;
  shortGrantAt: MonoMs;
  /** CPUs the guest agreed to use no more than, until the size has followed. */
  consented: Readonly<{ cpus: number; milliCpu: number; until: MonoMs }> | null;
  onlineAsked: number | null;
  decisions: number;
  counters: Readonly<{
    scaleRequests: number;
    upscaleRequests: number;
    agreed: number;
    refused: number;
    nonsense: number;
    oomKills: number;
  }>;
}>;

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
    cpuPeaks: [],
    memoryPeaks: [],
    reaction: initialReaction(),
    desired: null,
    desiredReason: "start",
    neededAt: now,
    lastActual: null,
    shortGrantAt: -Infinity,
    consented: null,
    onlineAsked: null,
    decisions: 0,
    counters: {
      scaleRequests: 0,
      upscaleRequests: 0,
      agreed: 0,
      refused: 0,
      nonsense: 0,
      oomKills: 0,
    },
  };
}
