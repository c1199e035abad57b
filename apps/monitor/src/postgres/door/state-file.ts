// What the SQL functions read: the answer to one request, and the live state for the views. Plain data.
import { MAX_RESERVATIONS_PER_OWNER, type MonitorStatus } from "@selfscale/core";
import { type MonitorDecision, type Size } from "@selfscale/protocol";
import { SCHEMA_VERSION } from "../sql/version.ts";
import { type Clocks, type Entry } from "./table.ts";

/** What the monitor shows of itself. */
export type DoorView = Readonly<{
  monitor: MonitorStatus;
  /** Newest last. */
  decisions: readonly Readonly<{ at: string; decision: MonitorDecision }>[];
  /** In words, line by line. */
  explain: readonly string[];
}>;

const MIB = 1024 ** 2;

export function answerFile({ state, answer, hold }: Entry): object {
  return { state, ...answer, mark: hold?.mark ?? null };
}

export function stateFile(view: DoorView, entries: readonly Entry[], now: Clocks): object {
  const { active, floor } = view.monitor.reservations;
  const ours = new Map(entries.map((entry) => [entry.id, entry]));
  return {
    schema: SCHEMA_VERSION,
    writtenAtMs: Math.round(now.wall),
    limits: { perOwner: MAX_RESERVATIONS_PER_OWNER },
    size: [...rungs(view.monitor), ...rung("floor", isNone(floor) ? null : floor, "reserved")],
    reservations: active.map((row) => shown(row, ours.get(row.id) ?? null, now)),
    decisions: view.decisions.flatMap(decided).reverse(),
    explain: view.explain,
  };
}

function isNone({ milliCpu, memBytes }: Size): boolean {
  return milliCpu === 0 && memBytes === 0;
}

function rungs(monitor: MonitorStatus): object[] {
  const { ladder, bounds, reason, agentReason, isMet } = monitor;
  const why = isMet ? `${reason}, met` : reason;
  return [
    rung("desired", ladder.desired, why),
    rung("permit", ladder.permit, agentReason ?? ""),
    rung("requested", ladder.requested, ""),
    rung("actual", ladder.actual, ""),
    rung("bounds.min", bounds?.min ?? null, "the operator's range"),
    rung("bounds.max", bounds?.max ?? null, "the operator's range"),
  ].flat();
}

function rung(name: string, size: Size | null, note: string): object[] {
  return size === null ? [] : [{ rung: name, ...size, note }];
}

type ReservationRow = MonitorStatus["reservations"]["active"][number];

/** Those of other doors have neither a number nor a session. */
function shown(row: ReservationRow, entry: Entry | null, now: Clocks): object {
  const { id, door, owner, state, memBytes, milliCpu, reason, answer, askedAtMs, holdUntil } = row;
  const wallTime = (monoMs: number) => new Date(now.wall + monoMs - now.mono).toISOString();
  const { nonce, scope, database, pid } = entry?.ask ?? {};
  return {
    ...{ id, nonce, door, owner, state, memBytes, milliCpu, reason, scope, database, pid },
    why: answer.text,
    asked: wallTime(askedAtMs),
    until: holdUntil === null ? null : wallTime(holdUntil),
  };
}

/** What moved; a decision that confirms the size is no news. */
function decided({ at, decision }: DoorView["decisions"][number]): object[] {
  const { sequence, cpu, mem } = decision;
  const moved = (resource: string, one: typeof cpu, shows: (amount: number) => string) =>
    one.before === one.result
      ? []
      : [
          {
            ...{ at, sequence, resource, reason: one.reason, limit: one.limit },
            ...{ before: shows(one.before), after: shows(one.result) },
          },
        ];
  return [
    ...moved("cpu", cpu, (milli) => `${milli / 1000} vCPU`),
    ...moved("memory", mem, (bytes) => `${Math.round(bytes / MIB)} MiB`),
  ];
}
