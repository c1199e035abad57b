// What the arbiter is told and what it answers. Data only; the rules in words: docs/sharing.md.
import { type Size } from "@selfscale/protocol";
import { type MonoMs } from "../time.ts";

export type Resource = keyof Size;
export const RESOURCES = ["milliCpu", "memBytes"] as const satisfies readonly Resource[];

/** What there is, and what of it may be handed out. Sizes are guest RAM and vCPUs. */
export type Capacity = Readonly<{
  size: Size;
  /** Kept for the node itself. */
  reserve: Size;
  /** How often each vCPU and each byte may be handed out; 1: once. */
  overcommit: Readonly<{ cpu: number; mem: number }>;
  /** QEMU's own memory per VM, counted beside the guest's. */
  overheadPerVmBytes: number;
  /** Headroom that comfort never takes: memory pressure, reservations and minimums may. */
  emergency: Size;
  /** Why nothing may grow for comfort now, for people; null: the node is well. */
  brake: string | null;
}>;

/** A VM of this node, running or not, by the operator's word. */
export type Member = Readonly<{
  name: string;
  min: Size;
  max: Size;
  /** Its part of what is shared, against others of its priority. */
  weight: number;
  /** Higher ones are served first. */
  priority: number;
  /** The name it had until now; what it holds and wants stays its own. */
  renamedFrom?: string;
}>;

/** What one VM says of itself. Sizes lie on its own grid where it can choose them. */
export type Claim = Readonly<{
  /** Numbers the claims of one VM: an answer says which one it knew of. */
  number: number;
  /** What it would like, within its bounds. */
  want: Size;
  /** What capacity must count for it now: actual, requested, and what was told and may arrive yet. */
  held: Size;
  /** The least that it can be brought to, on its grid: bounds.min, base memory, vCPUs that never go away. */
  min: Size;
  /** The part of `want` that can't wait: memory pressure, a reservation, blind growth. 0: none. */
  urgent: Size;
  /** CPU that it takes only as long as nobody else wants it, to unplug memory with; at least `want` or 0. */
  loanMilli: number;
  /** Its grid, counted from `min`. */
  step: Size;
  /** What it may still grow to by what it was answered last, never more than `want`; null: nothing. */
  permit: Size | null;
}>;

export type ArbiterEvent =
  | Readonly<{ kind: "claimed"; vm: string; claim: Claim }>
  /** QEMU is known to be gone: only its minimum stays reserved. A lost socket alone is not that. */
  | Readonly<{ kind: "left"; vm: string }>
  | Readonly<{ kind: "capacity-changed"; capacity: Capacity }>
  /**
   * The whole list anew, on a node that may have changed with it: both count at once, so that nobody is given what is due
   * to a VM that comes. A VM that is not in the list any more counts until it has left.
   */
  | Readonly<{ kind: "members-changed"; capacity: Capacity; members: readonly Member[] }>;

/** Why a VM has less than it wants. One line each: the operator's manual is made from here. */
export const VERDICT_RULES = {
  overcommitted: "More is held than may be handed out; nothing grows until it fits.",
  brake: "The node itself is in trouble; nothing grows for comfort.",
  "not-looked-at": "Room is kept for VMs whose QEMU nobody could read since the agent began.",
  "held-by-others": "It is below its share; others hold more than theirs, and are asked for it.",
  "emergency-headroom": "What is left is kept for memory pressure and reservations.",
  priority: "VMs of a higher priority want it.",
  "fair-share": "It has its share by weight.",
  "node-size": "No other VM has more than its minimum: the node has no more.",
} as const;
export type VerdictRule = keyof typeof VERDICT_RULES;

export type Holder = Readonly<{ vm: string; held: Size; share: Size }>;

/** Which rule refused the rest of a wish, and who holds what. */
export type Verdict = Readonly<{
  rule: VerdictRule;
  resource: "cpu" | "memory";
  /** The largest ones that count for the rule, few of them. */
  holders: readonly Holder[];
  /** One sentence for people, with units. */
  text: string;
}>;

export type PermitChange = Readonly<{
  vm: string;
  permit: Size;
  /** Some of its wish waits. */
  isNodeFull: boolean;
  /** It holds more than its share while somebody below theirs waits: come down to this, if the monitor agrees. */
  recall: Size | null;
  verdict: Verdict | null;
  /** The last claim of this VM that was known. */
  answers: number;
}>;

/** What is kept of one VM. */
export type Account = Readonly<{
  name: string;
  weight: number;
  priority: number;
  /** By the operator's word, for as long as it does not say itself what it needs. */
  memberMin: Size;
  /** Not in the list of VMs any more, and not gone yet. */
  isRemoved: boolean;
  /** It claimed since its QEMU was last known to be gone. */
  isRunning: boolean;
  /** What it may hold as long as nobody has looked since the start; null: it is known, or known to be gone. */
  mayHold: Size | null;
  /** What is kept free for its minimum: all of it, unless the node is too full for that yet. */
  secured: Size;
  /** The most that it may grow to by what it was sent and has not confirmed to be over. */
  promised: Size;
  /** The last answer. */
  permit: Size;
  share: Size;
  recall: Size | null;
  waitingSince: MonoMs | null;
  verdict: Verdict | null;
  /** The rule and who was named with it: another one is news, while what they hold changes all the time. */
  ruling: string;
}> &
  Omit<Claim, "permit">;
