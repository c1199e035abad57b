// A node and its VMs in as few words as a test needs. For tests only.
import { type Size } from "@selfscale/protocol";
import { NOTHING } from "../amounts.ts";
import { type Capacity, type Claim, type Member } from "../types.ts";

export const GIB = 1024 ** 3;

export const size = (cpu: number, gib: number): Size => ({
  milliCpu: cpu * 1000,
  memBytes: gib * GIB,
});

/** All of it may be handed out. */
export function plainNode(size: Size, overrides: Partial<Capacity> = {}): Capacity {
  return {
    size,
    reserve: NOTHING,
    overcommit: { cpu: 1, mem: 1 },
    overheadPerVmBytes: 0,
    emergency: NOTHING,
    brake: null,
    ...overrides,
  };
}

export function member(name: string, overrides: Partial<Member> = {}): Member {
  return { name, min: NOTHING, max: NOTHING, weight: 1, priority: 0, ...overrides };
}

/** A VM whose sizes lie on no grid, and which can be brought to nothing. */
export function claimOf(want: Size, held: Size, overrides: Partial<Claim> = {}): Claim {
  const nothing = { number: 1, min: NOTHING, urgent: NOTHING, loanMilli: 0, permit: null };
  return { ...nothing, want, held, step: NOTHING, ...overrides };
}
