// The closed lists of words on the wire, and how next year's words are read. Each is documented
// where it is declared.

/** Why a monitor asks for its size, or why it refuses a smaller one. Writers use no other word. */
export const SCALE_REASONS = [
  "cpu", // the need for CPU decides
  "memory", // the need for memory decides
  "memory-emergency", // memory is running out now
  "cache", // the working set of the page or file cache decides
  "reservation", // somebody reserved a floor
  "idle", // nothing needs the present size
  "hold", // the need fell, but not for long enough yet
  "start", // too few measurements yet: what it has is what it asks for
] as const;
export type ScaleReason = (typeof SCALE_REASONS)[number];

/** What an agent says about a VM's size. Writers use no other word. */
export const AGENT_REASONS = [
  "met", // the VM has what its monitor wants
  "bounds", // the operator's range cut it
  "grid", // it was rounded to the machine's granularity
  "node-full", // the node has no room; it stays wanted
  "no-cpu-quota", // no cgroup: a CPU shrink is advice
  "no-memory-device", // no virtio-mem: memory is fixed
  "above-max", // found above its range; shrinks only by consent
  "paused", // QEMU is not running, or the operator holds the size
  "stuck", // the machine refuses to move
] as const;
export type AgentReason = (typeof AGENT_REASONS)[number];

/** How a ScaleRequest fares, mildest first; the order is what "worst" means. */
export const OUTCOMES = ["accepted", "clamped", "deferred", "refused"] as const;
export type Outcome = (typeof OUTCOMES)[number];

const WORD = /^[a-z0-9-]{1,64}$/;
const SCALE_REASON_SET: ReadonlySet<string> = new Set(SCALE_REASONS);
const AGENT_REASON_SET: ReadonlySet<string> = new Set(AGENT_REASONS);
const OUTCOME_SET: ReadonlySet<string> = new Set(OUTCOMES);

/** True for a reason or feature name as the protocol writes them. */
export function isWord(text: string): boolean {
  return WORD.test(text);
}

export function isScaleReason(word: string): word is ScaleReason {
  return SCALE_REASON_SET.has(word);
}

export function isAgentReason(word: string): word is AgentReason {
  return AGENT_REASON_SET.has(word);
}

export function isOutcome(word: string): word is Outcome {
  return OUTCOME_SET.has(word);
}

/** A reason of either side. A word from next year, or none, reads as "other". */
export function readReason(word: string | undefined): ScaleReason | AgentReason | "other" {
  if (word === undefined) return "other";
  return isScaleReason(word) || isAgentReason(word) ? word : "other";
}

/**
 * An outcome from next year reads as "accepted", which promises nothing by itself: see `permit`.
 */
export function readOutcome(word: string): Outcome {
  return isOutcome(word) ? word : "accepted";
}

/** refused > deferred > clamped > accepted. */
export function worstOutcome(a: Outcome, b: Outcome): Outcome {
  return OUTCOMES.indexOf(a) >= OUTCOMES.indexOf(b) ? a : b;
}
