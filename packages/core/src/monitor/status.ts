// What `selfscale-monitor status` shows, as plain data.
import { type BindingLimit, type Bounds, type ScaleReason, type Size } from "@selfscale/protocol";
import { type MonoMs } from "../agent/types.ts";
import { kernelBytesNow } from "../policy/memory.ts";
import { reactP99Ms, tReactMs } from "../policy/reserve.ts";
import { actualOf, isMet, stepOf } from "./actual.ts";
import { currentReserve } from "./desire.ts";
import { overallReason, releaseObstacle } from "./level.ts";
import { cpuGoal } from "./online.ts";
import { reservationsStatus, type ReservationsStatus } from "./reservations/rows.ts";
import { tongueOf } from "./speak.ts";
import { type MonitorState } from "./state.ts";

export type MonitorStatus = Readonly<{
  ladder: Readonly<{
    desired: Size | null;
    permit: Size | null;
    requested: Size | null;
    actual: Size | null;
  }>;
  bounds: Bounds | null;
  step: Size;
  /** Why this size is wanted, in the protocol's words; for the whole, and for each resource. */
  reason: string;
  reasons: Readonly<{ cpu: ScaleReason; mem: ScaleReason }>;
  isMet: boolean;
  /** Why nothing may be released whatever is needed; null when it may. */
  obstacle: BindingLimit | null;
  /** What binds on the agent's side, in its own words; null when it said nothing. */
  agentReason: string | null;
  /** How the agent is spoken to; null without one. */
  mode: "scale-request" | "probe" | "wait" | "upscale-request" | null;
  link: Readonly<{
    number: number;
    version: number;
    openedAtMs: MonoMs;
    lastFrameAtMs: MonoMs;
  }> | null;
  memory: Readonly<{
    needBytes: number | null;
    keepBytes: number | null;
    /**
     * Free memory kept now against what comes faster than we react: rMax × tReact, within limits.
     */
    reserveBytes: number;
    rMaxBytesPerSec: number;
    tReactMs: number;
    /** The measured 99th percentile; null before the first. */
    tReactP99Ms: number | null;
    /** How many reactions were measured; 0: tReactMs is the configured start value. */
    tReactSamples: number;
    /** Rate of allocation that the reserve outlives: reserve ÷ tReact. */
    outlivesBytesPerSec: number;
    /** The kernel's share: told size − MemTotal. */
    kernelBytes: number | null;
    veto: string | null;
    inputs: Readonly<Record<string, number | null>>;
  }>;
  cpu: Readonly<{
    needMilli: number | null;
    online: number | null;
    present: number | null;
    goal: number;
    inputs: Readonly<Record<string, number | null>>;
  }>;
  reservations: ReservationsStatus;
  /** PostgreSQL's, bytes, and how often in a row it did not do as it was told; left out where it has none. */
  fileCache?: Readonly<{ limitBytes: number; maxBytes: number; failures: number }>;
  counters: MonitorState["counters"] & Readonly<{ decisions: number }>;
}>;

/** `now`: to say what forbids a release at this moment. */
export function monitorStatus(
  state: MonitorState,
  now: MonoMs = lastSampleAt(state),
): MonitorStatus {
  const report = state.session?.report ?? null;
  const { session } = state;
  return {
    ladder: {
      desired: state.desired,
      permit: report?.permit ?? null,
      requested: report?.requested ?? null,
      actual: actualOf(state),
    },
    bounds: report === null ? null : { min: report.min, max: report.max },
    step: stepOf(state),
    reason: overallReason(state, now),
    reasons: state.reasons,
    isMet: isMet(state),
    obstacle: releaseObstacle(state, now),
    agentReason: report?.reason ?? null,
    mode: session === null ? null : tongueOf(state, session),
    link:
      session === null
        ? null
        : {
            number: session.link,
            version: session.version,
            openedAtMs: session.openedAt,
            lastFrameAtMs: session.lastFrameAt,
          },
    memory: memoryStatus(state),
    cpu: {
      needMilli: state.cpuNeed === null ? null : Math.round(state.cpuNeed.need * 1000),
      online: state.cpuSample?.value.onlineCount ?? null,
      present: state.cpuSample?.value.presentCount ?? null,
      goal: cpuGoal(state),
      inputs: state.cpuNeed?.inputs ?? {},
    },
    reservations: reservationsStatus(state, now),
    ...fileCacheStatus(state),
    counters: { ...state.counters, decisions: state.decisions },
  };
}

function memoryStatus(state: MonitorState): MonitorStatus["memory"] {
  const { reaction, config } = state;
  const reserve = state.memoryNeed?.inputs["reserveBytes"] ?? currentReserve(state);
  const reactMs = tReactMs(reaction, config.tReactStartMs, config.policy.memory);
  return {
    needBytes: state.memoryNeed?.needBytes ?? null,
    keepBytes: state.memoryNeed?.keepBytes ?? null,
    reserveBytes: reserve,
    rMaxBytesPerSec: config.rMaxBytesPerSec,
    tReactMs: reactMs,
    tReactP99Ms: reactP99Ms(reaction),
    tReactSamples: reaction.measuredMs.length,
    outlivesBytesPerSec: Math.round((reserve * 1000) / Math.max(reactMs, 1)),
    kernelBytes: kernelBytesNow(state.memory, actualOf(state)?.memBytes ?? 0),
    veto: state.memoryNeed?.veto ?? null,
    inputs: state.memoryNeed?.inputs ?? {},
  };
}

function fileCacheStatus({ fileCache }: MonitorState): Pick<MonitorStatus, "fileCache"> {
  const { seen, failures } = fileCache;
  return seen === null ? {} : { fileCache: { ...seen, failures } };
}

function lastSampleAt(state: MonitorState): MonoMs {
  return Math.max(state.startedAt, state.cpuSample?.at ?? 0, state.memorySample?.at ?? 0);
}
