// The agent stood still: its host was suspended, its process stopped. Then all deadlines seem to be over at once, and what
// lies in the sockets was said long ago. None of that is news: waits begin anew, nothing is taken on old words, and one
// question per link tells when the old ones have all been heard.
import { warning } from "./explain.ts";
import { catchUp } from "./link.ts";
import { type MonoMs, type VmAction } from "./types.ts";
import { type CpuMove, type MemoryMove, type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

/** Before an event is absorbed. A link makes a step every few seconds, so only with one can standing still be told. */
export function noticeGap(state: VmState, now: MonoMs): Result {
  const { link, timers } = state;
  const gapMs = now - state.steppedAt;
  if (link.kind !== "up" || gapMs < timers.gapMs) return [state, []];
  const caught = catchUp(link, now, timers);
  const text = `The agent stood still for ${Math.round(gapMs / 1000)} s; nothing is taken on what was said before.`;
  const next: VmState = {
    ...state,
    link: caught.link,
    memory: shiftMemory(state.memory, gapMs),
    cpu: shiftCpu(state.cpu, gapMs),
    observeAskedAt: state.observeAskedAt === null ? null : now,
    permitAskedAt: now,
    told: {
      memory: state.told.memory.map((one) => ({ ...one, at: one.at + gapMs })),
      cpu: state.told.cpu.map((one) => ({ ...one, at: one.at + gapMs })),
    },
  };
  return [next, [warning("stood-still", text, { gapMs }), caught.action]];
}

/** A question and its answer are void; what was told goes on, and has as long as it had. */
function shiftMemory(move: MemoryMove, gapMs: number): MemoryMove {
  switch (move.kind) {
    case "asking":
    case "agreed":
      return { kind: "idle" };
    case "shrinking":
      return { ...move, until: move.until + gapMs, progressAt: move.progressAt + gapMs };
    case "growing":
    case "settling":
      return { ...move, until: move.until + gapMs };
    case "idle":
      return move;
    default:
      return move satisfies never;
  }
}

function shiftCpu(move: CpuMove, gapMs: number): CpuMove {
  switch (move.kind) {
    case "asking":
    case "agreed":
      return { kind: "idle" };
    case "growing":
    case "shrinking":
      return { ...move, until: move.until + gapMs };
    case "idle":
      return move;
    default:
      return move satisfies never;
  }
}
