// What a VM should have, before the node is asked: the level of whoever decides, on the grid, within the bounds.
// "Hold" is what it holds already; holding never rounds, never grows, and shrinks only what is above bounds.max.
import { type Size } from "@selfscale/protocol";
import { type LegacyWish } from "../legacy/desired.ts";
import { least, NOTHING } from "../node/amounts.ts";
import { type Claim } from "../node/types.ts";
import { actualOf, heldOf } from "./actual.ts";
import { note, sayCpu, sayMem, warning } from "./explain.ts";
import { boundsOnGrid, clampToBounds, cpuCellUp, gridOf, memCellUp, type Grid } from "./grid.ts";
import { holdOf } from "./level.ts";
import { isMute } from "./link.ts";
import { metricsWish } from "./metrics-wish.ts";
import { type HypervisorFacts, type MonoMs, type VmAction } from "./types.ts";
import { operatorFloorOf } from "./operator.ts";
import { mostTold } from "./told.ts";
import { type VmState } from "./vm-state.ts";

/** A guest under QEMU this busy, while its monitor is mute, is in distress. Share of its CPU. */
const DISTRESS_CPU_SHARE = 0.9;
/** One blind step, as a share of memory. */
const BLIND_STEP_SHARE = 0.25;

/** Stage: decide what to want and, when that or what is held changed, ask the node. */
export function wantStage(state: VmState, now: MonoMs): readonly [VmState, readonly VmAction[]] {
  const { facts } = state;
  if (facts === null || state.hypervisorProblem !== null || state.refusal !== null) {
    return [state, []];
  }
  const actions: VmAction[] = [];
  const [seeing, blindActions] = growBlindly(state, facts, now);
  actions.push(...blindActions);
  const legacy = metricsWish(seeing, facts, now);
  const want = wantOf(seeing, facts, legacy, now);
  if (state.want === null || !same(state.want, want)) {
    actions.push(
      note("level-set", `Wants ${sayCpu(want.milliCpu)}, ${sayMem(want.memBytes)}.`, {
        milliCpu: want.milliCpu,
        memBytes: want.memBytes,
        mode: state.mode,
        ageMs: state.level?.ageMs ?? null,
        wishReason: state.mode === "compute-controlled" ? (state.level?.reason ?? null) : null,
      }),
    );
  }
  const [claiming, claimActions] = claim({ ...seeing, want }, facts, want, now);
  const legacyGoal = legacy?.goalComputeUnits ?? null;
  return [{ ...claiming, legacyGoal }, [...actions, ...claimActions]];
}

/** Tell the node what is wanted and held, when that is news to it. */
function claim(
  state: VmState,
  facts: HypervisorFacts,
  want: Size,
  now: MonoMs,
): readonly [VmState, readonly VmAction[]] {
  const grid = gridOf(facts, state.spec.hasQuota);
  const loanMilli = needsLoan(state) ? Math.max(want.milliCpu, LOAN_MILLI) : 0;
  // Who wants less gives up the rest of what it was permitted: it is another's from this claim on.
  const most = { ...want, milliCpu: Math.max(want.milliCpu, loanMilli) };
  const permit = state.permit === null ? null : least(state.permit, most);
  const number = state.claims + 1;
  const next: Claim = {
    number,
    want,
    held: heldOf(facts, inFlightOf(state)),
    min: leastOf(state, facts, grid),
    urgent: urgentOf(state, want, grid),
    loanMilli,
    step: { milliCpu: grid.cpuStepMilli, memBytes: grid.memStepBytes },
    permit,
  };
  if (state.sought !== null && !isNews(state.sought, next)) return [{ ...state, permit }, []];
  // Until the node answers, the permit of the last wish still binds: growth waits, a shrink need not.
  const asked = { sought: next, claims: number, isPermitPending: true, permitAskedAt: now };
  const claiming = { ...state, permit, ...asked };
  return [claiming, [{ kind: "seek-permit", claim: next }]];
}

/** The node knows it otherwise; or it took away a permit, and waits for the word that it is given up. */
function isNews(known: Claim, next: Claim): boolean {
  const isOther = (["want", "held", "min", "urgent", "step"] as const).some(
    (key) => !same(known[key], next[key]),
  );
  const believed = known.permit;
  const isGivenUp =
    believed !== null &&
    (next.permit === null ||
      next.permit.memBytes < believed.memBytes ||
      next.permit.milliCpu < believed.milliCpu);
  return isOther || known.loanMilli !== next.loanMilli || isGivenUp;
}

/** What it can't be brought below: bounds.min on its grid, base memory, and vCPUs that were plugged without a quota. */
function leastOf(state: VmState, facts: HypervisorFacts, grid: Grid): Size {
  const { min } = boundsOnGrid(state.spec.bounds, grid);
  const plugged = state.spec.hasQuota ? 0 : facts.vcpusPlugged * 1000;
  return { milliCpu: Math.max(min.milliCpu, plugged), memBytes: min.memBytes };
}

/** The part of what is wanted that goes before anybody's comfort. */
function urgentOf(state: VmState, want: Size, grid: Grid): Size {
  const level = state.mode === "compute-controlled" ? state.level : null;
  const floor = level?.floor ?? NOTHING;
  const reserved = {
    milliCpu: floor.milliCpu > 0 ? cpuCellUp(floor.milliCpu, grid) : 0,
    memBytes: floor.memBytes > 0 ? memCellUp(floor.memBytes, grid) : 0,
  };
  const pressed = level?.reason === "memory-emergency" ? want.memBytes : 0;
  const ordered = operatorFloorOf(state) ?? NOTHING;
  const memBytes = Math.max(reserved.memBytes, pressed, state.blind?.memBytes ?? 0);
  return least(want, larger({ ...reserved, memBytes }, ordered));
}

