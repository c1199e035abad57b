// Divides a node among its VMs. First come, first served: who has waited longest is served first, in part if need be.
// It decides permits and nothing else; it never takes back what a VM holds or was promised. Pure.
import { type Size } from "@selfscale/protocol";
import { type MonoMs } from "./types.ts";

/** What the node may hand out: guest RAM and vCPUs, before the VMs' overhead. */
export type Capacity = Readonly<{ size: Size; overheadPerVmBytes: number }>;

type Claim = Readonly<{
  /** It does not run, or nobody has looked yet: its minimum is all that is claimed. */
  isReserved: boolean;
  /** What it may hold as long as nobody has looked since the start; null: it is known, or known to be gone. */
  mayHold: Size | null;
  /** What it is entitled to even while it does not run. */
  min: Size;
  /** What capacity must count for this VM now, by what QEMU reports. */
  held: Size;
  /** What it would like, already within its bounds. */
  want: Size;
  /** The last answer. */
  permit: Size;
  /** When it began to want more than its permit; null while it has what it wants. */
  waitingSince: MonoMs | null;
}>;

export type ArbiterState = Readonly<{
  capacity: Capacity;
  claims: ReadonlyMap<string, Claim>;
}>;

export type ArbiterEvent =
  /** A VM says what it holds and wants. */
  | Readonly<{ kind: "claimed"; vm: string; want: Size; held: Size }>
  /** QEMU is known to be gone: only its minimum stays reserved. A lost socket alone is not that. */
  | Readonly<{ kind: "left"; vm: string }>
  /** The node was given another capacity. What is held or promised already stays. */
  | Readonly<{ kind: "capacity-changed"; capacity: Capacity }>
  /** All VMs of this node from now on. Who stays keeps what it holds; a new one may hold up to its maximum. */
  | Readonly<{ kind: "members-changed"; members: readonly Member[] }>;

export type PermitChange = Readonly<{ vm: string; permit: Size; isNodeFull: boolean }>;

export type NodeUse = Readonly<{ held: Size; promised: Size; isOvercommitted: boolean }>;

/** A VM of this node, running or not, by its bounds. */
export type Member = Readonly<{ name: string; min: Size; max: Size }>;

/**
 * Every VM's minimum and overhead are kept free from the start, so that it can always boot. What a VM may have grown to
 * before this agent began is nobody else's either, until its QEMU was read or is known to be gone.
 */
export function initialArbiter(capacity: Capacity, members: readonly Member[]): ArbiterState {
  const claims = new Map(
    members.map(({ name, min, max }): [string, Claim] => [
      name,
      { ...reserved(min), mayHold: max },
    ]),
  );
  return { capacity, claims };
}

function reserved(min: Size): Claim {
  return {
    isReserved: true,
    mayHold: null,
    min,
    held: min,
    want: min,
    permit: min,
    waitingSince: null,
  };
}

/**
 * Pure. Answers with every permit that changed, and always with the claimant's own: it waits for
 * that answer.
 */
export function stepArbiter(
  before: ArbiterState,
  event: ArbiterEvent,
  now: MonoMs,
): [ArbiterState, PermitChange[]] {
  const speaker = event.kind === "claimed" || event.kind === "left" ? event.vm : null;
  const { capacity, claims } = absorb(before, event);
  const divided = divide(capacity, claims, now);
  const changes: PermitChange[] = [];
  for (const [vm, claim] of divided) {
    const old = before.claims.get(vm);
    if (event.kind === "left" && speaker === vm) continue; // nobody is there to hear it
    const isClaimant = speaker === vm;
    if (!isClaimant && old !== undefined && same(old.permit, claim.permit)) continue;
    changes.push({ vm, permit: claim.permit, isNodeFull: claim.waitingSince !== null });
  }
  const after = { capacity, claims: divided };
  assertWithinCapacity(before, after);
  return [after, changes];
}

function absorb(before: ArbiterState, event: ArbiterEvent): ArbiterState {
  if (event.kind === "capacity-changed") return { ...before, capacity: event.capacity };
  if (event.kind === "members-changed") {
    const claims = event.members.map((member): [string, Claim] => {
      const known = before.claims.get(member.name);
      return [member.name, memberClaim(known, member)];
    });
    return { ...before, claims: new Map(claims) };
  }
  const known = before.claims.get(event.vm);
  if (known === undefined) throw new Error(`${event.vm} is not a VM of this node`);
  const claims = new Map(before.claims);
  if (event.kind === "left") claims.set(event.vm, reserved(known.min));
  else {
    const { held, want } = event;
    claims.set(event.vm, { ...known, isReserved: false, mayHold: null, held, want });
  }
  return { ...before, claims };
}

