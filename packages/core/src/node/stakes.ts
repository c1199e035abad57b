// One resource of every VM, as the rules see it, and the order in which they serve.
import { type MonoMs } from "../time.ts";
import { fill } from "./filling.ts";
import { type Account, type Resource } from "./types.ts";

export type Stake = Readonly<{
  name: string;
  weight: number;
  priority: number;
  min: number;
  want: number;
  urgent: number;
  loan: number;
  held: number;
  step: number;
  secured: number;
  promised: number;
  /** What capacity counts: held, or promised, or kept for its minimum, or kept because nobody has looked. */
  counted: number;
  /** Nobody has looked at it since the start. */
  isUnknown: boolean;
  waitingSince: MonoMs | null;
}>;

/** What capacity counts of one account. */
export function countedOf(account: Account, of: Resource): number {
  return Math.max(account.mayHold?.[of] ?? 0, knownOf(account, of));
}

/** The same by what is known: held, promised, or kept for its minimum. */
export function knownOf(account: Account, of: Resource): number {
  return Math.max(account.held[of], account.promised[of], account.secured[of]);
}

export function stakeOf(account: Account, of: Resource): Stake {
  const { name, weight, priority, waitingSince, loanMilli, mayHold } = account;
  const want = account.want[of];
  return {
    name,
    weight,
    priority,
    waitingSince,
    want,
    min: account.min[of],
    urgent: Math.min(want, account.urgent[of]),
    loan: of === "milliCpu" ? loanMilli : 0,
    held: account.held[of],
    step: Math.max(1, account.step[of]),
    secured: account.secured[of],
    promised: account.promised[of],
    counted: countedOf(account, of),
    isUnknown: mayHold !== null,
  };
}

/** Indices by priority, highest first. */
export type Classes = readonly (readonly number[])[];

export function classesOf(accounts: readonly Account[]): Classes {
  const classes = new Map<number, number[]>();
  for (const [index, { priority }] of accounts.entries()) {
    const known = classes.get(priority);
    if (known === undefined) classes.set(priority, [index]);
    else known.push(index);
  }
  return [...classes].sort(([a], [b]) => b - a).map(([, indices]) => indices);
}

/** Raises `amounts` towards `upTo`, class after class, as far as `room` goes. Gives what is left of it. */
export function raise(
  stakes: readonly Stake[],
  classes: Classes,
  amounts: number[],
  upTo: (stake: Stake, index: number) => number,
  room: number,
): number {
  let left = room;
  for (const indices of classes) {
    if (left <= 0) return left;
    const some = indices.flatMap((index) => {
      const stake = stakes[index];
      const from = amounts[index];
      if (stake === undefined || from === undefined) return [];
      const most = upTo(stake, index);
      return most > from ? [{ index, stake, from, upTo: most }] : [];
    });
    if (some.length === 0) continue;
    const parties = some.map(({ stake, from, upTo: most }) => ({
      name: stake.name,
      weight: stake.weight,
      from,
      upTo: most,
      origin: stake.min,
      step: stake.step,
      covered: stake.counted,
      waitingSince: stake.waitingSince,
    }));
    for (const [nth, amount] of fill(parties, left).entries()) {
      const one = some[nth];
      if (one === undefined) continue;
      amounts[one.index] = amount;
      left -= amount - one.from;
    }
  }
  return left;
}
