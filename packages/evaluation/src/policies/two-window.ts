// ClickHouse Cloud's recommender: the most that was used in a short and in a long window, and a band of utilisation.
import { type Decider, type Policy, type VmGiven } from "../policy.ts";
import { TICK_SEC } from "../workload.ts";
import { usableGib } from "../machine/profile.ts";
import { fitCpu, fitMem, usedGib, vmSizeFor } from "./guest.ts";
import { defaultsOf, nameWith, type SettingsOf } from "./settings.ts";
import { MaxWindow } from "./windows.ts";

export const TWO_WINDOW_SETTINGS = {
  share: { unit: "share", default: 0.53, min: 0.05, max: 1, help: "utilisation that is aimed at" },
  low: { unit: "share", default: 0.375, min: 0, max: 1, help: "below it, it shrinks" },
  high: { unit: "share", default: 0.75, min: 0.05, max: 1, help: "above it, it grows" },
  short: { unit: "h", default: 3, min: 0.05, max: 1_000, help: "window that shrinking looks at" },
  long: { unit: "h", default: 30, min: 0.05, max: 1_000, help: "window that growing looks at" },
  sample: { unit: "s", default: 60, min: 0.25, max: 3_600, help: "usage is a mean over this" },
} as const;

type TwoWindowSettings = SettingsOf<typeof TWO_WINDOW_SETTINGS>;

/**
 * recommended = max usage ÷ 0.53; nothing is done while max usage ÷ size is within 37.5–75 %; growth goes in one step to
 * what the maximum of 30 h asks for, shrinking to what the maximum of 3 h asks for.
 * Source: clickhouse.com/docs, "Scaling recommendations"; clickhouse.com/blog/smarter-auto-scaling (24 March 2026).
 *
 * Not published, and chosen here: usage is a mean of a minute and looked at once a minute; memory (peak resident memory
 * with unpublished headroom) follows the rule of CPU, its peak within the minute counts.
 */
export function twoWindowPolicy(
  settings: TwoWindowSettings = defaultsOf(TWO_WINDOW_SETTINGS),
): Policy {
  return {
    name: nameWith("two-window", TWO_WINDOW_SETTINGS, settings),
    isCoupled: false,
    start: (vm) => ({ decide: twoWindowDecider(settings, vm), startSize: null }),
  };
}

function twoWindowDecider(settings: TwoWindowSettings, vm: VmGiven): Decider {
  const sampleTicks = Math.max(1, Math.round(settings.sample / TICK_SEC));
  const cpu = recommender(settings);
  const mem = recommender(settings);
  let ticks = 0;
  let busy = 0;
  let peakGib = 0;
  return (seen, want) => {
    ticks += 1;
    busy += seen.busyCpus;
    const used = usedGib(seen);
    if (used > peakGib) peakGib = used;
    if (ticks < sampleTicks) return;
    want.cpu = fitCpu(vm, cpu(busy / ticks, want.cpu));
    want.memGib = fitMem(vm, vmSizeFor(mem(peakGib, usableGib(want.memGib))));
    ticks = 0;
    busy = 0;
    peakGib = 0;
  };
}

/** Takes a sample of usage and the size; gives the next size. */
function recommender({
  share,
  low,
  high,
  short,
  long,
  sample,
}: TwoWindowSettings): (usage: number, size: number) => number {
  const shortWindow = new MaxWindow(Math.max(1, Math.round((short * 3_600) / sample)));
  const longWindow = new MaxWindow(Math.max(1, Math.round((long * 3_600) / sample)));
  return (usage, size) => {
    shortWindow.add(usage);
    longWindow.add(usage);
    const utilisation = shortWindow.max / size;
    if (utilisation > high) return longWindow.max / share;
    if (utilisation < low) return shortWindow.max / share;
    return size;
  };
}
