// Why the size is what it is, for whoever asks inside the VM: what it has and wants, what keeps each resource where it is,
// what stands in the way, and what would change it. Sentences; the figures are those of the status.
import { type Size } from "@selfscale/protocol";
import { sayCpu, sayMem, sayMs } from "../agent/explain.ts";
import { type MonoMs } from "../agent/types.ts";
import { holdMsOf } from "../policy/hold.ts";
import { cpuCellUp, effectiveActual, fitted, isMet, memCellUp } from "./actual.ts";
import { leastOf, releaseObstacle } from "./level.ts";
import { obstacleOf } from "./reservations/obstacle.ts";
import { reservedFloor, sayKept } from "./reservations/reserved.ts";
import { type MonitorState } from "./state.ts";

/** Reservations that are told one by one. */
const MOST_TOLD = 8;

/** Pure: the same state at the same instant is explained alike. At least one sentence. */
export function explainMonitor(state: MonitorState, now: MonoMs): readonly string[] {
  const actual = effectiveActual(state);
  const { desired } = state;
  if (actual === null || desired === null) {
    return ["Nothing is measured yet: it keeps the size it has, and asks for none."];
  }
  const within = fitted(state, desired);
  return [
    ladderOf(state, actual, desired),
    ...bindingOf(state, actual, within),
    memoryWhy(state, within, now),
    cpuWhy(state, within, now),
    ...reservationsOf(state, now),
    ...changesOf(state, within, now),
  ];
}

function ladderOf(state: MonitorState, actual: Size, desired: Size): string {
  if (isMet(state)) return `This machine has ${saySize(actual)}, which is what it wants.`;
  return `This machine has ${saySize(actual)} and wants ${saySize(desired)}.`;
}

/** What stands between what is wanted and what there is. */
function bindingOf(state: MonitorState, actual: Size, within: Size): string[] {
  const max = state.session?.report?.max ?? null;
  const { desired } = state;
  const said: string[] = [];
  const isBeyond =
    max !== null &&
    desired !== null &&
    (desired.memBytes > max.memBytes || desired.milliCpu > max.milliCpu);
  if (isBeyond) said.push(`The operator's largest size for it is ${saySize(max)}.`);
  const isGrowing = within.memBytes > actual.memBytes || within.milliCpu > actual.milliCpu;
  if (!isMet(state) && isGrowing) said.push(`In the way: ${obstacleOf(state).text}.`);
  else if (state.session === null) said.push("No agent is connected: nothing can change its size.");
  else if (!isMet(state))
    said.push("It is on its way down, in steps that it agrees to one by one.");
  return said;
}

function memoryWhy(state: MonitorState, desired: Size, now: MonoMs): string {
  const need = state.memoryNeed;
  if (need === null) return "Memory: nothing is measured yet.";
  const size = sayMem(desired.memBytes);
  const needed = memCellUp(state, need.needBytes);
  const used = sayMem(need.inputs["heldBytes"] ?? 0);
  const isReserved = reservedFloor(state).memBytes === desired.memBytes;
  if (needed >= desired.memBytes) {
    if (need.reason === "memory-emergency") return `Memory: ${size}, as it is running out now.`;
    const what =
      need.reason === "cache"
        ? `${sayMem(need.inputs["cacheBytes"] ?? 0)} of file cache that is really used`
        : `${sayMem(need.inputs["reserveBytes"] ?? 0)} kept free for what comes faster than it can grow`;
    return `Memory: ${size}, for ${used} in use, and ${what}.`;
  }
  if (isReserved)
    return `Memory: ${size}, because of ${sayKept(state, "mem")}; ${used} are in use.`;
  const hold = holdMsOf(state.holds.mem, state.config.policy.memory);
  const kept = whyKept(state, desired.memBytes === leastOf(state).memBytes, hold, now);
  return `Memory: ${size}, of which ${sayMem(needed)} would do now (${used} in use): ${kept}.`;
}

