// Moving a VM's memory: growth in one jump, shrinking slice by slice, each slice agreed to by the monitor just before.
// The guest goes on unplugging down to requested-size by itself, so requested is never more than one slice below actual.
import { actualOf, requestedMemOf } from "./actual.ts";
import { note, sayMem, warning } from "./explain.ts";
import { gridOf, memCellUp } from "./grid.ts";
import { ask, hasOpenQuestion } from "./ask.ts";
import { began, budgetWakeAt, mayGrow, mayTurn } from "./budget.ts";
import { takeObstacle } from "./obstacle.ts";
import { fellShort, mayRetry, retryWakeAt, wentWell } from "./pace.ts";
import { aimOf, askedMemOf, targetOf } from "./target.ts";
import { type HypervisorFacts, type MemoryDevice, type MonoMs, type VmAction } from "./types.ts";
import { mayResize, type MemoryMove, type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

/** QEMU notes a settled size at once; a write that got lost is tried again after this. */
const SETTLE_MS = 5_000;
/** A driver that gave up begins anew at a new value: settled, then one slice less, with another consent. */
const MAX_KICKS = 1;

/** Stage: see how the move in flight is doing, then begin the next one if there is need. */
export function memoryStage(state: VmState, now: MonoMs): Result {
  const { facts } = state;
  const device = facts?.memoryDevice ?? null;
  const isReachable = facts?.runState === "running" && state.hypervisorProblem === null;
  if (facts?.runState === "paused" && device !== null && state.hypervisorProblem === null) {
    return stopInPause(state, facts, device, now);
  }
  if (facts === null || device === null || !isReachable) {
    return [state.memory.kind === "idle" ? state : { ...state, memory: { kind: "idle" } }, []];
  }
  const [progressed, first] = followUp(state, facts, device, now);
  if (progressed.memory.kind !== "idle") return [progressed, first];
  const [begun, second] = beginNext(progressed, facts, device, now);
  return [begun, [...first, ...second]];
}

/**
 * A guest that is only paused would go on unplugging with its first instruction, with nobody's consent in hand: that is
 * stopped while it stands still. It takes nothing, and nothing else is told to it.
 */
function stopInPause(
  state: VmState,
  facts: HypervisorFacts,
  device: MemoryDevice,
  now: MonoMs,
): Result {
  const [next] =
    state.memory.kind === "settling" ? followUp(state, facts, device, now) : idle(state);
  const isUnplugging = device.requestedBytes < device.sizeBytes;
  if (next.memory.kind === "settling" || !isUnplugging) return [next, []];
  return settle(next, facts, device, now, "paused in the middle of unplugging");
}

/** When memory wants to be looked at again. */
export function memoryWakeAt(state: VmState): MonoMs | null {
  const move = state.memory;
  switch (move.kind) {
    case "growing":
      return Math.min(move.until, budgetWakeAt(state, "memory") ?? Infinity);
    case "settling":
      return move.until;
    case "shrinking":
      return Math.min(move.until, move.progressAt + state.timers.unplugStallMs);
    case "agreed":
      return move.since + state.timers.consentMs;
    case "idle":
      return earlier(retryWakeAt(state.memoryPace, state), budgetWakeAt(state, "memory"));
    case "asking": // the link's own deadline ends it
      return null;
    default:
      return move satisfies never;
  }
}

export function earlier(a: MonoMs | null, b: MonoMs | null): MonoMs | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

function followUp(
  state: VmState,
  facts: HypervisorFacts,
  device: MemoryDevice,
  now: MonoMs,
): Result {
  const move = state.memory;
  const actual = actualOf(facts).memBytes;
  switch (move.kind) {
    case "idle":
      return [state, []];
    case "growing":
      return followGrowth(state, move, actual, now);
    case "asking":
      // A link that went, or a wish that rose, makes the answer worthless.
      return state.link.kind === "up" && wantsLess(state, actual) ? [state, []] : idle(state);
    case "agreed":
      return actOnConsent(state, move, facts, device, now);
    case "shrinking":
      return followShrink(state, move, facts, device, now);
    case "settling": {
      // A guest in need does not wait until QEMU shows that it stopped taking.
      const grown = growInNeed(state, facts, now);
      if (grown !== null) return grown;
      const isOver = requestedMemOf(facts) === move.toBytes || now >= move.until;
      return isOver ? idle(state) : [state, []];
    }
    default:
      return move satisfies never;
  }
}

function followGrowth(
  state: VmState,
  move: MemoryMove & { kind: "growing" },
  actual: number,
  now: MonoMs,
): Result {
  const target = targetOf(state)?.memBytes ?? actual;
  if (actual >= move.toBytes) {
    const tookMs = Math.round(now - move.since);
    const data = { attempt: move.attempt, memBytes: actual, tookMs };
    const done: VmState = {
      ...state,
      memory: { kind: "idle" },
      lastGrowthMs: { ...state.lastGrowthMs, mem: tookMs },
    };
    return [
      wentWell(done, "memory", "growth"),
      [note("resize-done", `Memory is ${sayMem(actual)} after ${tookMs} ms.`, data)],
    ];
  }
  // The need rose while we were plugging: raise the same request rather than wait for it.
  if (target > move.toBytes) {
    const asked = mayGrow(state, "memory", now);
    if (asked.isGranted) return grow(asked.state, target, now);
    if (now < move.until) return [asked.state, asked.actions];
  }
  if (now < move.until) return [state, []];
  const problem = `the guest plugged ${sayMem(actual)} of ${sayMem(move.toBytes)}`;
  const data = { attempt: move.attempt, actualBytes: actual, requestedBytes: move.toBytes };
  const short = fellShort({ ...state, memory: { kind: "idle" } }, "memory", "growth", problem, now);
  const growth = { ...short.memoryPace.growth, triedTo: move.toBytes };
  const memoryPace = { ...short.memoryPace, growth };
  return [
    { ...short, memoryPace },
    [warning("resize-short", `Growing stopped: ${problem}.`, data)],
  ];
}

function actOnConsent(
  state: VmState,
  move: MemoryMove & { kind: "agreed" },
  facts: HypervisorFacts,
  device: MemoryDevice,
  now: MonoMs,
): Result {
  const actual = actualOf(facts).memBytes;
  const isLate = now > move.since + state.timers.consentMs;
  // The level may have risen above what was agreed to: less than is wanted is never taken.
  const isRaised = !wantsLess(state, actual) || !wantsLess(state, move.toBytes + 1);
  const isMoot = takeObstacle(state, now) !== null || !mayResize(state) || isRaised || isLate;
  if (isMoot) {
    const [next] = idle(state);
    return [next, [note("consent-void", "Agreed, but it no longer applies.", { ask: move.ask })]];
  }
  const toBytes = Math.max(move.toBytes, blockUp(actual - state.sliceBytes, facts, device));
  const attempt = state.attempts + 1;
  const shrinking: MemoryMove = {
    kind: "shrinking",
    attempt,
    fromBytes: actual,
    toBytes,
    lowestBytes: actual,
    progressAt: now,
    until: now + state.timers.unplugSliceMs,
  };
  const text = `Unplugging to ${sayMem(toBytes)} from ${sayMem(actual)}, as agreed.`;
  return [
    { ...state, attempts: attempt, memory: shrinking },
    [
      note("resize-begun", text, {
        attempt,
        ask: move.ask,
        fromBytes: actual,
        requestedBytes: toBytes,
      }),
      { kind: "set-memory", attempt, requestedBytes: toBytes - facts.baseMemBytes },
    ],
  ];
}

function followShrink(
  state: VmState,
  move: MemoryMove & { kind: "shrinking" },
  facts: HypervisorFacts,
  device: MemoryDevice,
  now: MonoMs,
): Result {
  const actual = actualOf(facts).memBytes;
  const target = targetOf(state)?.memBytes ?? actual;
  // Growth wins at once: one write undoes the rest of the shrink and plugs what is needed.
  if (target > actual && mayResize(state)) return grow(state, target, now);
  if (actual <= move.toBytes) {
    const data = { attempt: move.attempt, memBytes: actual };
    const done = wentWell({ ...state, memory: { kind: "idle" } }, "memory", "shrink");
    return [done, [note("resize-done", `Memory is ${sayMem(actual)}.`, data)]];
  }
  const obstacle = takeObstacle(state, now);
  if (obstacle !== null) return settle(state, facts, device, now, obstacle);
  if (!wantsLess(state, move.toBytes + 1)) {
    return settle(state, facts, device, now, "the level rose");
  }

  const hasProgress = actual < move.lowestBytes;
  const progressAt = hasProgress ? now : move.progressAt;
  const isStalled = now >= progressAt + state.timers.unplugStallMs || now >= move.until;
  if (!isStalled) {
    return [
      {
        ...state,
        memory: { ...move, lowestBytes: Math.min(actual, move.lowestBytes), progressAt },
      },
      [],
    ];
  }
  return stall(state, move, facts, device, now);
}

/** It gives no more: settle, ask once more at once if it gave nothing at all, else wait before the next slice. */
function stall(
  state: VmState,
  move: MemoryMove & { kind: "shrinking" },
  facts: HypervisorFacts,
  device: MemoryDevice,
  now: MonoMs,
): Result {
  const actual = actualOf(facts).memBytes;
  const problem = `the guest gave back ${sayMem(move.fromBytes - actual)} of ${sayMem(move.fromBytes - move.toBytes)}`;
  const data = { attempt: move.attempt, actualBytes: actual, requestedBytes: move.toBytes };
  const isUseful = move.fromBytes - actual >= gridOf(facts, state.spec.hasQuota).memStepBytes;
  const { shrink } = state.memoryPace;
  if (!isUseful && shrink.kicks < MAX_KICKS) {
    const memoryPace = { ...state.memoryPace, shrink: { ...shrink, kicks: shrink.kicks + 1 } };
    const [settling, actions] = settle({ ...state, memoryPace }, facts, device, now, problem);
    return [settling, [note("shrink-kicked", `Once more: ${problem}.`, data), ...actions]];
  }
  const begun = isUseful ? wentWell(state, "memory", "shrink") : state;
  const short = fellShort(begun, "memory", "shrink", problem, now);
  const [settling, actions] = settle(short, facts, device, now, problem);
  return [settling, [note("resize-short", `Shrinking stopped: ${problem}.`, data), ...actions]];
}

/** What is needed beyond what it has, if it may be told now; null: nothing is. */
function growInNeed(state: VmState, facts: HypervisorFacts, now: MonoMs): Result | null {
  const target = targetOf(state)?.memBytes;
  if (target === undefined || target <= actualOf(facts).memBytes || !mayResize(state)) return null;
  // A need beyond what fell short is another need; the same one waits for its pause.
  const { growth } = state.memoryPace;
  const isBeyond = target > Math.max(requestedMemOf(facts), growth.triedTo ?? 0);
  if (!mayRetry(growth, now) && !isBeyond) return null;
  const asked = mayGrow(state, "memory", now);
  return asked.isGranted ? grow(asked.state, target, now) : [asked.state, asked.actions];
}

function beginNext(
  before: VmState,
  facts: HypervisorFacts,
  device: MemoryDevice,
  now: MonoMs,
): Result {
  let state = before;
  // Found unplugging with nobody's consent in hand (an agent died, a link dropped): stop it.
  if (device.requestedBytes < device.sizeBytes) {
    return settle(state, facts, device, now, "found unplugging without a consent");
  }
  const target = targetOf(state)?.memBytes;
  if (target === undefined || !mayResize(state)) return [state, []];
  const actual = actualOf(facts).memBytes;
  if (target > actual) return growInNeed(state, facts, now) ?? [state, []];
  // What had fallen short came later by itself.
  if (actual >= (state.memoryPace.growth.triedTo ?? Infinity)) {
    state = wentWell(state, "memory", "growth");
  }
  // More was requested than the guest has plugged, and it is no longer wanted: stop asking for it.
  if (device.requestedBytes > device.sizeBytes && wantsLess(state, requestedMemOf(facts))) {
    if (state.mode !== "held" && mayRetry(state.memoryPace.shrink, now)) {
      return settle(state, facts, device, now, "no longer wanted");
    }
  }
  if (target < actual) return askForSlice(state, facts, target, now);
  return [state, []];
}

function grow(state: VmState, toBytes: number, now: MonoMs): Result {
  const { facts } = state;
  const device = facts?.memoryDevice ?? null;
  if (facts === null || device === null) return [state, []];
  const attempt = state.attempts + 1;
  const requestedBytes = toBytes - facts.baseMemBytes;
  const text = `Plugging to ${sayMem(toBytes)} from ${sayMem(actualOf(facts).memBytes)}.`;
  const actions: VmAction[] = [note("resize-begun", text, { attempt, requestedBytes: toBytes })];
  // The same value again is no news to the guest's driver: one block less first wakes it up.
  if (device.requestedBytes === requestedBytes) {
    const kickBytes = requestedBytes - device.blockBytes;
    actions.push({ kind: "set-memory", attempt, requestedBytes: kickBytes });
  }
  actions.push({ kind: "set-memory", attempt, requestedBytes });
  const until = now + state.timers.plugMs;
  const memory: MemoryMove = { kind: "growing", attempt, toBytes, since: now, until };
  const budgets = began(state, "memory", "growth");
  return [{ ...state, attempts: attempt, memory, budgets }, actions];
}

/** requested := actual, rounded up to the block. Takes nothing: it only stops what is going on. */
function settle(
  state: VmState,
  facts: HypervisorFacts,
  device: MemoryDevice,
  now: MonoMs,
  why: string,
): Result {
  const toBytes = blockUp(actualOf(facts).memBytes, facts, device);
  const attempt = state.attempts + 1;
  const memory: MemoryMove = { kind: "settling", attempt, toBytes, until: now + SETTLE_MS };
  return [
    { ...state, attempts: attempt, memory },
    [
      note("settled", `requested is ${sayMem(toBytes)} now, as actual: ${why}.`, { attempt }),
      { kind: "set-memory", attempt, requestedBytes: toBytes - facts.baseMemBytes },
    ],
  ];
}

function askForSlice(state: VmState, facts: HypervisorFacts, target: number, now: MonoMs): Result {
  const { link, memoryPace } = state;
  if (link.kind !== "up" || takeObstacle(state, now) !== null) return [state, []];
  if (hasOpenQuestion(link)) return [state, []]; // one at a time, given up or not
  if (state.told.memory.length > 0) return [state, []]; // and nothing else on its way
  const grid = gridOf(facts, state.spec.hasQuota);
  const actual = actualOf(facts);
  const goal = askedMemOf(state, target, actual.memBytes);
  const slice = Math.max(goal, memCellUp(actual.memBytes - state.sliceBytes, grid));
  const { shrink } = memoryPace;
  const lowest = shrink.lowest === null ? 0 : memCellUp(shrink.lowest, grid);
  // A monitor that refuses even what it offered is not asked again before the pause is over.
  const isLowest = lowest > slice;
  if (!isLowest && !mayRetry(shrink, now)) return [state, []];
  const toBytes = isLowest ? lowest : slice;
  const paced = { ...memoryPace, shrink: { ...shrink, lowest: null } };
  // Even the lowest it would agree to is no shrink: wait out the pause, then ask for a slice.
  if (toBytes >= actual.memBytes) return [{ ...state, memoryPace: paced }, []];
  const turn = mayTurn(state, "memory", now);
  if (!turn.isGranted) return [turn.state, turn.actions];
  // A guest that agreed to use fewer CPUs than are plugged must not read "more" out of a question about memory.
  const milliCpu = Math.min(actual.milliCpu, state.advisedMilli ?? Infinity);
  const smaller = { milliCpu, memBytes: toBytes };
  const asked = ask(link, { type: "DownscaleRequest", target: smaller }, now);
  return [
    {
      ...turn.state,
      link: asked.link,
      memory: { kind: "asking", ask: asked.id, toBytes, isLowest },
      memoryPace: paced,
      budgets: began(turn.state, "memory", "shrink"),
    },
    [asked.action],
  ];
}

/** The VM is wanted below this, by its monitor or by the node. */
function wantsLess(state: VmState, bytes: number): boolean {
  const aim = aimOf(state);
  return aim !== null && aim.memBytes < bytes;
}

function blockUp(bytes: number, facts: HypervisorFacts, device: MemoryDevice): number {
  const above = Math.max(0, bytes - facts.baseMemBytes);
  return facts.baseMemBytes + Math.ceil(above / device.blockBytes) * device.blockBytes;
}

function idle(state: VmState): Result {
  return [{ ...state, memory: { kind: "idle" } }, []];
}
