// How many of the plugged CPUs the guest uses: up as soon as they are wanted, down only by a consent.
import { explain } from "./session.ts";
import { type MonitorState } from "./state.ts";
import { type MonitorAction, type MonoMs } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];

/** Stage: compare what is online with what should be, and say so once per change. */
export function onlineStage(state: MonitorState, now: MonoMs): Result {
  const sample = state.cpuSample?.value;
  if (sample === undefined) return [state, []];
  const actions: MonitorAction[] = [];
  let { consented } = state;
  if (consented !== null && now >= consented.until) {
    const message = "The smaller size that was agreed to did not come; its CPUs are used again.";
    if (sample.onlineCount < sample.presentCount)
      actions.push(explain("info", "shrink-void", message));
    consented = null;
  }
  const wanted = cpusWanted({ ...state, consented });
  const count = Math.min(sample.presentCount, Math.max(1, wanted));
  const isDown = count < sample.onlineCount;
  // Without a consent nothing goes offline: CPUs found online are somebody's choice.
  const goal = isDown && consented === null ? sample.onlineCount : count;
  const isNews = goal !== sample.onlineCount && goal !== state.onlineAsked;
  if (isNews) actions.push({ kind: "set-online-cpus", count: goal });
  const onlineAsked = goal === sample.onlineCount ? null : goal;
  return [{ ...state, consented, onlineAsked }, actions];
}

export function onlineWakeAt(state: MonitorState): MonoMs | null {
  return state.consented?.until ?? null;
}

function cpusWanted(state: MonitorState): number {
  const desired = Math.ceil((state.desired?.milliCpu ?? 0) / 1000);
  if (state.consented !== null) return Math.max(desired, state.consented.cpus);
  const { session } = state;
  const told = session?.report?.requested.milliCpu ?? session?.notified?.milliCpu ?? 0;
  return Math.max(desired, Math.ceil(told / 1000));
}
