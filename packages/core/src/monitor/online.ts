// How many of the plugged CPUs the guest uses: up as soon as they are wanted and given, down only
// by a consent.
import { type MonoMs } from "../agent/types.ts";
import { fitted, isAdvice } from "./actual.ts";
import { explain } from "./explain.ts";
import { type MonitorState } from "./state.ts";
import { type MonitorAction } from "./types.ts";

type Result = readonly [MonitorState, readonly MonitorAction[]];
type Consented = NonNullable<MonitorState["consented"]>;

/** Stage: compare what is online with what should be, and say so once per change. */
export function onlineStage(before: MonitorState, now: MonoMs): Result {
  const sample = before.cpuSample?.value;
  if (sample === undefined) return [before, []];
  const [state, notes] = endConsent(before, now);
  const goal = cpuGoal(state);
  // An order stands until the next one, also while the kernel refuses it: so it is what will be online.
  const isNews = goal !== (state.onlineAsked ?? sample.onlineCount);
  if (isNews) {
    return [{ ...state, onlineAsked: goal }, [...notes, { kind: "set-online-cpus", count: goal }]];
  }
  const isDone = goal === sample.onlineCount && state.onlineAsked !== null;
  return [isDone ? { ...state, onlineAsked: null } : state, notes];
}

export function onlineWakeAt(state: MonitorState): MonoMs | null {
  const until = state.consented?.until ?? Infinity;
  return Number.isFinite(until) ? until : null;
}

/** CPUs that should be online now; all there are when nothing was ever measured. */
export function cpuGoal(state: MonitorState): number {
  const sample = state.cpuSample?.value;
  if (sample === undefined) return 1;
  const within = (count: number) => Math.min(sample.presentCount, Math.max(1, count));
  if (state.consented !== null) return within(state.consented.cpus);
  // Without a consent nothing more goes offline: CPUs found online are somebody's choice.
  const standing = state.onlineAsked ?? sample.onlineCount;
  const wanted = within(cpusWanted(state));
  return wanted > standing ? Math.max(wanted, sample.onlineCount) : standing;
}

/** What the agent has set going, and what is wanted of that which the VM owns already. */
function cpusWanted(state: MonitorState): number {
  const { session } = state;
  const requested = Math.ceil((session?.report?.requested.milliCpu ?? 0) / 1000);
  return Math.max(requested, cpusNotified(state), cpusWished(state));
}

function cpusNotified({ session }: MonitorState): number {
  return Math.ceil((session?.notified?.milliCpu ?? 0) / 1000);
}

/** What is wanted, as far as the VM is known to own it. */
function cpusWished(state: MonitorState): number {
  const { session, desired } = state;
  const wish = desired === null ? 0 : Math.ceil(fitted(state, desired).milliCpu / 1000);
  const report = session?.report ?? null;
  if (report === null) return wish;
  // Plugged CPUs beyond a quota are no gain: they would only be throttled.
  return Math.min(wish, Math.max(Math.ceil(report.actual.milliCpu / 1000), cpusNotified(state)));
}

/** An agreement ends when the size has followed, or after its time; it is raised when more is wanted again. */
function endConsent(state: MonitorState, now: MonoMs): Result {
  const { consented } = state;
  if (consented === null) return [state, []];
  const ended: MonitorState = { ...state, consented: null };
  if (hasFollowed(state, consented.milliCpu)) return [ended, []];
  if (wantsMoreThan(state, consented.desiredMilli)) return [raiseConsent(state, consented), []];
  if (now < consented.until) return [state, []];
  const message = "The smaller size that was agreed to did not come; its CPUs are used again.";
  return [ended, [explain("info", "shrink-void", message, { milliCpu: consented.milliCpu })]];
}

/**
 * More is wanted: so much comes back at once. The rest waits for what the agent makes of it: its last
 * report may be from before it heard of the agreement, and CPUs taken on its word would stay for good.
 */
function raiseConsent(state: MonitorState, consented: Consented): MonitorState {
  const cpus = Math.max(consented.cpus, cpusWished(state));
  const desiredMilli = state.desired?.milliCpu ?? consented.desiredMilli;
  return { ...state, consented: { ...consented, cpus, milliCpu: cpus * 1000, desiredMilli } };
}

/** As far as the bounds let it be: a wish beyond them brings no CPU. */
function wantsMoreThan(state: MonitorState, milliCpu: number): boolean {
  const { desired } = state;
  if (desired === null) return false;
  const then = fitted(state, { ...desired, milliCpu });
  return fitted(state, desired).milliCpu > then.milliCpu;
}

function hasFollowed(state: MonitorState, milliCpu: number): boolean {
  const report = state.session?.report ?? null;
  if (report === null) return false;
  const size = isAdvice(report) ? report.requested : report.actual;
  return size.milliCpu <= milliCpu;
}
