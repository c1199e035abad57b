// The monitor's settings. Sizing numbers are in policy/config.ts; these are about talking and
// measuring.
import { FILE_CACHE_DEFAULTS, type FileCachePolicy } from "../policy/postgres/config.ts";
import { type PolicyConfig } from "../policy/config.ts";
import { PRESETS } from "../policy/presets.ts";

/** What the monitor is told when it starts. */
export type MonitorConfig = Readonly<{
  policy: PolicyConfig;
  /**
   * Fastest page-in on this kind of machine, bytes per second. 2.5 GiB/s on KVM; calibrated under
   * TCG.
   */
  rMaxBytesPerSec: number;
  /** What tReact is taken to be until it has been measured. */
  tReactStartMs: number;
  /**
   * On a version-1 link, try one ScaleRequest: the RFC author's draft agent knows it unannounced.
   */
  probeScaleRequest: boolean;
  fileCache: FileCachePolicy;
  timers: MonitorTimers;
}>;

/** Defaults as in docs/protocol.md. */
export type MonitorTimers = Readonly<{
  /** A ScaleRequest is repeated while actual ≠ desired, and when it is met. */
  resendUnmetMs: number;
  resendMetMs: number;
  /** Shortest pause between two ScaleRequests, upward and otherwise. */
  upwardMs: number;
  otherMs: number;
  /** Nothing is sent before the agent's first frame after the handshake, or this long. */
  firstWordMs: number;
  upscaleRequestMs: number;
  /** No frame from the agent for this long: the link is dead. */
  silenceMs: number;
  /** A probe on a version-1 link that met no InvalidMessage by then was understood. */
  probeMs: number;
  /** CPUs taken offline by a consent come back if the size did not fall by then. */
  consentMs: number;
}>;

/** Those of docs/protocol.md. */
export const MONITOR_TIMERS: MonitorTimers = {
  resendUnmetMs: 4_500,
  resendMetMs: 30_000,
  upwardMs: 100,
  otherMs: 1_000,
  firstWordMs: 1_000,
  upscaleRequestMs: 1_000,
  silenceMs: 20_000,
  probeMs: 2_000,
  consentMs: 10_000,
};

/** The real thing. The shell puts in what it measured: rMaxBytesPerSec. */
export const MONITOR_DEFAULTS: MonitorConfig = {
  policy: PRESETS.default,
  rMaxBytesPerSec: 2.5 * 1024 ** 3,
  tReactStartMs: 650, // measured in the model of real traces, see docs/policy.md
  probeScaleRequest: false,
  fileCache: FILE_CACHE_DEFAULTS,
  timers: MONITOR_TIMERS,
};
