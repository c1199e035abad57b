// The shell's own waits: dialling, QMP, scraping. The machine's are in packages/core; both are
// overridden under `timers`.
import {
  HANDSHAKE_TIMEOUT_MS,
  QMP_COMMAND_TIMEOUT_MS,
  RECONNECT_MAX_MS,
  RECONNECT_MIN_MS,
  RECONNECT_RESET_AFTER_MS,
} from "@selfscale/protocol";

export type ShellTimers = Readonly<{
  /** Dial to an open websocket. */
  dialMs: number;
  /** Pauses between attempts to reach a monitor or a QMP socket, doubling from the first. */
  reconnectMinMs: number;
  reconnectMaxMs: number;
  /** A connection that lived this long starts again with the shortest pause. */
  reconnectResetMs: number;
  /** QMP connect to greeting. A second client of one socket hears nothing, for ever. */
  qmpGreetingMs: number;
  qmpCommandMs: number;
  /** Host metrics of version-1 computes: period, and deadline of one scrape. */
  scrapeEveryMs: number;
  scrapeMs: number;
  /** The same of their local file cache's metrics, where these have an address of their own. */
  lfcScrapeEveryMs: number;
  lfcScrapeMs: number;
  /** Window over which CPU use and throttling are averaged. */
  cpuWindowMs: number;
  /** How often the node's size is read anew, and how often it is asked how it fares. */
  capacityEveryMs: number;
  brakeEveryMs: number;
  /** What a stopping agent takes at most to settle what is in flight. */
  stopMs: number;
}>;

export const SHELL_TIMERS: ShellTimers = {
  dialMs: HANDSHAKE_TIMEOUT_MS,
  reconnectMinMs: RECONNECT_MIN_MS,
  reconnectMaxMs: RECONNECT_MAX_MS,
  reconnectResetMs: RECONNECT_RESET_AFTER_MS,
  qmpGreetingMs: 4_000,
  qmpCommandMs: QMP_COMMAND_TIMEOUT_MS,
  scrapeEveryMs: 5_000, // as deployed agents do
  scrapeMs: 2_000,
  lfcScrapeEveryMs: 15_000,
  lfcScrapeMs: 5_000,
  cpuWindowMs: 1_000,
  capacityEveryMs: 10_000,
  brakeEveryMs: 1_000,
  stopMs: 5_000,
};
