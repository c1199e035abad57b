// The record of a decision: what was known, what each signal alone would have asked for, what
// bound the result, and why. The same record feeds the log, the metrics, SQL, the local API and
// replay. Plain data; nothing here decides.
import { type Size } from "./allocation.ts";
import { type AgentReason, type ScaleReason } from "./reasons.ts";

/** What is decided apart from the other. */
export type Resource = "cpu" | "mem";

/** A measured or configured number behind a decision. null: not known at the time. */
export type DecisionInputs = Readonly<Record<string, number | null>>;

/** What one signal or rule alone would ask for: milli-vCPU or bytes, as the resource says. */
export type Candidate = Readonly<{ source: string; amount: number }>;

/** What kept the result from being the largest candidate. */
export type BindingLimit =
  | "none"
  | "floor" // a reservation or a safety margin keeps it up
  | "hold" // the need fell, but not for long enough
  | "bounds" // the operator's range
  | "grid" // rounding
  | "node" // no room on the node
  | "machine" // what QEMU can plug at all
  | "consent" // the monitor did not agree to less
  | "stale"; // signals too old to shrink on

/** One resource of a decision. `amount`s are milli-vCPU for cpu, bytes for mem. */
export type ResourceDecision<Reason extends string> = Readonly<{
  inputs: DecisionInputs;
  candidates: readonly Candidate[];
  limit: BindingLimit;
  reason: Reason;
  /** Before and after, in the resource's unit. */
  before: number;
  result: number;
}>;

type DecisionOf<By extends string, Reason extends string> = Readonly<{
  by: By;
  /** Numbers decisions of one process, from 1. */
  sequence: number;
  /** Monotonic milliseconds of the decider. */
  atMs: number;
  cpu: ResourceDecision<Reason>;
  mem: ResourceDecision<Reason>;
  /** The size decided: desired when the monitor decides, permit when the agent does. */
  result: Size;
}>;

/** Why the monitor wants this size. */
export type MonitorDecision = DecisionOf<"monitor", ScaleReason>;
/** Why the agent gives this size. */
export type AgentDecision = DecisionOf<"agent", AgentReason>;
/** Every decision has one. */
export type Decision = MonitorDecision | AgentDecision;
