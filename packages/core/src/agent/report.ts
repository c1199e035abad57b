// What the monitor is told: ScaleResponse to each wish, UpscaleNotification of what is really there, SizeReport of the ladder.
import {
  allocationFromSize,
  worstOutcome,
  type AgentReason,
  type FromAgent,
  type Outcome,
  type Size,
} from "@selfscale/protocol";
import { actualOf, requestedMemOf } from "./actual.ts";
import { boundsOnGrid, clampToBounds, cpuCellUp, gridOf, memCellUp } from "./grid.ts";
import { ask, send, tell } from "./ask.ts";
import { targetOf } from "./target.ts";
import { same } from "./want.ts";
import { type HypervisorFacts, type MonoMs, type VmAction } from "./types.ts";
import { type Pace, type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

/** A change of the agent's CPU readings smaller than this is not news by itself. Cores, and share. */
const CPU_NEWS = 0.05;
const CPU_NEWS_EVERY_MS = 1_000;

/** The second rung from the right: what QEMU and the kernel were last told. */
export function requestedOf(state: VmState, facts: HypervisorFacts): Size {
  const actual = actualOf(facts);
  const inFlight =
    state.cpu.kind === "growing" || state.cpu.kind === "shrinking" ? state.cpu.toMilli : null;
  return {
    milliCpu: inFlight ?? state.advisedMilli ?? actual.milliCpu,
    memBytes: requestedMemOf(facts),
  };
}

/** The permit as the VM can use it: on the grid, never below what it holds. */
export function permitOf(state: VmState, facts: HypervisorFacts): Size {
  return targetOf(state) ?? actualOf(facts);
}

/** Why the size is what it is: the one word that binds most. null: simply on its way. */
export function reasonOf(state: VmState, facts: HypervisorFacts): AgentReason | null {
  const actual = actualOf(facts);
  const grid = gridOf(facts, state.spec.hasQuota);
  const bounds = boundsOnGrid(state.spec.bounds, grid);
  if (state.hypervisorProblem !== null || state.refusal !== null) return "stuck";
  if (facts.runState !== "running" || state.operatorPaused !== null) return "paused";
  if (state.identity === "mismatched") return "stuck";
  if (state.isNodeFull) return "node-full";
  const want = state.want ?? actual;
  const failed =
    (isFailing(state.memoryPace) && want.memBytes > actual.memBytes) ||
    (isFailing(state.cpuPace) && want.milliCpu > actual.milliCpu);
  if (failed) return "stuck";
  if (actual.memBytes > bounds.max.memBytes) return "above-max";
  // Without a quota vCPUs stay plugged, and what is lent goes back by itself.
  const isCpuBound = state.spec.hasQuota && state.lentFromMilli === null;
  if (isCpuBound && actual.milliCpu > bounds.max.milliCpu) return "above-max";
  const level = state.mode === "compute-controlled" ? (state.level?.size ?? null) : null;
  if (level !== null && facts.memoryDevice === null && level.memBytes > actual.memBytes) {
    return "no-memory-device";
  }
  if (!state.spec.hasQuota && state.advisedMilli !== null) return "no-cpu-quota";
  if (level !== null && isCut(level, want)) return "bounds";
  if (!same(actual, want)) return null;
  return "met";
}

/** Growth was tried and fell short; a refused shrink is nothing that is stuck. */
function isFailing(pace: Pace): boolean {
  return pace.growth.failures > 0;
}

/** Stage: answer the last ScaleRequest, once the node has answered for it. */
export function answerStage(state: VmState, _now: MonoMs): Result {
  const { link, answerDue } = state;
  if (answerDue === null) return [state, []];
  const answered: VmState = { ...state, answerDue: null };
  if (link.kind !== "up" || link.version < 2) return [answered, []];
  const { facts, want, permit } = state;
  const isUnknown = facts === null || want === null || permit === null || state.isPermitLate;
  if (isUnknown || state.hypervisorProblem !== null) {
    // The size can't be changed or isn't known: it stays wanted, and no promise is made.
    const resources = { cpu: deferred("stuck"), mem: deferred("stuck") };
    const permit = facts === null ? state.spec.bounds.min : actualOf(facts);
    return [answered, [scaleResponse(state, answerDue.id, resources, permit, null)]];
  }
  if (state.isPermitPending) return [state, []];

  const grid = gridOf(facts, state.spec.hasQuota);
  const wished = {
    milliCpu: answerDue.target.milliCpu ?? want.milliCpu,
    memBytes: answerDue.target.memBytes ?? want.memBytes,
  };
  const fit = clampToBounds(wished, state.spec.bounds, grid);
  const given = permitOf(state, facts);
  const heldBy = heldReason(state);
  const { target } = answerDue;
  const isFixed = facts.memoryDevice === null;
  const cpuCell = cpuCellUp(wished.milliCpu, grid);
  const memCell = isFixed ? wished.memBytes : memCellUp(wished.memBytes, grid);
  const cutBy = isFixed ? "no-memory-device" : "bounds";
  const resources =
    heldBy !== null
      ? { cpu: deferred(heldBy), mem: deferred(heldBy) }
      : {
          cpu: outcomeOf(target.milliCpu, cpuCell, fit.milliCpu, given.milliCpu, "bounds"),
          mem: outcomeOf(target.memBytes, memCell, fit.memBytes, given.memBytes, cutBy),
        };
  // Nobody knows when another VM gives back what this one waits for.
  const waits = worstOutcome(resources.cpu.outcome, resources.mem.outcome) === "deferred";
  const eta = waits ? null : etaMs(state, facts, given);
  return [answered, [scaleResponse(state, answerDue.id, resources, given, eta)]];
}

/** Why no wish of this VM counts now; null when it does. */
function heldReason(state: VmState): AgentReason | null {
  if (state.identity === "mismatched" || state.refusal !== null) return "stuck";
  return state.operatorPaused === null ? null : "paused";
}

/**
 * How one resource of a wish fares. `wish`: as it came, null when it is no size; `cell`: rounded up to
 * the grid; `fitted`: within the bounds; `allowed`: what the node permits now.
 */
function outcomeOf(
  wish: number | null,
  cell: number,
  fitted: number,
  allowed: number,
  cutBy: AgentReason,
): Resource {
  if (wish === null) return { outcome: "refused" };
  if (allowed < fitted) return deferred("node-full");
  if (fitted < cell) return { outcome: "clamped", reason: cutBy };
  if (fitted > cell) return { outcome: "clamped", reason: "bounds" };
  return wish === cell ? { outcome: "accepted" } : { outcome: "accepted", reason: "grid" };
}

/** Stage: tell the monitor of growth that is really there. Never of memory that is not. */
export function notifyStage(state: VmState, now: MonoMs): Result {
  const { facts, link } = state;
  if (facts === null || link.kind !== "up" || state.identity === "mismatched") return [state, []];
  const actual = ownOf(state, facts);
  // What it had when the link came up is its own knowledge; only what is added is news.
  if (state.notified === null) return [{ ...state, notified: actual }, []];
  const goingTo = givingBackTo(state);
  const known = goingTo === null ? state.notified : { ...state.notified, memBytes: goingTo };
  const isGrowing = state.memory.kind === "growing" || state.cpu.kind === "growing";
  const grew = actual.memBytes > known.memBytes || actual.milliCpu > known.milliCpu;
  if (!grew) return [same(actual, state.notified) ? state : { ...state, notified: actual }, []];
  // Plugging arrives in pieces; one notification when a resource is done is enough.
  const memDone = actual.memBytes > known.memBytes && state.memory.kind !== "growing";
  const cpuDone = actual.milliCpu > known.milliCpu && state.cpu.kind !== "growing";
  if (isGrowing && !memDone && !cpuDone) return [state, []];
  const asked = ask(link, { type: "UpscaleNotification", granted: actual }, now);
  return [{ ...state, link: asked.link, notified: actual }, [asked.action]];
}

/** What the VM has and may count on: nothing that it agreed to give back, and no loan. */
function ownOf(state: VmState, facts: HypervisorFacts): Size {
  const { milliCpu, memBytes } = actualOf(facts);
  const { advisedMilli, lentFromMilli, cpu } = state;
  const agreedMilli = cpu.kind === "shrinking" ? cpu.toMilli : Infinity;
  return {
    milliCpu: Math.min(milliCpu, advisedMilli ?? Infinity, lentFromMilli ?? Infinity, agreedMilli),
    memBytes: Math.min(memBytes, givingBackTo(state) ?? Infinity),
  };
}

/**
 * The memory that a version-1 monitor has agreed to be left with, while that goes on; null otherwise. It has lowered its
 * caches for it, and no other word than one more notification says "you keep it after all", when the slice comes short
 * or is never taken. A later version reads it off the SizeReport.
 */
function givingBackTo({ memory, link }: VmState): number | null {
  if (link.kind !== "up" || link.version !== 1) return null;
  return memory.kind === "agreed" || memory.kind === "shrinking" ? memory.toBytes : null;
}

/** Stage: SizeReport: first thing on the link, on every change, and now and then. */
export function reportStage(state: VmState, now: MonoMs): Result {
  const { facts, link, timers, reported } = state;
  if (facts === null || link.kind !== "up" || !link.wantsReports || state.want === null) {
    return [state, []];
  }
  const size = sizeReport(state, facts);
  const text = JSON.stringify(size);
  const cpu = readings(facts);
  if (reported !== null) {
    const age = now - reported.at;
    const isChange = reported.text !== text;
    // Under a fractional quota these two are the only truth the guest can have about its CPU.
    const isCpuNews =
      isLimited(facts) &&
      age >= CPU_NEWS_EVERY_MS &&
      (differs(reported.cpuUsed, cpu.cpuUsed) || differs(reported.throttled, cpu.throttled));
    const isDue =
      age >= timers.reportEveryMs || ((isChange || isCpuNews) && age >= timers.reportMinMs);
    if (!isDue) return [state, []];
  }
  const content = {
    ...size,
    ...(cpu.cpuUsed === null ? {} : { cpuUsed: cpu.cpuUsed }),
    ...(cpu.throttled === null ? {} : { throttledShare: cpu.throttled }),
  };
  const told = tell(link, (id) => ({ type: "SizeReport", content, id }));
  return [{ ...state, link: told.link, reported: { text, at: now, ...cpu } }, [told.action]];
}

/** When the next report may go out. */
export function reportWakeAt(state: VmState): MonoMs | null {
  const { link, reported, timers, facts } = state;
  if (link.kind !== "up" || !link.wantsReports || reported === null || facts === null) return null;
  const isChanged = reported.text !== JSON.stringify(sizeReport(state, facts));
  return reported.at + (isChanged ? timers.reportMinMs : timers.reportEveryMs);
}

type Resource = Readonly<{ outcome: Outcome; reason?: AgentReason }>;
type SizeReport = Extract<FromAgent, { type: "SizeReport" }>["content"];

function sizeReport(state: VmState, facts: HypervisorFacts): SizeReport {
  const grid = gridOf(facts, state.spec.hasQuota);
  const bounds = boundsOnGrid(state.spec.bounds, grid);
  const reason = reasonOf(state, facts);
  return {
    actual: allocationFromSize(actualOf(facts)),
    requested: allocationFromSize(requestedOf(state, facts)),
    permit: allocationFromSize(permitOf(state, facts)),
    bounds: { min: allocationFromSize(bounds.min), max: allocationFromSize(bounds.max) },
    step: {
      cpu: grid.cpuStepMilli / 1000,
      // Fixed memory has no steps; the smallest legal number says "any size is its own cell".
      mem: Math.max(1, grid.memStepBytes),
    },
    ...(reason === null ? {} : { reason }),
  };
}

function scaleResponse(
  state: VmState,
  id: number,
  resources: { cpu: Resource; mem: Resource },
  permit: Size,
  eta: number | null,
): VmAction {
  if (state.link.kind !== "up") throw new Error("a ScaleResponse needs an open link");
  return send(state.link.link, {
    type: "ScaleResponse",
    content: {
      outcome: worstOutcome(resources.cpu.outcome, resources.mem.outcome),
      resources,
      permit: allocationFromSize(permit),
      ...(eta === null ? {} : { etaMs: eta }),
    },
    id,
  });
}

function deferred(reason: AgentReason): Resource {
  return { outcome: "deferred", reason };
}

/** Growth only, from how long it took last time; shrinking takes what the guest takes. */
function etaMs(state: VmState, facts: HypervisorFacts, given: Size): number | null {
  const actual = actualOf(facts);
  if (facts.runState !== "running" || state.operatorPaused !== null) return null;
  const needs = [
    given.memBytes > actual.memBytes ? state.lastGrowthMs.mem : 0,
    given.milliCpu > actual.milliCpu ? state.lastGrowthMs.cpu : 0,
  ];
  let eta = 0;
  for (const need of needs) {
    if (need === null) return null;
    eta = Math.max(eta, need);
  }
  return Math.round(eta);
}

/** The wish lies outside the bounds: what is wanted instead differs by more than rounding up. */
function isCut(level: Size, want: Size): boolean {
  return want.memBytes < level.memBytes || want.milliCpu < level.milliCpu;
}

function isLimited(facts: HypervisorFacts): boolean {
  return facts.quotaMilliCpu !== null && facts.quotaMilliCpu < facts.vcpusPlugged * 1000;
}

function readings(facts: HypervisorFacts): { cpuUsed: number | null; throttled: number | null } {
  const round = (value: number) => Math.round(value * 1000) / 1000;
  return {
    cpuUsed: facts.cpuUsedMilli === null ? null : round(facts.cpuUsedMilli / 1000),
    // Periods and throttled periods are not read at one instant: the share may come out above 1.
    throttled: facts.throttledShare === null ? null : Math.min(1, round(facts.throttledShare)),
  };
}

function differs(before: number | null, after: number | null): boolean {
  return Math.abs((before ?? 0) - (after ?? 0)) >= CPU_NEWS;
}
