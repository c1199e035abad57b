import { type MonitorDecision } from "@selfscale/protocol";
import { type MonitorNote } from "@selfscale/core";
import { type Log } from "../log.ts";

/** How many of each the status command can show. */
const KEPT = 20;

/** A note with the wall clock's word on when: for people only. */
export type DatedNote = Readonly<{ at: string } & MonitorNote>;
export type DatedDecision = Readonly<{ at: string; decision: MonitorDecision }>;

/** Logs what the core decided and said, and keeps the last of it for the status command. */
export class Journal {
  readonly #log: Log;
  readonly #notes: DatedNote[] = [];
  readonly #decisions: DatedDecision[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  explain(note: MonitorNote): void {
    keep(this.#notes, { at: new Date().toISOString(), ...note });
    this.#log[note.level]({ reason: note.reason, ...note.data }, note.message);
  }

  /** A decision that moves the size is news; one that confirms it is a detail. */
  decide(decision: MonitorDecision): void {
    keep(this.#decisions, { at: new Date().toISOString(), decision });
    const { cpu, mem, result } = decision;
    const isMove = cpu.before !== cpu.result || mem.before !== mem.result;
    const level = isMove ? "info" : "debug";
    const reasons = { cpu: cpu.reason, mem: mem.reason };
    this.#log[level](
      { sequence: decision.sequence, desired: result, reasons, decision },
      "decided",
    );
  }

  notes(): readonly DatedNote[] {
    return this.#notes;
  }

  decisions(): readonly DatedDecision[] {
    return this.#decisions;
  }
}

function keep<T>(list: T[], item: T): void {
  if (list.push(item) > KEPT) list.shift();
}
