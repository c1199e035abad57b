// Whether memory is calm enough for some of it to be taken. What is not known does not count as calm: a signal that is
// missing may keep a VM as it is, never make it smaller.
import { type MonoMs } from "../agent/types.ts";
import { type MemorySample } from "../monitor/types.ts";
import { type MemoryPolicy } from "./config.ts";
import { entryAgo, type Series } from "./window.ts";

/** `samples` reach back `calmWindowMs`; `killedAt`: when the OOM killer was last at work. */
export type CalmGiven = Readonly<{
  samples: Series<MemorySample>;
  oom: Readonly<{ killedAt: MonoMs }>;
}>;

/** Why nothing may be taken at this moment, whatever the size; null when it may. */
export function vetoOf(
  { samples, oom }: CalmGiven,
  policy: MemoryPolicy,
  now: MonoMs,
): string | null {
  if (now < oom.killedAt + policy.oomHoldMs) return "the OOM killer was at work";
  const sample = samples.at(-1)?.value;
  const then = entryAgo(samples, now, policy.calmWindowMs);
  if (sample === undefined || then === null || then.at >= now) return null;
  // A window that is not full yet counts as if the rest had been calm.
  const windowMs = Math.max(now - then.at, policy.calmWindowMs);
  const share = (before: number | null, after: number | null) =>
    before === null || after === null ? 0 : (after - before) / windowMs;
  const before = then.value;
  const lately = `in the last ${policy.calmWindowMs / 1000} s`;
  const lost = lostSignal(before, sample);
  if (lost !== null) return `${lost} can't be read`;
  if (share(before.somePressureMs, sample.somePressureMs) > policy.calmPressureShare) {
    return `tasks waited for memory ${lately}`;
  }
  const own = share(before.cgroup?.somePressureMs ?? null, sample.cgroup?.somePressureMs ?? null);
  if (own > policy.calmPressureShare) return `its cgroup waited for memory ${lately}`;
  const isWithoutPressure = sample.somePressureMs === null;
  if (isWithoutPressure && grew(before, sample, "allocationStalls")) {
    return `allocations stalled ${lately}`;
  }
  return grew(before, sample, "refaultedAnonPages") ? "memory is being swapped back in" : null;
}

/** What was told before and is not now; or neither of the two that say whether memory is short. */
function lostSignal(before: MemorySample, now: MemorySample): string | null {
  if (now.somePressureMs === null && before.somePressureMs !== null) return "memory pressure";
  if (now.counters === null && before.counters !== null) return "the kernel's event counters";
  const isBlind = now.somePressureMs === null && now.counters === null;
  return isBlind ? "whether memory is short" : null;
}

function grew(
  before: MemorySample,
  now: MemorySample,
  counter: "allocationStalls" | "refaultedAnonPages",
): boolean {
  if (before.counters === null || now.counters === null) return false;
  return now.counters[counter] > before.counters[counter];
}
