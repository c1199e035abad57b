// What the arbiter keeps of one VM, and how that changes by what it hears, before anything is divided.
import { type Size } from "@selfscale/protocol";
import { least, most, NOTHING, sameSize } from "./amounts.ts";
import { type Account, type Claim, type Member } from "./types.ts";

/** One who has not said anything, or is gone: nothing can't wait, nothing is promised, nothing is refused. */
const SILENT = {
  urgent: NOTHING,
  loanMilli: 0,
  promised: NOTHING,
  recall: null,
  waitingSince: null,
  verdict: null,
  ruling: "",
} as const;

/**
 * A VM that nobody has looked at since the agent began. Its minimum and overhead are kept free, so that it can always
 * boot; what it may have grown to before is nobody else's either, until its QEMU was read or is known to be gone.
 */
export function opened({ name, min, max, weight, priority }: Member): Account {
  return {
    ...SILENT,
    name,
    weight,
    priority,
    memberMin: min,
    isRemoved: false,
    isRunning: false,
    mayHold: max,
    number: 0,
    want: min,
    held: min,
    min,
    step: NOTHING,
    secured: min,
    permit: min,
    share: min,
  };
}

/** One that is added to a node in use: its minimum is due to it at once, but may have to wait for room. */
export function added(member: Member): Account {
  return { ...opened(member), held: NOTHING, secured: NOTHING };
}

/** It says what it holds and wants; what it was promised is what it says it still may take. */
export function claimed(account: Account, claim: Claim): Account {
  const { number, held, min, urgent, loanMilli, step, permit } = claim;
  // Nobody's VM any more: it may keep what it has, until it has left.
  const want = account.isRemoved ? least(claim.want, held) : claim.want;
  return {
    ...account,
    isRunning: true,
    mayHold: null,
    number,
    want,
    held,
    min,
    urgent,
    loanMilli: account.isRemoved ? 0 : loanMilli,
    step,
    secured: least(account.secured, min),
    promised: permit ?? NOTHING,
  };
}

/** Its QEMU is gone. The next one needs as much memory on its grid as this one did; vCPUs that were plugged are gone too. */
export function ended(account: Account): Account {
  const min = account.isRunning ? nextMinOf(account) : account.min;
  const secured = least(account.secured, min);
  return {
    ...account,
    ...SILENT,
    isRunning: false,
    mayHold: null,
    want: min,
    held: secured,
    min,
    secured,
    permit: min,
    share: min,
  };
}

function nextMinOf({ min, memberMin, step }: Account): Size {
  const cellMilli = Math.max(1, step.milliCpu);
  return {
    milliCpu: Math.ceil(memberMin.milliCpu / cellMilli) * cellMilli,
    memBytes: Math.max(min.memBytes, memberMin.memBytes),
  };
}

/** The operator's word on a VM that is known already. */
export function renewed(account: Account, member: Member): Account {
  const { name, weight, priority, min, max } = member;
  const base = { ...account, name, weight, priority, memberMin: min, isRemoved: false };
  // A running one says itself what it needs, on its grid; what one that ran before needed is known as well.
  if (account.isRunning || sameSize(account.memberMin, min)) return base;
  const mayHold = account.mayHold === null ? null : most(account.mayHold, max);
  const secured = least(account.secured, min);
  return { ...base, mayHold, want: min, held: secured, min, secured };
}
