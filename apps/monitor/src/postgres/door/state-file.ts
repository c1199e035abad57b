// What the SQL functions read: the answer to one request, and the live state for the views. Plain data.
import { MAX_RESERVATIONS_PER_OWNER, type MonitorStatus } from "@selfscale/core";
import { type MonitorDecision, type Size } from "@selfscale/protocol";
import { SCHEMA_VERSION } from "../sql/version.ts";
import { endsAt, type Entry } from "./table.ts";

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

export function stateFile(view: DoorView, entries: readonly Entry[], wallMs: number): object {
  return {
    schema: SCHEMA_VERSION,
    writtenAtMs: Math.round(wallMs),
    limits: { perOwner: MAX_RESERVATIONS_PER_OWNER },
    size: rungs(view.monitor),
    reservations: entries.filter(({ isAdmitted }) => isAdmitted).map(shown),
    decisions: view.decisions.flatMap(decided).reverse(),
    explain: view.explain,
  };
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

function shown(entry: Entry): object {
  const { id, ask, state, answer } = entry;
  const until = endsAt(entry);
  const { nonce, door, role: owner, memBytes, milliCpu, scope, database, pid, reason } = ask;
  return {
    ...{ id, nonce, door, owner, state, memBytes, milliCpu, reason, scope, database, pid },
    why: answer?.text ?? "",
    asked: new Date(ask.atMs).toISOString(),
    until: until === null ? null : new Date(until).toISOString(),
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