/** The wish of whoever decides, made fit. */
function wantOf(
  state: VmState,
  facts: HypervisorFacts,
  legacy: LegacyWish | null,
  now: MonoMs,
): Size {
  const grid = gridOf(facts, state.spec.hasQuota);
  const bounds = state.spec.bounds;
  const hold = holdOf(state, facts);
  if (state.identity === "mismatched" || state.operatorPaused !== null) return hold;
  const kept = cutToBounds(hold, boundsOnGrid(bounds, grid));
  const named = state.mode === "compute-controlled" ? state.level?.size : legacy?.desired;
  const asked = atLeast(named ?? null, blindFloor(state));
  const ordered = operatorFloorOf(state);
  const atLeastOrdered = (size: Size) =>
    ordered === null ? size : larger(size, clampToBounds(ordered, bounds, grid));
  if (asked === null) return atLeastOrdered(kept);
  const fit = unrounded(asked, hold, kept, clampToBounds(asked, bounds, grid));
  return atLeastOrdered(mayFall(state, legacy, now) ? fit : larger(fit, kept));
}

/** Unknown or stale signals may grow a VM, never shrink it. */
function mayFall(state: VmState, legacy: LegacyWish | null, now: MonoMs): boolean {
  switch (state.mode) {
    case "held":
      return false;
    case "compute-controlled": {
      const heardAt = state.link.kind === "up" ? state.link.lastFrameAt : -Infinity;
      return now < heardAt + state.timers.levelFreshMs;
    }
    case "metrics-based":
      return legacy?.mayShrink ?? false;
    default:
      return state.mode satisfies never;
  }
}

/**
 * A mute monitor on an open link, and a guest that burns all its CPU: swap or reclaim may be
 * starving it. One step of memory without being asked, at most once per silence.
 */
function growBlindly(
  state: VmState,
  facts: HypervisorFacts,
  now: MonoMs,
): readonly [VmState, VmAction[]] {
  if (state.link.kind !== "up") return [{ ...state, blind: null }, []];
  if (state.operatorPaused !== null) return [state, []];
  const silentSince = state.link.lastFrameAt;
  if (!isMute(state.link, now, state.timers)) {
    // It speaks again: what was added is given back by its consent, like anything else.
    const isOver = state.blind !== null && state.blind.silentSince !== silentSince;
    return [isOver ? { ...state, blind: null } : state, []];
  }
  if (state.blind?.silentSince === silentSince || !isInDistress(facts)) return [state, []];
  const grid: Grid = gridOf(facts, state.spec.hasQuota);
  const actual = actualOf(facts).memBytes;
  const memBytes = memCellUp(actual * (1 + BLIND_STEP_SHARE), grid);
  const silentMs = now - silentSince;
  return [
    { ...state, blind: { memBytes, silentSince } },
    [
      warning(
        "blind-growth",
        `The monitor has been mute for ${silentMs} ms and the guest is busy: up to ${sayMem(memBytes)}.`,
        { silentMs, memBytes },
      ),
    ],
  ];
}

function isInDistress(facts: HypervisorFacts): boolean {
  if (facts.cpuUsedMilli === null) return false;
  return facts.cpuUsedMilli >= DISTRESS_CPU_SHARE * actualOf(facts).milliCpu;
}

function blindFloor(state: VmState): Size | null {
  return state.blind === null ? null : { milliCpu: 1, memBytes: state.blind.memBytes };
}

/** What counts as held although the facts do not show it yet, or it is only lent. */
function inFlightOf({ cpu, told }: VmState): Size {
  const growing = cpu.kind === "growing" ? cpu.toMilli : 0;
  return {
    milliCpu: Math.max(growing, mostTold(told.cpu)),
    memBytes: mostTold(told.memory),
  };
}

/** A fractional VM that unplugs memory is lent a whole CPU: at 0.25 an unplug takes minutes. */
export const LOAN_MILLI = 1000;

export function needsLoan(state: VmState): boolean {
  if (!state.spec.hasQuota) return false;
  return state.memory.kind === "agreed" || state.memory.kind === "shrinking";
}

function cutToBounds(size: Size, bounds: { min: Size; max: Size }): Size {
  const cut = (value: number, min: number, max: number) => Math.min(Math.max(value, min), max);
  return {
    milliCpu: cut(size.milliCpu, bounds.min.milliCpu, bounds.max.milliCpu),
    memBytes: cut(size.memBytes, bounds.min.memBytes, bounds.max.memBytes),
  };
}

/** What is held off the grid and named so (half a wish leaves the other resource as it is) is not rounded up. */
function unrounded(asked: Size, hold: Size, kept: Size, fit: Size): Size {
  const of = (one: keyof Size) => (asked[one] === hold[one] ? kept[one] : fit[one]);
  return { milliCpu: of("milliCpu"), memBytes: of("memBytes") };
}

function atLeast(wish: Size | null, floor: Size | null): Size | null {
  if (wish === null || floor === null) return wish ?? floor;
  return larger(wish, floor);
}

export function larger(a: Size, b: Size): Size {
  return {
    milliCpu: Math.max(a.milliCpu, b.milliCpu),
    memBytes: Math.max(a.memBytes, b.memBytes),
  };
}

export function same(a: Size, b: Size): boolean {
  return a.milliCpu === b.milliCpu && a.memBytes === b.memBytes;
}
