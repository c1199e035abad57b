// Records what an event taught us. Decides nothing: no move begins here.
import { offeredRange, type Bounds } from "@selfscale/protocol";
import { type LegacyMetrics } from "../legacy/types.ts";
import { forgetLink, fromLink } from "./absorb-link.ts";
import { actualOf } from "./actual.ts";
import { note, sayCpu, sayMem, warning } from "./explain.ts";
import { least, most } from "../node/amounts.ts";
import { levelSunk } from "./level.ts";
import { openLink, receiveFrame, tickLink, type LinkNews } from "./link.ts";
import { floorOrdered, pauseOrdered, withOrdersOf } from "./operator.ts";
import { fellShort } from "./pace.ts";
import { inspect } from "./inspect.ts";
import { LINK_DOWN } from "./link-state.ts";
import { isReset, noteRunState } from "./run-state.ts";
import { type HypervisorFacts, type MonoMs, type VmAction, type VmEvent } from "./types.ts";
import { noteAnswered, noteLooked } from "./told.ts";
import { initialPace, initialVm, NOTHING_TOLD, type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

export function absorb(state: VmState, event: VmEvent, now: MonoMs): Result {
  switch (event.kind) {
    case "hypervisor-attached":
      return attached(state, event.facts, now);
    case "hypervisor-observed":
      return observed(state, event.facts, now);
    case "cpu-read":
      if (state.facts === null) return [state, []];
      return [{ ...state, facts: { ...state.facts, ...event.cpu } }, []];
    case "hypervisor-lost":
      return hypervisorLost(state, event.problem);
    case "command-settled":
      return commandSettled(state, event, now);
    case "link-opened": {
      const offered = offeredRange(state.spec.protocolMax);
      return fromLink(state, openLink(event.link, offered, now, state.timers, state.buckets), now);
    }
    case "frame-received":
      if (state.link.kind === "down" || state.link.link !== event.link) return [state, []];
      return fromLink(state, receiveFrame(state.link, event.text, now, state.timers), now);
    case "link-closed": {
      // Also comes for dials that never opened, and late for links that were replaced.
      if (state.link.kind === "down") return [{ ...state, linkProblem: event.problem }, []];
      if (state.link.link !== event.link) return [state, []];
      const news: LinkNews = { kind: "link-lost", problem: event.problem };
      return fromLink(state, { link: LINK_DOWN, actions: [], news: [news] }, now);
    }
    case "metrics-scraped":
      // While the agent catches up, an answer may have lain in the socket: the next scrape is of now.
      if (state.link.kind === "up" && state.link.catchUpId !== null) return [state, []];
      return [scraped(state, event.metrics, now), []];
    case "permit-changed":
      return permitChanged(state, event);
    case "bounds-changed":
      return boundsChanged(state, event.bounds);
    case "spec-changed": {
      const { spec, timers, sliceBytes } = event;
      // Asked anew: the node may have forgotten under which name, or from which bounds, it was asked before.
      const changed: VmState = { ...state, spec, timers, sliceBytes, sought: null };
      return [changed, [note("spec-changed", "The configuration of this VM was read anew.")]];
    }
    case "operator-paused":
      return pauseOrdered(state, event);
    case "operator-floor":
      return floorOrdered(state, event);
    case "tick":
      return fromLink(state, tickLink(state.link, now, state.timers), now);
    default:
      return event satisfies never;
  }
}

/** One kind, or both. What a page does not hold says nothing: that kind only grows older. */
function scraped(state: VmState, { system, lfc }: LegacyMetrics, now: MonoMs): VmState {
  const { metrics, metricsAt } = state;
  return {
    ...state,
    metrics: { system: system ?? metrics?.system ?? null, lfc: lfc ?? metrics?.lfc ?? null },
    metricsAt: {
      system: system === null ? metricsAt.system : now,
      lfc: lfc === null ? metricsAt.lfc : now,
    },
  };
}

function attached(before: VmState, facts: HypervisorFacts, now: MonoMs): Result {
  const actions: VmAction[] = [];
  let state = before;
  if (state.facts !== null && state.facts.process !== facts.process) {
    actions.push(note("new-process", "Another QEMU process answers; the old one is forgotten."));
    // The link goes with the process: whatever still talks on it spoke for the old guest.
    if (state.link.kind !== "down") {
      const reason = "the VM was started anew";
      actions.push({ kind: "close-link", link: state.link.link, code: 1000, reason });
    }
    const fresh = withOrdersOf(initialVm(state.spec, state.timers, state.sliceBytes), state);
    // Ids and the node's promise outlive it: a late answer must not meet a new attempt's number.
    // So do the limits: starting anew must not be a way around them.
    const { attempts, sought, claims, permit, isPermitPending, budgets, buckets, limited } = state;
    const { recall, verdict, isNodeFull } = state;
    const promise = { sought, claims, permit, isPermitPending, recall, verdict, isNodeFull };
    state = { ...fresh, attempts, ...promise, budgets, buckets, limited };
  }
  const inspected = inspect(state.spec, facts);
  const actual = actualOf(facts);
  actions.push(
    note(
      "hypervisor-attached",
      `QEMU runs with ${sayCpu(actual.milliCpu)}, ${sayMem(actual.memBytes)}.`,
      { ...actual, uuid: facts.uuid, runState: facts.runState },
    ),
    ...inspected.actions,
  );
  const ready: VmState = { ...state, hypervisorProblem: null, refusal: inspected.refusal };
  const [looked, more] = observed(ready, facts, now);
  return [looked, [...actions, ...more]];
}

function observed(before: VmState, facts: HypervisorFacts, now: MonoMs): Result {
  const actions = noteRunState(before.facts, facts);
  const looked = noteLooked(before);
  const level = levelSunk(looked, facts);
  const read = { observedAt: now, cpuReadAt: now, observeAskedAt: null };
  const state = { ...looked, facts, level, ...read };
  if (!isReset(before.facts, facts)) return [state, actions];
  const [reset, more] = guestReset(state);
  return [reset, [...actions, ...more]];
}

/** Whoever spoke for the guest that was is gone; who speaks for the new one has yet to connect. */
function guestReset(state: VmState): Result {
  const text = "The guest was reset; what was requested is kept for it, and it plugs that again.";
  const actions: VmAction[] = [note("guest-reset", text)];
  const reset: VmState = {
    ...state,
    memory: { kind: "idle" },
    cpu: { kind: "idle" },
    memoryPace: initialPace(),
    cpuPace: initialPace(),
  };
  if (state.link.kind === "down") return [reset, actions];
  const reason = "the guest was reset";
  actions.push({ kind: "close-link", link: state.link.link, code: 1000, reason });
  return [{ ...forgetLink(reset), link: LINK_DOWN, linkProblem: reason }, actions];
}

/** Judged like at an attach: what can't work now is refused, what was refused may work now. */
function boundsChanged(before: VmState, bounds: Bounds): Result {
  const state = { ...before, spec: { ...before.spec, bounds } };
  const said = note("bounds-changed", "The operator changed the bounds.");
  if (state.facts === null) return [state, [said]];
  const { refusal, actions } = inspect(state.spec, state.facts);
  return [{ ...state, refusal }, [said, ...actions]];
}

/** Nothing can be resized or read; what is known of sizes stays, for it is still held. */
function hypervisorLost(state: VmState, problem: string): Result {
  const lost: VmState = {
    ...state,
    hypervisorProblem: problem,
    observeAskedAt: null,
    // Claim anew when it is back: the shell may have told the node that this QEMU is gone, and then what was
    // promised is another VM's by now.
    sought: null,
    permit: null,
    recall: null,
    verdict: null,
    memory: { kind: "idle" },
    cpu: { kind: "idle" },
    memoryPace: initialPace(),
    cpuPace: initialPace(),
    told: NOTHING_TOLD,
  };
  if (state.hypervisorProblem === problem) return [lost, []];
  return [lost, [warning("hypervisor-lost", problem)]];
}

function commandSettled(
  state: VmState,
  event: VmEvent & { kind: "command-settled" },
  now: MonoMs,
): Result {
  // Whatever it was, what QEMU shows now is what counts.
  const answered = noteAnswered(state, event.attempt, event.outcome !== "refused");
  const asked: VmState = { ...answered, observeAskedAt: now };
  const observe: VmAction = { kind: "observe" };
  if (event.outcome === "done") return [asked, [observe]];
  const problem = event.problem ?? event.outcome;
  const data = { attempt: event.attempt, outcome: event.outcome };
  const say = warning("resize-failed", problem, data);
  const { memory, cpu } = state;
  if ("attempt" in memory && memory.attempt === event.attempt) {
    // Settling takes nothing: it is told again when its time is over, at once would be as fast as QEMU refuses.
    if (memory.kind === "settling") return [asked, [say, observe]];
    const direction = memory.kind === "growing" ? "growth" : "shrink";
    const short = fellShort(
      { ...asked, memory: { kind: "idle" } },
      "memory",
      direction,
      problem,
      now,
    );
    if (memory.kind !== "growing") return [short, [say, observe]];
    const growth = { ...short.memoryPace.growth, triedTo: memory.toBytes };
    return [{ ...short, memoryPace: { ...short.memoryPace, growth } }, [say, observe]];
  }
  if ("attempt" in cpu && cpu.attempt === event.attempt) {
    const direction = cpu.kind === "growing" ? "growth" : "shrink";
    const idle: VmState = { ...asked, cpu: { kind: "idle" } };
    return [fellShort(idle, "cpu", direction, problem, now), [say, observe]];
  }
  return [asked, [observe]]; // late: news of size only, and it ends no wait
}

function permitChanged(state: VmState, event: VmEvent & { kind: "permit-changed" }): Result {
  const { sought, permit: before } = state;
  if (sought === null) return [state, []]; // it is about what was claimed before, and that is over
  if (event.answers !== sought.number) {
    // The node did not know of the last claim yet: it may take away at once, and gives by its answer.
    const permit = before === null ? null : least(before, event.permit);
    return [{ ...state, permit }, []];
  }
  const { isNodeFull, recall, verdict } = event;
  // More than was asked for is nobody's to take, and claiming to give it up would be answered by more.
  const { want, loanMilli } = sought;
  const permit = least(event.permit, {
    ...want,
    milliCpu: Math.max(want.milliCpu, loanMilli),
  });
  const believed = most(sought.permit ?? permit, permit);
  const next: VmState = {
    ...state,
    permit,
    isNodeFull,
    recall,
    verdict,
    sought: { ...sought, permit: believed },
    isPermitPending: false,
    isPermitLate: false,
  };
  const actions: VmAction[] = [];
  if (isNodeFull && !state.isNodeFull) {
    const why = verdict === null ? "" : ` ${verdict.text}`;
    const text = `The node permits ${sayCpu(permit.milliCpu)}, ${sayMem(permit.memBytes)}; the rest waits.`;
    const data = { ...permit, rule: verdict?.rule ?? null };
    actions.push(note("node-full", `${text}${why}`, data));
  }
  if (recall !== null && state.recall === null) {
    const text = `The node asks back all above ${sayCpu(recall.milliCpu)}, ${sayMem(recall.memBytes)}.`;
    actions.push(note("recalled", text, { ...recall }));
  }
  return [next, actions];
}
