// The shortest story that still fails: delta debugging over its faults, its demands, its VMs, and its lengths.
import { type Story } from "./story.ts";

export type ShrinkOptions = Readonly<{
  /** How many stories are tried at most. */
  mostRuns?: number;
  /** Told after each try: how many, and how short the story is by now. */
  tell?: (runs: number, story: Story) => void;
}>;

const MOST_RUNS = 400;
/** Times are rounded to this where the story bears it. */
const ROUND_MS = 100;
const LEAST_HEALTHY_MS = 20_000;

/** `fails`: whether a story fails in the same way. The story given does. */
export function shrink(
  story: Story,
  fails: (story: Story) => boolean,
  options: ShrinkOptions = {},
): Story {
  const { mostRuns = MOST_RUNS, tell } = options;
  let best = story;
  let runs = 0;
  const attempt = (shorter: Story): boolean => {
    if (runs >= mostRuns) return false;
    runs += 1;
    const isShorter = fails(shorter);
    if (isShorter) best = shorter;
    tell?.(runs, best);
    return isShorter;
  };
  for (let size = Infinity; sizeOf(best) < size;) {
    size = sizeOf(best);
    trimEnd(best, attempt);
    dropParts(
      () => best.faults,
      (faults) => attempt({ ...best, faults }),
    );
    dropParts(
      () => best.demands,
      (demands) => attempt({ ...best, demands }),
    );
    for (let vm = best.vms.length - 1; vm >= 0; vm -= 1) attempt(withoutVm(best, vm));
    shortenFaults(() => best, attempt);
    roundTimes(best, attempt);
  }
  return best;
}

/** Smaller is shorter; what is left of time counts least. */
function sizeOf({ faults, demands, vms, hostileMs, healthyMs }: Story): number {
  const longMs = faults.reduce((sum, { forMs }) => sum + forMs, 0) + hostileMs + healthyMs;
  return (faults.length + demands.length + vms.length) * 1e9 + longMs;
}

/** Nothing happens after the last fault, and a failure before the healthy phase needs none. */
function trimEnd(story: Story, attempt: (shorter: Story) => boolean): void {
  const lastMs = Math.max(0, ...story.faults.map(({ at, forMs }) => at + forMs));
  const hostileMs = Math.min(story.hostileMs, Math.ceil(lastMs / 1000) * 1000 + 1000);
  const demands = story.demands.map((demand) => ({
    ...demand,
    at: Math.min(demand.at, hostileMs),
  }));
  if (hostileMs < story.hostileMs) attempt({ ...story, hostileMs, demands });
  if (story.healthyMs > LEAST_HEALTHY_MS) attempt({ ...story, healthyMs: LEAST_HEALTHY_MS });
}

/** Halves, quarters, …, single ones: whatever is not needed goes. */
function dropParts<T>(
  current: () => readonly T[],
  attempt: (fewer: readonly T[]) => boolean,
): void {
  for (let chunk = Math.ceil(current().length / 2); chunk >= 1; chunk = Math.floor(chunk / 2)) {
    for (let from = 0; from < current().length;) {
      const all = current();
      const fewer = [...all.slice(0, from), ...all.slice(from + chunk)];
      if (!attempt(fewer)) from += chunk;
    }
  }
}

function withoutVm(story: Story, vm: number): Story {
  if (story.vms.length === 1) return story;
  const keep = <T extends Readonly<{ vm: number }>>(list: readonly T[]): T[] =>
    list
      .filter((one) => one.vm !== vm)
      .map((one) => ({ ...one, vm: one.vm > vm ? one.vm - 1 : one.vm }));
  return {
    ...story,
    vms: story.vms.filter((_, index) => index !== vm),
    demands: keep(story.demands),
    faults: keep(story.faults),
  };
}

function shortenFaults(current: () => Story, attempt: (shorter: Story) => boolean): void {
  for (const index of current().faults.keys()) {
    for (let forMs = 0; ;) {
      const { faults } = current();
      const fault = faults[index];
      if (fault === undefined || fault.forMs <= forMs) break;
      const shorter = { ...fault, forMs };
      if (attempt({ ...current(), faults: faults.with(index, shorter) })) break;
      forMs = Math.floor((forMs + fault.forMs) / 2);
      if (fault.forMs - forMs < ROUND_MS) break;
    }
  }
}

function roundTimes(story: Story, attempt: (shorter: Story) => boolean): void {
  const round = (ms: number) => Math.round(ms / ROUND_MS) * ROUND_MS;
  const faults = story.faults.map((one) => ({
    ...one,
    at: round(one.at),
    forMs: round(one.forMs),
  }));
  const demands = story.demands.map((one) => ({ ...one, at: round(one.at) }));
  attempt({ ...story, faults, demands });
}
