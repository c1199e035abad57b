// What `selfscale-monitor status` shows, as plain data.
import { type Size } from "@selfscale/protocol";
import { tReactMs } from "../policy/reserve.ts";
import { actualOf, isMet } from "./actual.ts";
import { currentReserve } from "./desire.ts";
import { type MonitorState } from "./state.ts";

export type MonitorStatus = Readonly<{
  ladder: Readonly<{
    desired: Size | null;
    permit: Size | null;
    requested: Size | null;
    actual: Size | null;
  }>;
  /** Why this size is wanted, in the protocol's words. */
  reason: string;
  isMet: boolean;
  /** What binds on the agent's side, in its own words; null when it said nothing. */
  agentReason: string | null;
  link: Readonly<{ version: number }> | null;
  memory: Readonly<{
    needBytes: number | null;
    /** Free memory kept against what comes faster than we react: rMax × tReact, within limits. */
    reserveBytes: number;
    rMaxBytesPerSec: number;
    tReactMs: number;
    /** How many reactions were measured; 0: tReactMs is the configured start value. */
    tReactSamples: number;
    veto: string | null;
    inputs: Readonly<Record<string, number | null>>;
  }>;
  cpu: Readonly<{
    needMilli: number | null;
    online: number | null;
    present: number | null;
    inputs: Readonly<Record<string, number | null>>;
  }>;
  counters: MonitorState["counters"] & Readonly<{ decisions: number }>;
}>;

export function monitorStatus(state: MonitorState): MonitorStatus {
  const report = state.session?.report ?? null;
  const { reaction, config } = state;
  return {
    ladder: {
      desired: state.desired,
      permit: report?.permit ?? null,
      requested: report?.requested ?? null,
      actual: actualOf(state),
    },
    reason: state.desiredReason,
    isMet: isMet(state),
    agentReason: report?.reason ?? null,
    link: state.session === null ? null : { version: state.session.version },
    memory: {
      needBytes: state.memoryNeed?.needBytes ?? null,
      reserveBytes: currentReserve(state),
      rMaxBytesPerSec: config.rMaxBytesPerSec,
      tReactMs: tReactMs(reaction, config.tReactStartMs),
      tReactSamples: reaction.measuredMs.length,
      veto: state.memoryNeed?.veto ?? null,
      inputs: state.memoryNeed?.inputs ?? {},
    },
    cpu: {
      needMilli: state.cpuNeed === null ? null : Math.round(state.cpuNeed.need * 1000),
      online: state.cpuSample?.value.onlineCount ?? null,
      present: state.cpuSample?.value.presentCount ?? null,
      inputs: state.cpuNeed?.inputs ?? {},
    },
    counters: { ...state.counters, decisions: state.decisions },
  };
}
