// The monitor: step(state, event, now) → [state, actions]. The shell samples, performs the actions
// and carries frames. What is needed is the policy's word (../policy), what is said to whom
// session.ts and speak.ts; this only orders them.
import { type MonoMs } from "../agent/types.ts";
import { onCpuSample, onMemorySample } from "./desire.ts";
import {
  fileCacheStage,
  fileCacheWakeAt,
  onFileCacheAnswered,
  onFileCacheSeen,
} from "./file-cache.ts";
import { assertInvariants } from "./invariants.ts";
import { onlineStage, onlineWakeAt } from "./online.ts";
import { wakeAtOf } from "./reservations/registry.ts";
import { onReservation, reservationsStage } from "./reservations/stage.ts";
import { closeSession, endSilence, openSession, receive } from "./session.ts";
import { shrinkStage, shrinkWakeAt } from "./shrink.ts";
import { speak, speakWakeAt } from "./speak.ts";
import { type MonitorState } from "./state.ts";
import { type MonitorAction, type MonitorEvent } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

const STAGES = [
  endSilence,
  reservationsStage,
  shrinkStage,
  fileCacheStage,
  speak,
  onlineStage,
] as const;

/** Pure: same arguments, same answer. */
export function stepMonitor(
  before: MonitorState,
  event: MonitorEvent,
  now: MonoMs,
): [MonitorState, MonitorAction[]] {
  const [learned, first] = absorb(before, event, now);
  let state = learned;
  const actions: MonitorAction[] = [...first];
  for (const stage of STAGES) {
    const [next, more] = stage(state, now);
    state = next;
    actions.push(...more);
  }
  assertInvariants(state, actions);
  return [state, actions];
}

/** When the machine wants a `tick`, if nothing else comes first. null: only events matter. */
export function monitorWakeAt(state: MonitorState): MonoMs | null {
  const { session, config } = state;
  const silenceAt = session === null ? null : session.lastFrameAt + config.timers.silenceMs;
  const candidates = [
    speakWakeAt(state),
    onlineWakeAt(state),
    shrinkWakeAt(state),
    fileCacheWakeAt(state),
    wakeAtOf(state.reservations),
    silenceAt,
  ].filter((at) => at !== null);
  return candidates.length === 0 ? null : Math.min(...candidates);
}

function absorb(state: MonitorState, event: MonitorEvent, now: MonoMs): Result {
  switch (event.kind) {
    case "cpu-sampled":
      return onCpuSample(state, event.sample, now);
    case "memory-sampled":
      return onMemorySample(state, event.sample, now);
    case "file-cache-seen":
      return [onFileCacheSeen(state, event.cache), []];
    case "file-cache-answered":
      return onFileCacheAnswered(state, event, now);
    case "link-opened":
      return openSession(state, event, now);
    case "frame-received":
      return receive(state, event.link, event.text, now);
    case "link-closed":
      return closeSession(state, event.link, event.problem);
    case "reservation-asked":
    case "reservation-released":
    case "reservations-listed":
    case "reservations-found":
      return onReservation(state, event, now);
    case "tick":
      return [state, []];
    default:
      return event satisfies never;
  }
}
