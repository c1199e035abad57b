// Records what the monitor answered when it was asked to become smaller.
import { type Size } from "@selfscale/protocol";
import { downscaleDenied } from "../legacy/overrides.ts";
import { actualOf } from "./actual.ts";
import { note, sayCpu, sayMem } from "./explain.ts";
import { type DownscaleAnswer, type LinkNews } from "./link.ts";
import { fellShort, paceOf, withPace } from "./pace.ts";
import { type MonoMs, type VmAction } from "./types.ts";
import { type Resource, type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

export function downscaleAnswered(
  before: VmState,
  news: LinkNews & { kind: "downscale-answered" },
  now: MonoMs,
): Result {
  const { ask, answer } = news;
  const state = answer.kind === "agreed" ? owesNews(before, ask) : before;
  const { memory, cpu } = state;
  if (memory.kind === "asking" && memory.ask === ask) {
    const what = `memory ${sayMem(memory.toBytes)}`;
    if (answer.kind === "agreed") {
      const agreed = { kind: "agreed", ask, toBytes: memory.toBytes, since: now } as const;
      return [{ ...state, memory: agreed }, [sayAgreed(what, ask)]];
    }
    const lowest = memory.isLowest ? null : lowestOf(answer);
    const denied = wanted(state, { memBytes: memory.toBytes });
    const { problem, say } = sayRefused(what, ask, answer);
    const refused = deny(state, answer, denied, now);
    const idle: VmState = { ...refused, memory: { kind: "idle" } };
    return [refusedShrink(idle, "memory", problem, lowest?.memBytes ?? null, now), [say]];
  }
  if (cpu.kind === "asking" && cpu.ask === ask) {
    const what = sayCpu(cpu.toMilli);
    if (answer.kind === "agreed") {
      const agreed = { kind: "agreed", ask, toMilli: cpu.toMilli, since: now } as const;
      return [{ ...state, cpu: agreed }, [sayAgreed(what, ask)]];
    }
    const lowest = cpu.isLowest ? null : lowestOf(answer);
    const denied = wanted(state, { milliCpu: cpu.toMilli });
    const { problem, say } = sayRefused(what, ask, answer);
    const refused = deny(state, answer, denied, now);
    const idle: VmState = { ...refused, cpu: { kind: "idle" } };
    return [refusedShrink(idle, "cpu", problem, lowest?.milliCpu ?? null, now), [say]];
  }
  return [state, []]; // the question no longer stands
}

function refusedShrink(
  state: VmState,
  resource: Resource,
  problem: string,
  lowest: number | null,
  now: MonoMs,
): VmState {
  const short = fellShort(state, resource, "shrink", problem, now);
  const pace = paceOf(short, resource);
  return withPace(short, resource, { ...pace, shrink: { ...pace.shrink, lowest } });
}

/**
 * A version-1 monitor that agrees has made itself smaller. Whether it is to be told that it keeps its memory is seen at
 * the end of what it agreed to (report.ts), which may be now: the question may no longer stand. What it knows of memory
 * is nothing, until then.
 */
function owesNews(state: VmState, ask: number): VmState {
  const { link, notified, cpu } = state;
  if (link.kind !== "up" || link.version !== 1 || notified === null) return state;
  if (cpu.kind === "asking" && cpu.ask === ask) return state; // that question left memory as it is
  return { ...state, notified: { ...notified, memBytes: 0 } };
}

/** What was asked for, with what is wanted anyway of the resource that was not asked about. */
function wanted(state: VmState, asked: Partial<Size>): Size | null {
  return state.want === null ? null : { ...state.want, ...asked };
}

/** The metrics-based algorithm keeps a unit more than was refused, for a while. */
function deny(
  state: VmState,
  answer: DownscaleAnswer,
  requested: Size | null,
  now: MonoMs,
): VmState {
  if (answer.kind !== "refused" || requested === null || state.facts === null) return state;
  const current = actualOf(state.facts);
  return { ...state, overrides: downscaleDenied(state.overrides, current, requested, now) };
}

function lowestOf(answer: DownscaleAnswer): Size | null {
  return answer.kind === "refused" ? answer.lowest : null;
}

function sayAgreed(what: string, ask: number): VmAction {
  return note("consent-given", `The monitor agreed to ${what}.`, { ask });
}

function sayRefused(
  what: string,
  ask: number,
  answer: DownscaleAnswer,
): { problem: string; say: VmAction } {
  if (answer.kind === "refused") {
    const problem = `the monitor refused ${what}: ${answer.status}`;
    return { problem, say: note("consent-refused", problem, { ask }) };
  }
  const why = answer.kind === "failed" ? answer.problem : "";
  const problem = `the monitor did not answer for ${what}: ${why}`;
  return { problem, say: note("consent-failed", problem, { ask }) };
}
