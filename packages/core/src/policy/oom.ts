// What the kernel's kills for lack of memory teach: whether the machine was short or only one group at its own limit, and
// if it was the machine, that this size was too small for what runs in it. After a kill memory is free, so the samples alone
// would call for nothing until the next one.
import { type MonoMs } from "../agent/types.ts";
import { type MemorySample } from "../monitor/types.ts";
import { type MemoryPolicy } from "./config.ts";
import { type Series } from "./window.ts";

/** Kills seen so far, since the monitor started. */
export type OomKills = Readonly<{
  count: number;
  /** Of these, by the limit of a cgroup: a larger VM would not have prevented them. */
  byLimit: number;
}>;

export type OomState = Readonly<{
  kills: OomKills;
  /** Counters as they were last told; null before. A reading without them changes nothing. */
  known: Readonly<{ oomKills: number; limitHits: number | null }> | null;
  /** When the last kill was seen, whoever's limit it was. */
  killedAt: MonoMs;
  /** The size that is needed from what was learned, bytes, and until when. */
  lesson: Readonly<{ bytes: number; until: MonoMs }> | null;
  /** How long the next lesson counts, and when the last one ended. */
  keepMs: number;
  lapsedAt: MonoMs;
}>;

export function initialOom(): OomState {
  return {
    kills: { count: 0, byLimit: 0 },
    known: null,
    killedAt: -Infinity,
    lesson: null,
    keepMs: 0,
    lapsedAt: -Infinity,
  };
}

/** One more sample (the last of `samples`, which reach back `calmWindowMs`). `toldBytes`: the size it was taken in. */
export function learnOom(
  before: OomState,
  samples: Series<MemorySample>,
  toldBytes: number,
  policy: MemoryPolicy,
  now: MonoMs,
): OomState {
  const rested = forget(before, now);
  const sample = samples.at(-1)?.value;
  const counters = sample?.counters ?? null;
  if (sample === undefined || counters === null) return rested;
  const limitHits = sample.cgroup?.limitHits ?? null;
  const known = { oomKills: counters.oomKills, limitHits };
  // A saved machine that is restored may count less than before: that is no kill.
  const killed = counters.oomKills - (before.known?.oomKills ?? Infinity);
  if (!(killed > 0)) return { ...rested, known };
  const isLimit = isOwnLimit(before, samples, limitHits, policy);
  const { count, byLimit } = before.kills;
  const kills = { count: count + killed, byLimit: byLimit + (isLimit ? killed : 0) };
  const noticed = { ...rested, known, kills, killedAt: now };
  return isLimit ? noticed : { ...noticed, ...lessonOf(rested, toldBytes, policy, now) };
}

/** Half as much again as was too little; who is killed again soon after that was forgotten is remembered much longer. */
function lessonOf(
  { lesson, keepMs, lapsedAt }: OomState,
  toldBytes: number,
  policy: MemoryPolicy,
  now: MonoMs,
): Pick<OomState, "lesson" | "keepMs"> {
  const isAgain = lesson === null && now < lapsedAt + keepMs;
  const longer = Math.min(policy.againFactor * keepMs, policy.oomKeepMaxMs);
  const nextMs = isAgain ? longer : lesson === null ? policy.oomKeepMs : keepMs;
  const bytes = Math.max(lesson?.bytes ?? 0, Math.round(policy.emergencyFactor * toldBytes));
  return { lesson: { bytes, until: now + nextMs }, keepMs: nextMs };
}

function forget(state: OomState, now: MonoMs): OomState {
  const { lesson } = state;
  return lesson === null || now < lesson.until ? state : { ...state, lesson: null, lapsedAt: now };
}

/**
 * True only when that is known: the group that is looked at says so, or there was plenty for everybody else. The kernel
 * counts a stalled allocation whenever the machine itself was short, and none when a group met its limit.
 */
function isOwnLimit(
  { known }: OomState,
  samples: Series<MemorySample>,
  limitHits: number | null,
  { scarceShare }: MemoryPolicy,
): boolean {
  const knownHits = known?.limitHits ?? null;
  if (limitHits !== null && knownHits !== null && limitHits > knownHits) return true;
  const [first] = samples;
  const stallsThen = first?.value.counters?.allocationStalls;
  const stallsNow = samples.at(-1)?.value.counters?.allocationStalls;
  if (stallsThen === undefined || stallsNow === undefined || stallsNow !== stallsThen) return false;
  return samples.every(
    ({ value }) =>
      value.availableBytes >= scarceShare * value.totalBytes && value.counters !== null,
  );
}
