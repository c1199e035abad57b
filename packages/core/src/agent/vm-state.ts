// Everything the agent's machine remembers about one VM. Deadlines are state; time is an argument elsewhere.
import { type Size } from "@selfscale/protocol";
import { type MetricsAt } from "../legacy/desired.ts";
import { type Claim, type Verdict } from "../node/types.ts";
import { type LegacyMetrics } from "../legacy/types.ts";
import { INITIAL_OVERRIDES, type LegacyOverrides } from "../legacy/overrides.ts";
import { type Bucket } from "./bucket.ts";
import { LINK_DOWN, type Link, type ScaleWish } from "./link-state.ts";
import { type Limited, type MessageBuckets } from "./message-limits.ts";
import { type AgentTimers } from "./timers.ts";
import { type HypervisorFacts, type MonoMs, type VmAction, type VmSpec } from "./types.ts";

/** Who decides the size. A function of the connection, see mode.ts. */
export type ControlMode = "held" | "compute-controlled" | "metrics-based";

/** The one memory resize in flight. */
export type MemoryMove =
  | Readonly<{ kind: "idle" }>
  | Readonly<{ kind: "growing"; attempt: number; toBytes: number; since: MonoMs; until: MonoMs }>
  /** Waiting for the monitor's word on one slice. */
  | Readonly<{ kind: "asking"; ask: number; toBytes: number; isLowest: boolean }>
  /** It agreed; the consent is for this slice, now. */
  | Readonly<{ kind: "agreed"; ask: number; toBytes: number; since: MonoMs }>
  | Readonly<{
      kind: "shrinking";
      attempt: number;
      fromBytes: number;
      toBytes: number;
      lowestBytes: number;
      progressAt: MonoMs;
      until: MonoMs;
    }>
  | Readonly<{ kind: "settling"; attempt: number; toBytes: number; until: MonoMs }>;

/** The one CPU resize in flight. */
export type CpuMove =
  | Readonly<{ kind: "idle" }>
  | Readonly<{ kind: "growing"; attempt: number; toMilli: number; since: MonoMs; until: MonoMs }>
  | Readonly<{ kind: "asking"; ask: number; toMilli: number; isLowest: boolean }>
  | Readonly<{ kind: "agreed"; ask: number; toMilli: number; since: MonoMs }>
  | Readonly<{ kind: "shrinking"; attempt: number; toMilli: number; until: MonoMs }>;

export type Resource = "memory" | "cpu";
export type Direction = "growth" | "shrink";

/** How one direction of one resource is getting on, kept between attempts. */
export type Tries = Readonly<{
  /** In a row. */
  failures: number;
  retryAt: MonoMs;
  /** When the first of them fell short; null: none did. */
  since: MonoMs | null;
  /** Why the last attempt fell short, for people; null when it did not. */
  problem: string | null;
}>;

export type Pace = Readonly<{
  /** `triedTo`: how far the growth that fell short was to go. A need beyond it is tried at once. */
  growth: Tries & Readonly<{ triedTo: number | null }>;
  /**
   * `lowest`: what the monitor said it would agree to, when it refused: asked next, and only once. `kicks`: how often a
   * shrink without any progress was begun anew at once.
   */
  shrink: Tries & Readonly<{ lowest: number | null; kicks: number }>;
}>;

/** What one resource of one VM has left. */
export type Budget = Readonly<{
  growths: Bucket;
  turns: Bucket;
  last: "growth" | "shrink" | null;
  /** Something waits for a token until then; null: nothing does. */
  waitsUntil: MonoMs | null;
}>;