function memberClaim(known: Claim | undefined, { min, max }: Member): Claim {
  if (known === undefined) return { ...reserved(min), mayHold: max };
  if (!known.isReserved) return { ...known, min };
  return { ...reserved(min), mayHold: known.mayHold === null ? null : max };
}

/** What the node's VMs hold and were promised, without their overhead. */
export function nodeUse(state: ArbiterState): NodeUse {
  let held: Size = { milliCpu: 0, memBytes: 0 };
  let promised: Size = { milliCpu: 0, memBytes: 0 };
  for (const claim of state.claims.values()) {
    held = plus(held, claim.held);
    promised = plus(promised, committed(claim));
  }
  const overheadBytes = state.claims.size * state.capacity.overheadPerVmBytes;
  const isOvercommitted =
    promised.milliCpu > state.capacity.size.milliCpu ||
    promised.memBytes + overheadBytes > state.capacity.size.memBytes;
  return { held, promised, isOvercommitted };
}

function divide(
  capacity: Capacity,
  claims: ReadonlyMap<string, Claim>,
  now: MonoMs,
): Map<string, Claim> {
  // What is held, or was promised and is still wanted, stays: a promise may be half plugged by now.
  let free: Size = {
    milliCpu: capacity.size.milliCpu,
    memBytes: capacity.size.memBytes - claims.size * capacity.overheadPerVmBytes,
  };
  for (const claim of claims.values()) free = minus(free, claim.mayHold ?? committed(claim));

  // Who waits longest goes first; who does not wait yet comes after, in the order they joined.
  const order = [...claims].sort(
    ([, a], [, b]) => (a.waitingSince ?? Infinity) - (b.waitingSince ?? Infinity) || 0,
  );
  const permits = new Map<string, Size>();
  for (const [vm, claim] of order) {
    const kept = committed(claim);
    const more = {
      milliCpu: clampMore(claim.want.milliCpu - kept.milliCpu, free.milliCpu),
      memBytes: clampMore(claim.want.memBytes - kept.memBytes, free.memBytes),
    };
    free = minus(free, more);
    permits.set(vm, {
      milliCpu: Math.min(claim.want.milliCpu, kept.milliCpu + more.milliCpu),
      memBytes: Math.min(claim.want.memBytes, kept.memBytes + more.memBytes),
    });
  }

  const divided = new Map<string, Claim>();
  for (const [vm, claim] of claims) {
    const permit = permits.get(vm) ?? claim.permit;
    const isShort = permit.milliCpu < claim.want.milliCpu || permit.memBytes < claim.want.memBytes;
    divided.set(vm, {
      ...claim,
      permit,
      waitingSince: isShort ? (claim.waitingSince ?? now) : null,
    });
  }
  return divided;
}

/** Held, or promised earlier and still wanted: whichever is more, per resource. */
function committed(claim: Claim): Size {
  return {
    milliCpu: Math.max(claim.held.milliCpu, Math.min(claim.permit.milliCpu, claim.want.milliCpu)),
    memBytes: Math.max(claim.held.memBytes, Math.min(claim.permit.memBytes, claim.want.memBytes)),
  };
}

function clampMore(wish: number, free: number): number {
  return Math.max(0, Math.min(wish, free));
}

/** Found above capacity at start is kept and reported, but no decision of ours may add to it. */
function assertWithinCapacity(before: ArbiterState, after: ArbiterState): void {
  for (const resource of ["milliCpu", "memBytes"] as const) {
    const overhead = resource === "memBytes" ? after.capacity.overheadPerVmBytes : 0;
    let sum = after.claims.size * overhead;
    let heldSum = sum;
    let granted = false;
    for (const [vm, claim] of after.claims) {
      sum += committed(claim)[resource];
      heldSum += claim.held[resource];
      const old = before.claims.get(vm);
      const kept = Math.max(claim.held[resource], old?.permit[resource] ?? 0);
      if (claim.permit[resource] > kept) granted = true;
    }
    if (granted && sum > after.capacity.size[resource]) {
      throw new Error(`${resource}: ${sum} promised (${heldSum} held) of a smaller node`);
    }
  }
}

function plus(a: Size, b: Size): Size {
  return { milliCpu: a.milliCpu + b.milliCpu, memBytes: a.memBytes + b.memBytes };
}

function minus(a: Size, b: Size): Size {
  return { milliCpu: a.milliCpu - b.milliCpu, memBytes: a.memBytes - b.memBytes };
}

function same(a: Size, b: Size): boolean {
  return a.milliCpu === b.milliCpu && a.memBytes === b.memBytes;
}
