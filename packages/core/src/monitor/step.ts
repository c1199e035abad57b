// The monitor: step(state, event, now) → [state, actions]. The shell samples, performs the actions and carries frames.
import { actualOf } from "./actual.ts";
import { onCpuSample, onMemorySample } from "./desire.ts";
import { onlineStage, onlineWakeAt } from "./online.ts";
import { closeSession, endSilence, openSession, receive, speak, speakWakeAt } from "./session.ts";
import { type MonitorState } from "./state.ts";
import { type MonitorAction, type MonitorEvent, type MonoMs } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

/** Pure: same arguments, same answer. */
export function stepMonitor(
  before: MonitorState,
  event: MonitorEvent,
  now: MonoMs,
): [MonitorState, MonitorAction[]] {
  const [learned, first] = absorb(before, event, now);
  let state = settleDesired(learned);
  const actions: MonitorAction[] = [...first];
  for (const stage of [endSilence, speak, onlineStage]) {
    const [next, more] = stage(state, now);
    state = next;
    actions.push(...more);
  }
  return [state, actions];
}

/** When the machine wants a `tick`, if nothing else comes first. null: only events matter. */
export function monitorWakeAt(state: MonitorState): MonoMs | null {
  const silence =
    state.session === null ? null : state.session.lastFrameAt + state.config.timers.silenceMs;
  const candidates = [speakWakeAt(state), onlineWakeAt(state), silence].filter((at) => at !== null);
  return candidates.length === 0 ? null : Math.min(...candidates);
}

function absorb(state: MonitorState, event: MonitorEvent, now: MonoMs): Result {
  switch (event.kind) {
    case "cpu-sampled":
      return onCpuSample(state, event.sample, now);
    case "memory-sampled":
      return onMemorySample(state, event.sample, now);
    case "link-opened":
      return openSession(state, event, now);
    case "frame-received":
      return receive(state, event.link, event.text, now);
    case "link-closed":
      return closeSession(state, event.link, event.problem);
    case "tick":
      return [state, []];
    default:
      return event satisfies never;
  }
}

/** Until something is decided, what it has is what it asks for. */
function settleDesired(state: MonitorState): MonitorState {
  const actual = actualOf(state);
  if (state.desired !== null || actual === null) return state;
  if (state.cpuSample === null || state.memorySample === null) return state;
  return { ...state, desired: actual, desiredReason: "start" };
}
