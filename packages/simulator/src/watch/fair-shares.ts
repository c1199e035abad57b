// What each VM's fair share of one resource is, by the plainest method there is: step by step, always to who has least
// for its weight. The core pours water and rounds; this must come to the same, up to a step.

export type Sharer = Readonly<{
  weight: number;
  priority: number;
  min: number;
  urgent: number;
  want: number;
  /** What it holds or was promised. */
  counted: number;
  step: number;
}>;

/** `room`: for all of them. `kept`: what comfort may not take of it. */
export function fairShares(all: readonly Sharer[], room: number, kept: number): number[] {
  const shares = all.map(({ min, urgent, want, counted }) =>
    Math.max(min, Math.min(urgent, want, counted)),
  );
  let left = room - shares.reduce((sum, share) => sum + share, 0);
  left = deal(all, shares, left, ({ urgent, want }) => Math.min(urgent, want));
  deal(all, shares, left - kept, ({ want }) => want);
  return shares;
}

/** Deals out `room` in steps; gives what is left of it. */
function deal(
  all: readonly Sharer[],
  shares: number[],
  room: number,
  upTo: (one: Sharer) => number,
): number {
  let left = room;
  for (;;) {
    let next: number | null = null;
    for (const [index, one] of all.entries()) {
      const more = moreOf(one, shares[index] ?? 0, upTo(one));
      if (more <= 0 || more > left) continue;
      const best = next === null ? undefined : all[next];
      if (next === null || best === undefined || isBefore(one, index, best, next, shares)) {
        next = index;
      }
    }
    const one = next === null ? undefined : all[next];
    if (next === null || one === undefined) return left;
    const more = moreOf(one, shares[next] ?? 0, upTo(one));
    shares[next] = (shares[next] ?? 0) + more;
    left -= more;
  }
}

/** To the next size on its grid, which begins at its minimum. */
function moreOf({ min, step }: Sharer, share: number, upTo: number): number {
  const next = min + (Math.floor((share - min) / step) + 1) * step;
  return Math.min(next, upTo) - share;
}

function isBefore(
  one: Sharer,
  index: number,
  best: Sharer,
  bestIndex: number,
  shares: readonly number[],
): boolean {
  if (one.priority !== best.priority) return one.priority > best.priority;
  return (shares[index] ?? 0) / one.weight < (shares[bestIndex] ?? 0) / best.weight;
}
