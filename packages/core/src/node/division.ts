// Rules 2 to 5 and 7 for one resource: everybody's fair share, what is granted of the free room now, and who is asked to
// give back. It never takes away what a VM holds.
import { raise, type Classes, type Stake } from "./stakes.ts";

export type Limits = Readonly<{
  /** What all of them together may hold. */
  all: number;
  /** The same without the headroom for emergencies. */
  comfort: number;
  hasBrake: boolean;
}>;

export type Division = Readonly<{
  shares: readonly number[];
  /** What each may have now, by what is free. */
  granted: readonly number[];
  /** What is kept free for each one's minimum from now on. */
  secured: readonly number[];
  /** Who is asked to come down to its share. */
  isRecalled: readonly boolean[];
  /** More is held, promised or kept for minimums than may be handed out. */
  isOver: boolean;
  /** What is held or promised above a share is asked back: there is too little, or the headroom is in use for comfort. */
  isDue: boolean;
}>;

export function divide(stakes: readonly Stake[], classes: Classes, limits: Limits): Division {
  const shares = sharesOf(stakes, classes, limits);
  const granted = grantsOf(stakes, classes, limits, shares);
  const counted = stakes.reduce((sum, stake) => sum + stake.counted, 0);
  // One that was added to a full node has its minimum kept once there is room for all that may be held.
  const secured = stakes.map(({ min, isUnknown, secured }, index) => {
    if (isUnknown) return counted <= limits.all ? min : secured;
    return Math.min(min, granted[index] ?? 0);
  });
  const known = stakes.reduce(
    (sum, { held, promised, secured }) => sum + Math.max(held, promised, secured),
    0,
  );
  const isOver = known > limits.all;
  // Under a brake nobody is asked to give for what nobody may take.
  const due = (stake: Stake, index: number): number => {
    const share = shares[index] ?? 0;
    return limits.hasBrake ? Math.min(share, Math.max(stake.min, stake.urgent)) : share;
  };
  const isWanting = stakes.some((stake, index) => {
    const has = stake.isUnknown ? secured[index] : granted[index];
    return (has ?? 0) < due(stake, index);
  });
  // What an emergency takes of the headroom is asked back from who has more than its share, to be there for the next one.
  const used = stakes.reduce((sum, { isUnknown, secured }, index) => {
    return sum + (isUnknown ? secured : (granted[index] ?? 0));
  }, 0);
  const isDue = isOver || isWanting || used > limits.comfort;
  const isRecalled = stakes.map(
    ({ held, want }, index) => isDue && Math.min(held, want) > (shares[index] ?? Infinity),
  );
  return { shares, granted, secured, isRecalled, isOver, isDue };
}

/** What each would have if all that is held could be moved: minimums, then what can't wait, then comfort. */
function sharesOf(stakes: readonly Stake[], classes: Classes, limits: Limits): number[] {
  // What can't wait is not taken from one VM for another: who has it keeps it.
  const shares = stakes.map(({ min, urgent, counted }) => Math.max(min, Math.min(urgent, counted)));
  const start = shares.reduce((sum, share) => sum + share, 0);
  const left = raise(stakes, classes, shares, ({ urgent }) => urgent, limits.all - start);
  raise(stakes, classes, shares, ({ want }) => want, left - (limits.all - limits.comfort));
  return shares;
}

/** The same rules over what nobody holds, up to everybody's share. */
function grantsOf(
  stakes: readonly Stake[],
  classes: Classes,
  limits: Limits,
  shares: readonly number[],
): number[] {
  const granted = stakes.map(({ counted }) => counted);
  const share = (index: number): number => shares[index] ?? 0;
  let free = limits.all - granted.reduce((sum, amount) => sum + amount, 0);
  free = raise(stakes, classes, granted, ({ min }) => min, free);
  const urgent = ({ urgent }: Stake, index: number) => Math.min(urgent, share(index));
  free = raise(stakes, classes, granted, urgent, free);
  if (limits.hasBrake) return granted;
  const comfort = free - (limits.all - limits.comfort);
  free = raise(stakes, classes, granted, (_, index) => share(index), comfort);
  raise(stakes, classes, granted, ({ loan }) => loan, free);
  return granted;
}
