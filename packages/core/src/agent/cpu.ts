// Moving a VM's CPU: quota first, vCPUs plugged once and never taken away, shrinking by consent.
// Without a cgroup a shrink is advice: the guest offlines, the plugged vCPUs stay counted.
import { actualOf } from "./actual.ts";
import { note, sayCpu, warning } from "./explain.ts";
import { cpuCellDown, gridOf } from "./grid.ts";
import { ask, hasOpenQuestion } from "./ask.ts";
import { began, budgetWakeAt, mayGrow, mayTurn } from "./budget.ts";
import { earlier } from "./memory.ts";
import { takeObstacle } from "./obstacle.ts";
import { fellShort, mayRetry, retryWakeAt, wentWell } from "./pace.ts";
import { targetOf } from "./target.ts";
import { LOAN_MILLI, needsLoan } from "./want.ts";
import { type HypervisorFacts, type MonoMs, type VmAction } from "./types.ts";
import { mayResize, type CpuMove, type Direction, type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

/** Below this share of throttled periods a release to a fraction of a core is believed. */
const CALM_THROTTLED_SHARE = 0.05;

/** Stage: see how the move in flight is doing, then begin the next one if there is need. */
export function cpuStage(state: VmState, now: MonoMs): Result {
  const { facts } = state;
  if (facts?.runState !== "running" || state.hypervisorProblem !== null) {
    return [state.cpu.kind === "idle" ? state : { ...state, cpu: { kind: "idle" } }, []];
  }
  const [progressed, first] = followUp(state, facts, now);
  if (progressed.cpu.kind !== "idle" || !mayResize(progressed)) return [progressed, first];
  const [begun, second] = beginNext(progressed, facts, now);
  return [begun, [...first, ...second]];
}

export function cpuWakeAt(state: VmState): MonoMs | null {
  const move = state.cpu;
  switch (move.kind) {
    case "growing":
      return Math.min(move.until, budgetWakeAt(state, "cpu") ?? Infinity);
    case "shrinking":
      return move.until;
    case "agreed":
      return move.since + state.timers.consentMs;
    case "idle":
      return earlier(retryWakeAt(state.cpuPace, state), budgetWakeAt(state, "cpu"));
    case "asking":
      return null;
    default:
      return move satisfies never;
  }
}

/** Where CPU goes now: the target, or the whole core that an unplugging VM is lent. */
function goalOf(state: VmState): number | null {
  const target = targetOf(state);
  const { facts, permit, spec } = state;
  if (target === null || facts === null || permit === null) return null;
  if (!needsLoan(state)) return target.milliCpu;
  // A node's capacity need not lie on the grid, and so its permit need not.
  const loan = cpuCellDown(Math.min(LOAN_MILLI, permit.milliCpu), gridOf(facts, spec.hasQuota));
  return Math.max(target.milliCpu, loan);
}

function followUp(state: VmState, facts: HypervisorFacts, now: MonoMs): Result {
  const move = state.cpu;
  const actual = actualOf(facts).milliCpu;
  switch (move.kind) {
    case "idle":
      return [state, []];
    case "growing": {
      const goal = goalOf(state) ?? actual;
      const isEnforced = !state.spec.hasQuota || facts.quotaMilliCpu !== null;
      if (actual >= move.toMilli && isEnforced)
        return done(state, "growth", move.attempt, actual, now - move.since);
      if (goal > move.toMilli) {
        const [grown, actions] = growInNeed(state, facts, goal, now);
        if (grown.cpu !== state.cpu || now < move.until) return [grown, actions];
      }
      if (now < move.until) return [state, []];
      return short(
        state,
        "growth",
        `${sayCpu(actual)} of ${sayCpu(move.toMilli)} in ${state.timers.plugMs} ms`,
        now,
      );
    }
    case "asking": {
      const isMoot =
        state.link.kind !== "up" || (goalOf(state) ?? actual) >= usableOf(state, facts);
      return isMoot ? [{ ...state, cpu: { kind: "idle" } }, []] : [state, []];
    }
    case "agreed":
      return actOnConsent(state, move, facts, now);
    case "shrinking": {
      const goal = goalOf(state) ?? actual;
      if (goal > actual) {
        const budgets = began(state, "cpu", "growth");
        return grow({ ...state, budgets }, facts, goal, now);
      }
      if (actual <= move.toMilli) return done(state, "shrink", move.attempt, actual, null);
      if (now < move.until) return [state, []];
      return short(state, "shrink", `still ${sayCpu(actual)}, told ${sayCpu(move.toMilli)}`, now);
    }
    default:
      return move satisfies never;
  }
}

function beginNext(state: VmState, facts: HypervisorFacts, now: MonoMs): Result {
  const goal = goalOf(state);
  if (goal === null) return [state, []];
  const actual = actualOf(facts).milliCpu;
  if (goal > actual) {
    return mayRetry(state.cpuPace.growth, now) ? growInNeed(state, facts, goal, now) : [state, []];
  }
  const isUnlimited = state.spec.hasQuota && facts.quotaMilliCpu === null;
  if (isUnlimited && mayRetry(state.cpuPace.growth, now)) {
    const text = `The QEMU process had no limit; it gets ${sayCpu(actual)}, which it has.`;
    const [next, actions] = grow(state, facts, actual, now);
    return [next, [note("quota-enforced", text), ...actions]];
  }
  const usable = usableOf(state, facts);
  if (!state.spec.hasQuota && goal > usable) {
    // Advice withdrawn: the vCPUs are there, the guest may online them. No consent is needed.
    return [{ ...state, advisedMilli: goal >= actual ? null : goal }, []];
  }
  if (goal >= usable) return [state, []];
  // A loan is repaid without asking: the monitor was never told of it, and asked for less.
  const { lentFromMilli } = state;
  const isLoan = lentFromMilli !== null && actual > lentFromMilli && actual <= LOAN_MILLI;
  if (state.spec.hasQuota && isLoan) return shrink(state, Math.max(goal, lentFromMilli), now, null);
  return askToShrink(state, facts, goal, now);
}

/** What the guest uses of what it has: less than plugged when it agreed to advice. */
function usableOf(state: VmState, facts: HypervisorFacts): number {
  return state.advisedMilli ?? actualOf(facts).milliCpu;
}

/** A loan is no growth of the monitor's: it comes and goes with each slice of memory. */
function growInNeed(state: VmState, facts: HypervisorFacts, goal: number, now: MonoMs): Result {
  if (needsLoan(state)) return grow(state, facts, goal, now);
  const asked = mayGrow(state, "cpu", now);
  return asked.isGranted
    ? grow({ ...asked.state, budgets: began(asked.state, "cpu", "growth") }, facts, goal, now)
    : [asked.state, asked.actions];
}

function grow(state: VmState, facts: HypervisorFacts, toMilli: number, now: MonoMs): Result {
  const attempt = state.attempts + 1;
  const vcpus = Math.min(facts.vcpusMax, Math.ceil(toMilli / 1000));
  const actions: VmAction[] = [];
  const before = actualOf(facts).milliCpu;
  if (toMilli > before) {
    const text = `CPU to ${sayCpu(toMilli)} from ${sayCpu(before)}.`;
    actions.push(note("resize-begun", text, { attempt, milliCpu: toMilli }));
  }
  if (state.spec.hasQuota && facts.quotaMilliCpu !== toMilli) {
    actions.push({ kind: "set-quota", attempt, milliCpu: toMilli });
  }
  if (facts.vcpusPlugged < vcpus) actions.push({ kind: "plug-cpu", attempt, vcpus });
  const cpu: CpuMove = {
    kind: "growing",
    attempt,
    toMilli,
    since: now,
    until: now + state.timers.plugMs,
  };
  const isLoan = needsLoan(state) && (targetOf(state)?.milliCpu ?? toMilli) < toMilli;
  return [
    {
      ...state,
      attempts: attempt,
      cpu,
      advisedMilli: null,
      lentFromMilli: isLoan ? Math.min(before, state.lentFromMilli ?? before) : null,
    },
    actions,
  ];
}

function shrink(state: VmState, toMilli: number, now: MonoMs, askId: number | null): Result {
  const attempt = state.attempts + 1;
  const cpu: CpuMove = { kind: "shrinking", attempt, toMilli, until: now + state.timers.plugMs };
  const how = askId === null ? "a loan repaid" : "as agreed";
  return [
    { ...state, attempts: attempt, cpu, lentFromMilli: null },
    [
      note("resize-begun", `CPU to ${sayCpu(toMilli)}, ${how}.`, {
        attempt,
        ask: askId,
        milliCpu: toMilli,
      }),
      { kind: "set-quota", attempt, milliCpu: toMilli },
    ],
  ];
}

function askToShrink(state: VmState, facts: HypervisorFacts, goal: number, now: MonoMs): Result {
  const { link, cpuPace } = state;
  if (link.kind !== "up" || takeObstacle(state, now) !== null) return [state, []];
  if (hasOpenQuestion(link)) return [state, []]; // one at a time, given up or not
  if (state.told.cpu.length > 0) return [state, []]; // and nothing else on its way
  // Under a fractional quota the guest's own signals lie; throttling is the truth.
  if (goal < 1000 && (facts.throttledShare ?? 0) >= CALM_THROTTLED_SHARE) return [state, []];
  const usable = usableOf(state, facts);
  const step = state.spec.hasQuota ? 250 : 1000;
  const { shrink: tries } = cpuPace;
  const lowest = tries.lowest === null ? 0 : Math.ceil(tries.lowest / step) * step;
  const isLowest = lowest > goal;
  if (!isLowest && !mayRetry(tries, now)) return [state, []];
  const toMilli = isLowest ? lowest : goal;
  const paced: VmState = { ...state, cpuPace: { ...cpuPace, shrink: { ...tries, lowest: null } } };
  if (toMilli >= usable) return [paced, []];
  const turn = mayTurn(paced, "cpu", now);
  if (!turn.isGranted) return [turn.state, turn.actions];
  const budgets = began(turn.state, "cpu", "shrink");
  const target = { milliCpu: toMilli, memBytes: actualOf(facts).memBytes };
  const asked = ask(link, { type: "DownscaleRequest", target }, now);
  return [
    {
      ...turn.state,
      budgets,
      link: asked.link,
      cpu: { kind: "asking", ask: asked.id, toMilli, isLowest },
    },
    [asked.action],
  ];
}

function actOnConsent(
  state: VmState,
  move: CpuMove & { kind: "agreed" },
  facts: HypervisorFacts,
  now: MonoMs,
): Result {
  const goal = goalOf(state);
  const isMoot =
    goal === null ||
    goal > move.toMilli ||
    takeObstacle(state, now) !== null ||
    !mayResize(state) ||
    now > move.since + state.timers.consentMs;
  if (isMoot) {
    const text = "Agreed, but it no longer applies.";
    return [{ ...state, cpu: { kind: "idle" } }, [note("consent-void", text, { ask: move.ask })]];
  }
  if (state.spec.hasQuota) return shrink(state, move.toMilli, now, move.ask);
  const text = `The guest uses ${sayCpu(move.toMilli)} of ${facts.vcpusPlugged} plugged vCPUs.`;
  const advised: VmState = { ...state, cpu: { kind: "idle" }, advisedMilli: move.toMilli };
  return [
    wentWell(advised, "cpu", "shrink"),
    [note("resize-done", text, { ask: move.ask, milliCpu: move.toMilli })],
  ];
}

function done(
  state: VmState,
  direction: Direction,
  attempt: number,
  actual: number,
  tookMs: number | null,
): Result {
  const lastGrowthMs = { ...state.lastGrowthMs, cpu: tookMs ?? state.lastGrowthMs.cpu };
  return [
    wentWell({ ...state, cpu: { kind: "idle" }, lastGrowthMs }, "cpu", direction),
    [note("resize-done", `CPU is ${sayCpu(actual)}.`, { attempt, milliCpu: actual, tookMs })],
  ];
}

function short(state: VmState, direction: Direction, problem: string, now: MonoMs): Result {
  return [
    fellShort({ ...state, cpu: { kind: "idle" } }, "cpu", direction, problem, now),
    [warning("resize-short", `CPU: ${problem}.`)],
  ];
}
