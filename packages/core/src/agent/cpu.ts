// Moving a VM's CPU: quota first, vCPUs plugged once and never taken away, shrinking by consent.
// Without a cgroup a shrink is advice: the guest offlines, the plugged vCPUs stay counted.
import { actualOf } from "./actual.ts";
import { note, sayCpu, warning } from "./explain.ts";
import { cpuCellDown, gridOf } from "./grid.ts";
import { ask } from "./link.ts";
import { fellShort, growthMayRetry, wentWell } from "./pace.ts";
import { shrinkObstacle, targetOf } from "./target.ts";
import { LOAN_MILLI, needsLoan } from "./want.ts";
import { type HypervisorFacts, type MonoMs, type VmAction } from "./types.ts";
import { mayResize, retryWakeAt, type CpuMove, type Pace, type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

/** Below this share of throttled periods a release to a fraction of a core is believed. */
const CALM_THROTTLED_SHARE = 0.05;

/** Stage: see how the move in flight is doing, then begin the next one if there is need. */
export function cpuStage(state: VmState, now: MonoMs): Result {
  const { facts } = state;
  if (facts === null || state.hypervisorProblem !== null) {
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
    case "shrinking":
      return move.until;
    case "agreed":
      return move.since + state.timers.consentMs;
    case "idle":
      return retryWakeAt(state.cpuPace, state);
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
        return done(state, move.attempt, actual, now - move.since);
      if (goal > move.toMilli) return grow(state, facts, goal, now);
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
      if (goal > actual) return grow(state, facts, goal, now);
      if (actual <= move.toMilli) return done(state, move.attempt, actual, null);
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
    return growthMayRetry(state.cpuPace, now) ? grow(state, facts, goal, now) : [state, []];
  }
  if (state.spec.hasQuota && facts.quotaMilliCpu === null && now >= state.cpuPace.retryAt) {
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
  if (link.kind !== "up" || shrinkObstacle(state) !== null) return [state, []];
  if (state.memory.kind === "asking") return [state, []]; // one question at a time
  if (state.told.cpu.length > 0) return [state, []]; // and nothing else on its way
  // Under a fractional quota the guest's own signals lie; throttling is the truth.
  if (goal < 1000 && (facts.throttledShare ?? 0) >= CALM_THROTTLED_SHARE) return [state, []];
  const usable = usableOf(state, facts);
  const step = state.spec.hasQuota ? 250 : 1000;
  const lowest = cpuPace.lowest === null ? 0 : Math.ceil(cpuPace.lowest / step) * step;
  const isLowest = lowest > goal;
  if (!isLowest && now < cpuPace.retryAt) return [state, []];
  const toMilli = isLowest ? lowest : goal;
  const paced: VmState = { ...state, cpuPace: { ...cpuPace, lowest: null } };
  if (toMilli >= usable) return [paced, []];
  const target = { milliCpu: toMilli, memBytes: actualOf(facts).memBytes };
  const asked = ask(link, { type: "DownscaleRequest", target }, now);
  return [
    { ...paced, link: asked.link, cpu: { kind: "asking", ask: asked.id, toMilli, isLowest } },
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
    shrinkObstacle(state) !== null ||
    !mayResize(state) ||
    now > move.since + state.timers.consentMs;
  if (isMoot) {
    const text = "Agreed, but it no longer applies.";
    return [{ ...state, cpu: { kind: "idle" } }, [note("consent-void", text, { ask: move.ask })]];
  }
  if (state.spec.hasQuota) return shrink(state, move.toMilli, now, move.ask);
  const text = `The guest uses ${sayCpu(move.toMilli)} of ${facts.vcpusPlugged} plugged vCPUs.`;
  return [
    { ...state, cpu: { kind: "idle" }, cpuPace: wentWell(), advisedMilli: move.toMilli },
    [note("resize-done", text, { ask: move.ask, milliCpu: move.toMilli })],
  ];
}

function done(state: VmState, attempt: number, actual: number, tookMs: number | null): Result {
  return [
    {
      ...state,
      cpu: { kind: "idle" },
      cpuPace: wentWell(),
      lastGrowthMs: { ...state.lastGrowthMs, cpu: tookMs ?? state.lastGrowthMs.cpu },
    },
    [note("resize-done", `CPU is ${sayCpu(actual)}.`, { attempt, milliCpu: actual, tookMs })],
  ];
}

function short(state: VmState, direction: Pace["direction"], problem: string, now: MonoMs): Result {
  return [
    {
      ...state,
      cpu: { kind: "idle" },
      cpuPace: fellShort(state.cpuPace, direction, problem, now, state.timers),
    },
    [warning("resize-short", `CPU: ${problem}.`)],
  ];
}
