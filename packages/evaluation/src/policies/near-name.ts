// "Did you mean": the known name that is the fewest keystrokes away from what was typed.

/** null when nothing is close: more than a third of the letters would have to change. */
export function nearestName(typed: string, known: readonly string[]): string | null {
  let nearest: string | null = null;
  let least = Infinity;
  for (const name of known) {
    const steps = editDistance(typed.toLowerCase(), name.toLowerCase());
    if (steps >= least) continue;
    least = steps;
    nearest = name;
  }
  const most = Math.max(1, Math.ceil(Math.max(typed.length, nearest?.length ?? 0) / 3));
  return least <= most ? nearest : null;
}

/** Letters to insert, delete, replace, or swap with their neighbour, to get from one to the other. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const next = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      let steps = Math.min(
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
      );
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (row > 1 && column > 1 && isSwap) steps = Math.min(steps, (before[column - 2] ?? 0) + 1);
      next.push(steps);
    }
    before = last;
    last = next;
  }
  return last[to.length] ?? 0;
}
