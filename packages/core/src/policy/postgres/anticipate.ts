// What is reserved before PostgreSQL takes it: step(state, activity, now) → [state, what to ask for, what is over]. Each
// thing is asked for once, for a limited time; after that what it uses has been measured. All together is bounded. It
// decides amounts; what becomes of them is the business of reservations.
import { type MonoMs } from "../../agent/types.ts";
import { type PostgresActivity } from "./activity.ts";
import { type AnticipationPolicy } from "./config.ts";
import { connectionBytes, indexBuildBytes, queryBytes, vacuumBytes } from "./estimate.ts";
import { settingsOf } from "./settings.ts";

/** What is asked of the reservations. */
export type Anticipated = Readonly<{
  id: string;
  door: "anticipation";
  /** Who will take it, for people. */
  owner: string;
  reason: string;
  memBytes: number;
  milliCpu: 0;
  waitUntil: MonoMs;
  holdUntil: MonoMs;
  ifNotGranted: "proceed";
}>;

export type AnticipationState = Readonly<{
  /** Asked for and not over yet. An entry outlives its hold: it must not be asked for again. */
  asked: readonly Readonly<{ id: string; memBytes: number; holdUntil: MonoMs }>[];
  /** Connections that were counted lately, oldest first. */
  counts: readonly Readonly<{ at: MonoMs; connections: number }>[];
}>;

export type AnticipationStep = Readonly<{
  state: AnticipationState;
  ask: readonly Anticipated[];
  /** Ids of what is over. */
  release: readonly string[];
}>;

type Expected = Readonly<{
  id: string;
  owner: string;
  reason: string;
  memBytes: number;
  holdMs: number;
}>;

export const INITIAL_ANTICIPATION: AnticipationState = { asked: [], counts: [] };

/**
 * `mostBytes`: the VM's largest size. Pure: what PostgreSQL does now against what was asked for before.
 */
export function stepAnticipation(
  before: AnticipationState,
  activity: PostgresActivity,
  given: Readonly<{ mostBytes: number; policy: AnticipationPolicy }>,
  now: MonoMs,
): AnticipationStep {
  const { policy } = given;
  const counts = counted(before.counts, activity.connections, policy, now);
  const kinds = [
    builds(activity, policy),
    vacuums(activity, policy),
    queries(activity, policy),
    rush({ ...before, counts }, activity, policy, now),
  ];
  const expected = kinds.flatMap((kind) => worthwhile(kind, policy));
  const isGoing = new Set(kinds.flat().map(({ id }) => id));
  // A rush of connections is over when its hold is: nobody ends it.
  const isOver = (id: string, holdUntil: MonoMs) =>
    isRush(id) ? now >= holdUntil : !isGoing.has(id);
  const kept = before.asked.filter(({ id, holdUntil }) => !isOver(id, holdUntil));
  const release = before.asked.filter(({ id, holdUntil }) => isOver(id, holdUntil));
  const ask = fitting(expected, kept, given, now);
  const asked = [
    ...kept,
    ...ask.map(({ id, memBytes, holdUntil }) => ({ id, memBytes, holdUntil })),
  ];
  return { state: { asked, counts }, ask, release: release.map(({ id }) => id) };
}

/** With the moment that it was seen first: a later one is another reservation, and no id is used twice. */
const RUSH = "connections:";

function isRush(id: string): boolean {
  return id.startsWith(RUSH);
}

/** What is new, as far as the bound has room; what does not fit whole gets the rest of it. */
function fitting(
  expected: readonly Expected[],
  kept: AnticipationState["asked"],
  { mostBytes, policy }: Readonly<{ mostBytes: number; policy: AnticipationPolicy }>,
  now: MonoMs,
): Anticipated[] {
  const known = new Set(kept.map(({ id }) => id));
  const held = kept.filter(({ holdUntil }) => now < holdUntil);
  let room = policy.maxShare * mostBytes - held.reduce((sum, { memBytes }) => sum + memBytes, 0);
  const asked: Anticipated[] = [];
  for (const { holdMs, memBytes, ...who } of expected) {
    if (known.has(who.id) || memBytes === 0) continue;
    const bytes = Math.floor(Math.min(memBytes, room));
    if (bytes <= 0 || kept.length + asked.length >= policy.maxCount) break;
    room -= bytes;
    asked.push({
      ...who,
      door: "anticipation",
      memBytes: bytes,
      milliCpu: 0,
      waitUntil: now + policy.waitMs,
      holdUntil: now + holdMs,
      ifNotGranted: "proceed",
    });
  }
  return asked;
}

