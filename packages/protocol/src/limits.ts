// Every limit and wait of docs/protocol.md, under one name. Shells put them in their config as
// defaults and tests inject shorter ones; nothing here starts a timer.

/**
 * Largest frame either way, in UTF-8 bytes, a newline included. Deployed agents read no more:
 * close 1009.
 */
export const MAX_FRAME_BYTES = 32_768;
/** RFC 6455: a control frame carries 125 bytes, two of them the code. One is left as a margin. */
export const MAX_CLOSE_REASON_BYTES = 122;
/** Nonsense frames a peer may send within a minute before its link is closed. */
export const MAX_INVALID_PER_MINUTE = 20;
/** Unfinished handshakes a monitor keeps at once. */
export const MAX_PENDING_HANDSHAKES = 16;
/** Longest reason or feature name, in characters of [a-z0-9-]. */
export const MAX_WORD_CHARS = 64;
/** Features read from a handshake; further ones are ignored. */
export const MAX_FEATURES = 32;
/** Longest one-line problem a decoder reports. It travels in `InvalidMessage`. */
export const MAX_PROBLEM_CHARS = 200;
/** More vCPUs than this is not a size. Far above any machine that QEMU runs. */
export const MAX_CPU = 1024;

/** Dial to handshake reply; the monitor drops an unfinished handshake after the same time. */
export const HANDSHAKE_TIMEOUT_MS = 4_000;
/**
 * An agent request that is not answered by then has failed; its late answer gets
 * `InvalidMessage`.
 */
export const REQUEST_TIMEOUT_MS = 5_000;
export const HEALTH_CHECK_EVERY_MS = 5_000;
/** Unanswered health checks in a row after which the agent takes the link for dead. */
export const MAX_HEALTH_CHECK_MISSES = 3;
/** Without any frame for this long the monitor takes the link for dead. */
export const MONITOR_SILENCE_MS = 20_000;

export const RECONNECT_MIN_MS = 250;
export const RECONNECT_MAX_MS = 5_000;
/** Each pause is spread by this share either way, so that a fleet does not return in step. */
export const RECONNECT_JITTER_RATIO = 0.2;
/** A link that lived this long resets the pause to its minimum. */
export const RECONNECT_RESET_AFTER_MS = 10_000;

/**
 * A monitor sends no UpscaleRequest until the agent's first frame, or this long: deployed agents
 * panic on it.
 */
export const UPSCALE_REQUEST_GRACE_MS = 1_000;
/** Shortest pause between two UpscaleRequests. */
export const UPSCALE_REQUEST_EVERY_MS = 1_000;

/** The monitor states its level this soon after the agent's first frame … */
export const FIRST_LEVEL_WITHIN_MS = 1_000;
/** … or, when none came, after the handshake. */
export const FIRST_LEVEL_AFTER_HANDSHAKE_MS = 2_000;
/** A version-2 monitor without a level by then is called silent. Its VM stays held. */
export const MONITOR_SILENT_AFTER_MS = 10_000;
/** Pause between two ScaleRequests while actual ≠ desired, 4–5 s so that VMs spread. */
export const SCALE_RESEND_MIN_MS = 4_000;
export const SCALE_RESEND_MAX_MS = 5_000;
/** Pause between two ScaleRequests while the level is met. */
export const SCALE_RESEND_MET_MS = 30_000;
/** Legal rate of ScaleRequests: upward, and otherwise. Faster ones are coalesced, not punished. */
export const SCALE_UPWARD_EVERY_MS = 100;
export const SCALE_OTHER_EVERY_MS = 1_000;
/** A level without frames from its monitor may not shrink the VM after this long. */
export const LEVEL_FRESH_MS = 60_000;
/** A version-1 link is held this long before its metrics may shrink the VM. */
export const METRICS_MODE_AFTER_MS = 60_000;

/** SizeReports: at most two per second, and one at least this often. */
export const SIZE_REPORT_MIN_MS = 500;
export const SIZE_REPORT_EVERY_MS = 30_000;

/** A consent to shrink is void after this long. */
export const CONSENT_MS = 2_000;
/** Caches given up for a shrink come back if the size has not fallen by then. */
export const CACHE_RETURN_AFTER_MS = 10_000;
/** Pause after a refused shrink, doubling from the first to the second. */
export const SHRINK_RETRY_MIN_MS = 5_000;
export const SHRINK_RETRY_MAX_MS = 300_000;

export const QMP_COMMAND_TIMEOUT_MS = 5_000;
export const PLUG_TIMEOUT_MS = 10_000;
export const UNPLUG_SLICE_TIMEOUT_MS = 15_000;
/** Once faults have ended and demand is steady, every VM has its size within this. */
export const CONVERGE_WITHIN_MS = 60_000;

/** New connections that may replace an open one draw on a bucket of this many tokens … */
export const TAKEOVER_BUCKET_TOKENS = 10;
/** … of which one comes back this often. */
export const TAKEOVER_REFILL_EVERY_MS = 2_000;
