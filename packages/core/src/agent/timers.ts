// Every wait of the agent's machine in one table, so that tests inject short ones and the operator can read them.
// Defaults are those of docs/protocol.md unless a line says otherwise.

export type AgentTimers = Readonly<{
  /** Dial to handshake reply. */
  handshakeMs: number;
  /** A request of ours that is not answered by then has failed. */
  requestMs: number;
  healthCheckMs: number;
  /** Misses in a row after which the link is dead. */
  healthMisses: number;
  /** A level without any frame from the monitor may not shrink after this long. */
  levelFreshMs: number;
  /** A version-2 monitor that named no size by then is silent: its VM stays held. */
  firstLevelMs: number;
  /** A version-1 link is held this long before its metrics may shrink it. */
  metricsModeAfterMs: number;
  /** Metrics older than this may grow a VM, never shrink it. */
  metricsFreshMs: number;
  /** Plugging (memory or CPU) has failed by then; what arrived counts. */
  plugMs: number;
  /** Unplugging one slice has failed by then. */
  unplugSliceMs: number;
  /** No byte given back for this long: settle on what is. */
  unplugStallMs: number;
  /** A consent older than this is void. */
  consentMs: number;
  retryMinMs: number;
  retryMaxMs: number;
  /** Shortest pause between two SizeReports; the last one wins. */
  reportMinMs: number;
  reportEveryMs: number;
  /**
   * How often QEMU is read while a resize is in flight, and while nothing moves: its events tell of most changes, so
   * that is for what it has no event for (a vCPU plugged by hand).
   */
  observeBusyMs: number;
  observeIdleMs: number;
  /** How often the kernel is asked for CPU use, where a quota needs it or the monitor does not answer. */
  readCpuMs: number;
  /** Legal rate of ScaleRequests; faster ones are coalesced. */
  scaleUpwardMs: number;
  scaleOtherMs: number;
  /** Silence on an open link, with a request unanswered, that counts as a mute monitor. */
  muteMs: number;
  /** A command that the shell has not settled by then is given up; a look at QEMU likewise. */
  commandMs: number;
  observeMs: number;
  /** The node's answer to a claim; then it is asked again. */
  permitMs: number;
  /** A step that comes this long after the one before it: the agent stood still. A link makes one every 5 s. */
  gapMs: number;
}>;

export const AGENT_TIMERS: AgentTimers = {
  handshakeMs: 4_000,
  requestMs: 5_000,
  healthCheckMs: 5_000,
  healthMisses: 3,
  levelFreshMs: 60_000,
  firstLevelMs: 10_000,
  metricsModeAfterMs: 60_000,
  metricsFreshMs: 60_000,
  plugMs: 10_000,
  unplugSliceMs: 15_000,
  unplugStallMs: 3_000,
  consentMs: 2_000,
  retryMinMs: 5_000,
  retryMaxMs: 300_000,
  reportMinMs: 500,
  reportEveryMs: 30_000,
  observeBusyMs: 50, // 1 GiB plugs in 104–273 ms under TCG: a coarser look would miss it
  observeIdleMs: 10_000,
  readCpuMs: 1_000,
  scaleUpwardMs: 100,
  scaleOtherMs: 1_000,
  muteMs: 3_000,
  commandMs: 30_000, // above the shell's own 5 s per QMP command, several in a row
  observeMs: 15_000,
  permitMs: 1_000,
  gapMs: 12_000,
};

/** Each pause is spread by this share either way, so that a node's VMs do not come back in step. */
const JITTER_SHARE = 0.2;

/**
 * Pause before try number `failures` + 1: 5 s, 10 s, 20 s … 5 min, spread. There is no chance in here: the spread comes
 * from `seed` (whose pause it is) and the number of failures.
 */
export function retryPauseMs(failures: number, timers: AgentTimers, seed: string): number {
  const pauseMs = Math.min(timers.retryMaxMs, timers.retryMinMs * 2 ** Math.max(0, failures - 1));
  const spread = 2 * shareOf(`${seed} ${failures}`) - 1;
  return Math.round(pauseMs * (1 + JITTER_SHARE * spread));
}

/** FNV-1a, mixed once more, as a number in [0, 1): near texts come out far apart. */
function shareOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}