function builds(activity: PostgresActivity, policy: AnticipationPolicy): Expected[] {
  if (!policy.indexBuilds) return [];
  return activity.builds.map((one): Expected => {
    const settings = settingsOf(activity.settings, one.database, one.role);
    const table = { bytes: one.tableBytes, rows: null };
    // Seen too late, there is nothing left to expect; but what was asked for it is not over.
    const memBytes = one.isRead ? 0 : indexBuildBytes(settings, table, policy);
    const id = `build:${one.pid}:${one.key}`;
    return { id, owner: one.owner, reason: one.command, memBytes, holdMs: policy.buildHoldMs };
  });
}

function vacuums(activity: PostgresActivity, policy: AnticipationPolicy): Expected[] {
  if (!policy.vacuums) return [];
  return activity.vacuums.map((one): Expected => {
    const settings = settingsOf(activity.settings, one.database, one.role);
    const memBytes = vacuumBytes(settings, one);
    const id = `vacuum:${one.pid}:${one.key}`;
    const reason = one.isAuto ? "autovacuum" : "VACUUM";
    return { id, owner: one.owner, reason, memBytes, holdMs: policy.buildHoldMs };
  });
}

function queries(activity: PostgresActivity, policy: AnticipationPolicy): Expected[] {
  if (!policy.sessions) return [];
  const long = activity.queries.filter(({ runMs }) => runMs >= policy.sessionMinRunMs);
  const under = long.map((one): Expected => {
    const settings = settingsOf(activity.settings, one.database, one.role);
    const memBytes = one.isWaiting ? 0 : queryBytes(settings, one.processes, policy);
    const id = `query:${one.pid}:${one.key}`;
    return { id, owner: one.owner, reason: "query", memBytes, holdMs: policy.sessionHoldMs };
  });
  // Where there is not room for all, the largest are worth most.
  return under.sort((a, b) => b.memBytes - a.memBytes);
}

/** As many connections as came in the last while may come again, up to max_connections. */
function rush(
  { asked, counts }: AnticipationState,
  activity: PostgresActivity,
  policy: AnticipationPolicy,
  now: MonoMs,
): Expected[] {
  if (!policy.connections) return [];
  const fewest = Math.min(...counts.map(({ connections }) => connections));
  const came = activity.connections - fewest;
  const { server } = activity.settings;
  const free = Math.max(0, server.maxConnections - activity.connections);
  if (came < policy.connectionsLeast || free === 0) return [];
  const coming = Math.min(came, free);
  const memBytes = coming * connectionBytes(server, policy);
  const reason = `${came} connections in ${policy.connectionsWindowMs / 1000} s`;
  const holdMs = policy.sessionHoldMs;
  const going = asked.find(({ id, holdUntil }) => isRush(id) && now < holdUntil);
  const id = going?.id ?? `${RUSH}${Math.round(now)}`;
  return [{ id, owner: "clients", reason, memBytes, holdMs }];
}

/** All of a kind, or nothing: many small ones are as much as a large one. */
function worthwhile(all: readonly Expected[], { leastBytes }: AnticipationPolicy) {
  const sum = all.reduce((bytes, { memBytes }) => bytes + memBytes, 0);
  return sum < leastBytes ? [] : all;
}

function counted(
  counts: AnticipationState["counts"],
  connections: number,
  { connectionsWindowMs }: AnticipationPolicy,
  now: MonoMs,
): AnticipationState["counts"] {
  const recent = counts.filter(({ at }) => at > now - connectionsWindowMs);
  return [...recent, { at: now, connections }];
}