export type VmState = Readonly<{
  spec: VmSpec;
  timers: AgentTimers;
  /** Largest shrink with one consent, and the most a dead agent can cost. Bytes. */
  sliceBytes: number;

  /** When the machine last looked. A retry due before that is blocked by something else. */
  steppedAt: MonoMs;

  facts: HypervisorFacts | null;
  observedAt: MonoMs;
  /** When quota and CPU use were last asked for, by themselves or with the rest. */
  cpuReadAt: MonoMs;
  /** An observation is on its way since then. */
  observeAskedAt: MonoMs | null;
  /** Why QEMU can't be resized now; null when it can. */
  hypervisorProblem: string | null;
  /** Why this VM is not managed at all (its configuration does not fit its QEMU). */
  refusal: string | null;

  link: Link;
  linkProblem: string | null;
  /** Whether this connection's monitor lives in this QEMU. */
  identity: "unknown" | "proven" | "unproven" | "mismatched";
  /** The monitor's own view of its memory, when it has no UUID. */
  monitorMemBytes: number | null;

  mode: ControlMode;
  /** What the monitor asked for on this connection. A level: only the last one counts. */
  level: Readonly<{
    size: Size;
    /** The rest is what it held then, and has not given back since. */
    isNamed: Readonly<{ milliCpu: boolean; memBytes: boolean }>;
    reason: string | null;
    /** The part of it that is reserved. 0: none. */
    floor: Size;
    at: MonoMs;
    ageMs: number | null;
  }> | null;
  /** A ScaleRequest that still waits for its ScaleResponse. */
  answerDue: ScaleWish | null;

  /** What the VM's metrics last told on this connection, each kind with its own age. */
  metrics: LegacyMetrics | null;
  metricsAt: MetricsAt;
  isScraping: boolean;
  overrides: LegacyOverrides;
  /** The metrics-based goal in compute units, while it counts; for showing. */
  legacyGoal: number | null;
  /** Memory added without being asked, and the silence it was for. */
  blind: Readonly<{ memBytes: number; silentSince: MonoMs }> | null;

  /** desired, on the grid and within the bounds. */
  want: Size | null;
  /** The last claim; its permit is the most that the node must believe we still may take. */
  sought: Claim | null;
  /** Claims ever made; numbers them, so that an answer to an older one is recognised. */
  claims: number;
  permit: Size | null;
  /** Asked back by the node: down to this, if the monitor agrees. */
  recall: Size | null;
  /** Why the node gives no more; null: it gives what is wanted. */
  verdict: Verdict | null;
  /** The node was asked, and its answer is still to come. */
  isPermitPending: boolean;
  /** When it was asked last. */
  permitAskedAt: MonoMs;
  /** Its answer is overdue: nobody waits for it any more. */
  isPermitLate: boolean;
  isNodeFull: boolean;

  memory: MemoryMove;
  memoryPace: Pace;
  cpu: CpuMove;
  cpuPace: Pace;
  /** How often each resource may still be resized. */
  budgets: Readonly<Record<Resource, Budget>>;
  /** What of each kind of message the monitor may still say; of this VM, not of one connection. */
  buckets: MessageBuckets;
  /** How often each limit was met. */
  limited: Limited;
  /** Without a quota a CPU shrink is advice: what the guest agreed to use. */
  advisedMilli: number | null;
  /** What the VM had before it was lent a whole CPU to unplug with; null: nothing is lent. */
  lentFromMilli: number | null;
  attempts: number;
  /** Sizes told to QEMU or the kernel that the facts do not show yet. */
  told: Readonly<{ memory: readonly Told[]; cpu: readonly Told[] }>;

  /** Last UpscaleNotification on this connection. */
  notified: Size | null;
  reported: Readonly<{
    text: string;
    at: MonoMs;
    cpuUsed: number | null;
    throttled: number | null;
  }> | null;
  /** The operator holds the size; `until` null: until told otherwise. */
  operatorPaused: Readonly<{ until: MonoMs | null }> | null;
  /** What the operator wants it to have at least, within bounds and permit. An urgent claim on the node. */
  operatorFloor: Readonly<{ size: Size; until: MonoMs }> | null;
  /** How long the last growth took from command to plugged; the basis of `etaMs`. */
  lastGrowthMs: Readonly<{ cpu: number | null; mem: number | null }>;
}>;

/** One command on its way. */
export type Told = Readonly<{
  /** When it was told, or told and given up. */
  at: MonoMs;
  attempt: number;
  /** Bytes, base memory included, or milli-vCPU. */
  amount: number;
  /** Observations until the facts must show it; null until the command was answered. */
  looksLeft: number | null;
}>;

export const NOTHING_TOLD: VmState["told"] = { memory: [], cpu: [] };

const EASY: Tries = { failures: 0, retryAt: 0, since: null, problem: null };

export function initialPace(): Pace {
  return { growth: { triedTo: null, ...EASY }, shrink: { lowest: null, kicks: 0, ...EASY } };
}

const FULL_BUDGET: Budget = { growths: null, turns: null, last: null, waitsUntil: null };

export function initialVm(spec: VmSpec, timers: AgentTimers, sliceBytes: number): VmState {
  return {
    spec,
    timers,
    sliceBytes,
    steppedAt: 0,
    facts: null,
    observedAt: 0,
    cpuReadAt: 0,
    observeAskedAt: null,
    hypervisorProblem: "not attached yet",
    refusal: null,
    link: LINK_DOWN,
    linkProblem: "not connected yet",
    identity: "unknown",
    monitorMemBytes: null,
    mode: "held",
    level: null,
    answerDue: null,
    metrics: null,
    metricsAt: { system: 0, lfc: 0 },
    isScraping: false,
    overrides: INITIAL_OVERRIDES,
    legacyGoal: null,
    blind: null,
    want: null,
    sought: null,
    claims: 0,
    permit: null,
    recall: null,
    verdict: null,
    isPermitPending: false,
    permitAskedAt: 0,
    isPermitLate: false,
    isNodeFull: false,
    memory: { kind: "idle" },
    memoryPace: initialPace(),
    cpu: { kind: "idle" },
    cpuPace: initialPace(),
    budgets: { memory: FULL_BUDGET, cpu: FULL_BUDGET },
    buckets: {},
    limited: {},
    advisedMilli: null,
    lentFromMilli: null,
    attempts: 0,
    told: NOTHING_TOLD,
    notified: null,
    reported: null,
    operatorPaused: null,
    operatorFloor: null,
    lastGrowthMs: { cpu: null, mem: null },
  };
}

/** One stage of the machine: what it changes and what it wants done. */
export type Stage = (state: VmState, now: MonoMs) => readonly [VmState, readonly VmAction[]];

/** Stages in order, each seeing what the one before it left. */
export function runStages(
  state: VmState,
  now: MonoMs,
  stages: readonly Stage[],
): [VmState, VmAction[]] {
  let current = state;
  const actions: VmAction[] = [];
  for (const stage of stages) {
    const [next, more] = stage(current, now);
    current = next;
    actions.push(...more);
  }
  return [current, actions];
}

/** QEMU is there, runs, is ours to resize and not held by the operator, and its monitor (if any) is its own. */
export function mayResize(state: VmState): boolean {
  return (
    state.facts !== null &&
    state.hypervisorProblem === null &&
    state.refusal === null &&
    state.facts.runState === "running" &&
    state.operatorPaused === null &&
    state.identity !== "mismatched"
  );
}
