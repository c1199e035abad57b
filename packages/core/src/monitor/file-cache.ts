// PostgreSQL's file cache, where it has one: how large it should be now, and the orders that make it so. A level: it
// follows the size of the machine, goes down first when that shrinks, and up again only after that has grown. What
// PostgreSQL does with an order, and when, decides nothing here but the next order. Questions to shrink: shrink.ts.
import { type MonoMs } from "../agent/types.ts";
import { fileCacheBytes } from "../policy/postgres/file-cache.ts";
import { actualOf } from "./actual.ts";
import { haveNow } from "./consent.ts";
import { explain } from "./explain.ts";
import { type FileCache, type MonitorState } from "./state.ts";
import { type FileCacheSeen, type MonitorAction, type MonitorNote } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

const MIB = 1024 * 1024;

/** PostgreSQL was asked, or is gone. */
export function onFileCacheSeen(state: MonitorState, cache: FileCacheSeen | null): MonitorState {
  const { fileCache } = state;
  if (cache !== null) return withCache(state, { seen: cache });
  return fileCache.seen === null ? state : withCache(state, { seen: null, order: null });
}

/** An order was carried out, or was not. A late answer tells the size, and ends no other order. */
export function onFileCacheAnswered(
  state: MonitorState,
  answer: Readonly<{ order: number; limitBytes: number | null; problem: string | null }>,
  now: MonoMs,
): Result {
  const { seen } = state.fileCache;
  const { limitBytes } = answer;
  const told =
    seen === null || limitBytes === null
      ? state
      : withCache(state, { seen: { ...seen, limitBytes } });
  const { order } = told.fileCache;
  if (order?.number !== answer.order) return [told, []];
  if (limitBytes !== order.bytes) return failed(told, answer.problem ?? "it has another size", now);
  const notBefore = now + state.config.fileCache.pauseMs;
  const done = withCache(told, { order: null, failures: 0, notBefore });
  const message = `PostgreSQL's file cache is ${mib(order.bytes)} MiB now.`;
  return [done, [explain("info", "file-cache-set", message, { limitBytes })]];
}

/** Stage: bring the cache to where it should be, when nobody waits for it. */
export function fileCacheStage(before: MonitorState, now: MonoMs): Result {
  if (before.fileCache.seen === null) return [before, []];
  const [state, notes] = expire(before, now);
  const { seen, order, notBefore } = state.fileCache;
  if (seen === null || order !== null || now < notBefore) return [state, notes];
  const goal = cacheGoal(state);
  const { leastChangeBytes } = state.config.fileCache;
  if (goal === null || Math.abs(goal - seen.limitBytes) < leastChangeBytes) return [state, notes];
  // Under pressure every page is wanted elsewhere.
  const mayRaise = state.memoryNeed !== null && state.memoryNeed.veto === null;
  if (goal > seen.limitBytes && !mayRaise) return [state, notes];
  const [ordered, actions] = orderCache(state, goal, now);
  return [ordered, [...notes, ...actions]];
}

export function fileCacheWakeAt({ fileCache }: MonitorState): MonoMs | null {
  return fileCache.order?.until ?? null;
}

/** What a machine of `memBytes` leaves for the cache, if that is less than it has; null: nothing has to give way. */
export function cacheToGive(state: MonitorState, memBytes: number): number | null {
  const { seen, failures } = state.fileCache;
  const { isManaged, maxRefusals } = state.config.fileCache;
  // Whoever did not answer again and again is not waited for: the kernel takes the pages of a file back by itself.
  if (seen === null || !isManaged || failures >= maxRefusals) return null;
  const bytes = fileCacheBytes(memBytes, seen.maxBytes);
  return bytes < seen.limitBytes ? bytes : null;
}

/** A new order; what an older one comes to is only news. */
export function orderCache(state: MonitorState, bytes: number, now: MonoMs): Result {
  const number = state.fileCache.orders + 1;
  const until = now + state.config.fileCache.deadlineMs;
  const ordered = withCache(state, { orders: number, order: { number, bytes, until } });
  return [ordered, [{ kind: "set-file-cache", order: number, bytes, until }]];
}

/** The machine may become so small: until it has, or until it is clear that it does not, the cache is kept as small. */
export function keepCacheSmall(state: MonitorState, memBytes: number, now: MonoMs): MonitorState {
  if (state.fileCache.seen === null) return state;
  return withCache(state, { agreed: { memBytes, until: now + state.config.timers.consentMs } });
}

/** Bytes; null while the size is not known, or the cache is not ours to set. */
function cacheGoal(state: MonitorState): number | null {
  const { seen, agreed } = state.fileCache;
  const actual = actualOf(state);
  if (seen === null || actual === null || !state.config.fileCache.isManaged) return null;
  // What /proc shows, and no promise of it: memory that was given may not be there yet.
  const memBytes = Math.min(haveNow(state, actual), agreed?.memBytes ?? Infinity);
  const bytes = fileCacheBytes(memBytes, seen.maxBytes);
  if (bytes <= seen.limitBytes) return bytes;
  // What came for a reservation is not the cache's: it would be filled before whoever reserved it uses it.
  const reserved = state.reservations.active.reduce((sum, one) => sum + one.request.memBytes, 0);
  return Math.max(seen.limitBytes, fileCacheBytes(memBytes - reserved, seen.maxBytes));
}

function expire(state: MonitorState, now: MonoMs): Result {
  const { agreed, order } = state.fileCache;
  const kept = agreed !== null && now >= agreed.until ? withCache(state, { agreed: null }) : state;
  if (order === null || now < order.until) return [kept, []];
  return failed(kept, `no answer within ${state.config.fileCache.deadlineMs} ms`, now);
}

function failed(state: MonitorState, problem: string, now: MonoMs): Result {
  const failures = state.fileCache.failures + 1;
  const { pauseMs, pauseMaxMs } = state.config.fileCache;
  const longerMs = Math.max(pauseMs, Math.min(pauseMaxMs, pauseMs * 2 ** (failures - 1)));
  const bytes = state.fileCache.order?.bytes ?? 0;
  const message = `PostgreSQL did not bring its file cache to ${mib(bytes)} MiB: ${problem}.`;
  const note: MonitorNote = {
    level: "warn",
    reason: "file-cache-stuck",
    message,
    data: { failures },
  };
  const next = withCache(state, { order: null, failures, notBefore: now + longerMs });
  return [next, [{ kind: "explain", note }]];
}

function withCache(state: MonitorState, change: Partial<FileCache>): MonitorState {
  return { ...state, fileCache: { ...state.fileCache, ...change } };
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}
