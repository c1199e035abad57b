// The invariants by number, and how a watcher says that one is broken.

/** As in ARCHITECTURE.md. 0: the core itself threw. */
export const INVARIANTS = {
  0: "the core never throws",
  1: "requested never moves away from the bounds, and stays on the grid",
  2: "held and promised stay within the node's capacity",
  3: "nothing is unplugged without this connection's consent, at most one slice ahead",
  4: "no UpscaleNotification for what is not there",
  5: "one resize per VM and resource is in flight; a late answer ends no wait",
  6: "after faults end, sizes converge; nothing wakes up for nothing",
  7: "unknown or stale signals never shrink a VM",
  8: "a hostile guest costs bounded memory and work, and harms no other VM",
  9: "every decision has a record",
  10: "the node is divided by its rules: nobody is given, or asked back, more than its share says",
} as const;

export type InvariantNumber = keyof typeof INVARIANTS;

export class Broken extends Error {
  override readonly name = "Broken";
  readonly invariant: InvariantNumber;
  /** Counted from 0; null: the node's. */
  readonly vm: number | null;

  constructor(invariant: InvariantNumber, vm: number | null, what: string) {
    super(what);
    this.invariant = invariant;
    this.vm = vm;
  }
}