function cpuWhy(state: MonitorState, desired: Size, now: MonoMs): string {
  const need = state.cpuNeed;
  if (need === null) return "CPU: nothing is measured yet.";
  const size = sayCpu(desired.milliCpu);
  const needed = cpuCellUp(state, Math.round(need.need * 1000));
  if (needed >= desired.milliCpu) return `CPU: ${size}, as that much is used.`;
  if (reservedFloor(state).milliCpu === desired.milliCpu) {
    return `CPU: ${size}, because of ${sayKept(state, "cpu")}; ${sayCpu(needed)} would do now.`;
  }
  const hold = holdMsOf(state.holds.cpu, state.config.policy.cpu);
  const kept = whyKept(state, desired.milliCpu === leastOf(state).milliCpu, hold, now);
  return `CPU: ${size}, of which ${sayCpu(needed)} would do now: ${kept}.`;
}

/** Why more is wanted than is needed. */
function whyKept(state: MonitorState, isLeast: boolean, holdMs: number, now: MonoMs): string {
  if (isLeast) return "it is the smallest size it may have";
  const obstacle = releaseObstacle(state, now);
  if (obstacle === "stale")
    return "measurements are missing, and on old ones nothing is given back";
  if (now < state.startedAt + state.config.policy.startHoldMs) {
    return "the monitor has just started, and gives nothing back before it has seen enough";
  }
  if (obstacle !== null) return "not all of it was to be had lately, so it is kept a little longer";
  const veto = state.memoryNeed?.veto ?? null;
  if (veto !== null) return `${veto}, so nothing is given back`;
  return `the rest was needed, or reserved, within the last ${sayMs(holdMs)}, or is not worth a resize`;
}

function reservationsOf(state: MonitorState, now: MonoMs): string[] {
  const { active } = state.reservations;
  const told = active.slice(0, MOST_TOLD).map(({ request, state: is, askedAt }) => {
    const what = saySize(request, " and ");
    const why = request.reason === "" ? "" : ` (${request.reason})`;
    const end =
      request.holdUntil === null
        ? "until it is released"
        : `for ${sayMs(request.holdUntil - now)} more`;
    return is === "granted"
      ? `Reserved: ${what} for ${request.owner}${why}, ${end}.`
      : `Waiting: ${request.owner}${why} for ${what}, since ${sayMs(now - askedAt)}, ${sayMs(request.waitUntil - now)} more at most.`;
  });
  const others = active.length - told.length;
  return others > 0 ? [...told, `And ${others} more reservations.`] : told;
}

/** What would make it another size. */
function changesOf(state: MonitorState, within: Size, now: MonoMs): string[] {
  const { session } = state;
  if (session === null) return ["It would change once an agent is connected."];
  const said: string[] = [];
  const max = session.report?.max ?? null;
  const actual = effectiveActual(state) ?? within;
  const isGrowing = within.memBytes > actual.memBytes || within.milliCpu > actual.milliCpu;
  const isMost = max !== null && within.memBytes >= max.memBytes && within.milliCpu >= max.milliCpu;
  if (isGrowing && obstacleOf(state).reason === "node-full") {
    said.push(
      "It grows when another machine of the node gives something back; `selfscale-agent explain` there says who holds what.",
    );
  } else if (isMost && !isGrowing) {
    said.push("It can't grow: this is the largest size the operator allows.");
  } else if (!isGrowing) said.push("It grows at once when more is used or reserved.");
  const least = leastOf(state);
  if (within.memBytes > least.memBytes || within.milliCpu > least.milliCpu) {
    const floor = reservedFloor(state);
    const isReserved = floor.memBytes > 0 || floor.milliCpu > 0;
    const { mem, cpu } = state.holds;
    const { memory, cpu: cpuPolicy } = state.config.policy;
    const holds = `${sayMs(holdMsOf(mem, memory))} for memory, ${sayMs(holdMsOf(cpu, cpuPolicy))} for CPU`;
    const until = isReserved ? "the reservations have ended and it was idle" : "it was idle";
    const obstacle = releaseObstacle(state, now) === null ? "" : ", once nothing forbids it";
    said.push(`It shrinks when ${until} for long enough (${holds})${obstacle}.`);
  }
  return said;
}

/** Of both only what there is. */
function saySize({ milliCpu, memBytes }: Size, between = ", "): string {
  const parts = [
    ...(milliCpu > 0 ? [sayCpu(milliCpu)] : []),
    ...(memBytes > 0 ? [sayMem(memBytes)] : []),
  ];
  return parts.join(between);
}
