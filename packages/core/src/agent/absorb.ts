// Records what an event taught us. Decides nothing: no move begins here.
import { offeredRange, type Size } from "@selfscale/protocol";
import { downscaleDenied, INITIAL_OVERRIDES, upscaleRequested } from "../legacy/overrides.ts";
import { actualOf } from "./actual.ts";
import { note, sayCpu, sayMem, warning } from "./explain.ts";
import {
  LINK_DOWN,
  openLink,
  receiveFrame,
  tickLink,
  type DownscaleAnswer,
  type LinkNews,
  type LinkStep,
} from "./link.ts";
import { fellShort } from "./pace.ts";
import { inspect } from "./inspect.ts";
import { type HypervisorFacts, type MonoMs, type VmAction, type VmEvent } from "./types.ts";
import { noteAnswered, noteLooked } from "./told.ts";
import { initialPace, initialVm, NOTHING_TOLD, type VmState } from "./vm-state.ts";
import { holdOf } from "./want.ts";

type Result = readonly [VmState, readonly VmAction[]];

export function absorb(state: VmState, event: VmEvent, now: MonoMs): Result {
  switch (event.kind) {
    case "hypervisor-attached":
      return attached(state, event.facts, now);
    case "hypervisor-observed":
      return [observed(state, event.facts, now), []];
    case "hypervisor-lost":
      return hypervisorLost(state, event.problem);
    case "command-settled":
      return commandSettled(state, event, now);
    case "link-opened": {
      const offered = offeredRange(state.spec.protocolMax);
      return fromLink(state, openLink(event.link, offered, now, state.timers), now);
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
      return [{ ...state, metrics: event.metrics, metricsAt: now }, []];
    case "permit-changed":
      return permitChanged(state, event.permit, event.isNodeFull);
    case "bounds-changed":
      return [
        { ...state, spec: { ...state.spec, bounds: event.bounds } },
        [note("bounds-changed", "The operator changed the bounds.")],
      ];
    case "tick":
      return fromLink(state, tickLink(state.link, now, state.timers), now);
    default:
      return event satisfies never;
  }
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
    const fresh = initialVm(state.spec, state.timers, state.sliceBytes);
    // Ids and the node's promise outlive it: a late answer must not meet a new attempt's number.
    state = { ...fresh, attempts: state.attempts, sought: state.sought, permit: state.permit };
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
  return [observed(ready, facts, now), actions];
}

function observed(state: VmState, facts: HypervisorFacts, now: MonoMs): VmState {
  return { ...noteLooked(state), facts, observedAt: now, observeAskedAt: null };
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
    const pace = fellShort(state.memoryPace, direction, problem, now, state.timers);
    const memoryPace = memory.kind === "growing" ? { ...pace, triedTo: memory.toBytes } : pace;
    return [{ ...asked, memory: { kind: "idle" }, memoryPace }, [say, observe]];
  }
  if ("attempt" in cpu && cpu.attempt === event.attempt) {
    const direction = cpu.kind === "growing" ? "growth" : "shrink";
    const cpuPace = fellShort(state.cpuPace, direction, problem, now, state.timers);
    return [{ ...asked, cpu: { kind: "idle" }, cpuPace }, [say, observe]];
  }
  return [asked, [observe]]; // late: news of size only, and it ends no wait
}

function permitChanged(state: VmState, permit: Size, isNodeFull: boolean): Result {
  const isNews = isNodeFull && !state.isNodeFull;
  const next: VmState = { ...state, permit, isNodeFull, isPermitPending: false };
  if (!isNews) return [next, []];
  const text = `The node permits ${sayCpu(permit.milliCpu)}, ${sayMem(permit.memBytes)}; the rest waits.`;
  return [next, [note("node-full", text, { ...permit })]];
}

function fromLink(before: VmState, step: LinkStep, now: MonoMs): Result {
  let state: VmState = { ...before, link: step.link };
  const actions: VmAction[] = [...step.actions];
  for (const news of step.news) {
    const [next, more] = heard(state, news, now);
    state = next;
    actions.push(...more);
  }
  return [state, actions];
}

function heard(state: VmState, news: LinkNews, now: MonoMs): Result {
  switch (news.kind) {
    case "link-ready":
      return [
        { ...forgetLink(state), monitorMemBytes: news.memBytes, linkProblem: null },
        [note("link-up", `The monitor speaks version ${news.version}.`, { version: news.version })],
      ];
    case "link-lost":
      return [
        { ...forgetLink(state), linkProblem: news.problem },
        [note("link-down", `${news.problem}; the size is held.`)],
      ];
    case "scale-requested":
      return scaleRequested(state, news, now);
    case "upscale-requested": {
      const using = state.facts === null ? null : actualOf(state.facts);
      if (using === null || state.mode === "compute-controlled") return [state, []];
      const overrides = upscaleRequested(state.overrides, using, now);
      return [{ ...state, overrides }, [note("upscale-requested", "The monitor is running out.")]];
    }
    case "downscale-answered":
      return downscaleAnswered(state, news, now);
    case "nonsense":
      return [state, [warning("peer-mistake", news.problem)]];
    default:
      return news satisfies never;
  }
}

/** Everything that was true of the connection only; what the guest uses by advice too. */
function forgetLink(state: VmState): VmState {
  return {
    ...state,
    advisedMilli: null,
    identity: "unknown",
    monitorMemBytes: null,
    level: null,
    answerDue: null,
    metrics: null,
    overrides: INITIAL_OVERRIDES,
    blind: null,
    notified: null,
    reported: null,
  };
}

function scaleRequested(
  state: VmState,
  news: LinkNews & { kind: "scale-requested" },
  now: MonoMs,
): Result {
  const { target, reason, ageMs } = news.wish;
  const actions: VmAction[] = [];
  if (target.milliCpu === null || target.memBytes === null) {
    const what = target.milliCpu === null ? "CPU" : "memory";
    actions.push(warning("wish-refused", `The monitor named a ${what} size that no VM can have.`));
  }
  const isRefused = target.milliCpu === null && target.memBytes === null;
  const before = state.level?.size ?? (state.facts === null ? null : holdOf(state, state.facts));
  const isHalf = target.milliCpu === null || target.memBytes === null;
  if (isRefused || (isHalf && before === null)) {
    return [{ ...state, answerDue: news.wish }, actions];
  }
  // A refused resource leaves its level as it was; without one, the VM keeps what it holds.
  const size: Size = {
    milliCpu: target.milliCpu ?? before?.milliCpu ?? 0,
    memBytes: target.memBytes ?? before?.memBytes ?? 0,
  };
  return [{ ...state, level: { size, reason, at: now, ageMs }, answerDue: news.wish }, actions];
}

function downscaleAnswered(
  state: VmState,
  news: LinkNews & { kind: "downscale-answered" },
  now: MonoMs,
): Result {
  const { memory, cpu } = state;
  const { ask, answer } = news;
  if (memory.kind === "asking" && memory.ask === ask) {
    const what = `memory ${sayMem(memory.toBytes)}`;
    if (answer.kind === "agreed") {
      const agreed = { kind: "agreed", ask, toBytes: memory.toBytes, since: now } as const;
      return [{ ...state, memory: agreed }, [sayAgreed(what, ask)]];
    }
    const lowest = memory.isLowest ? null : lowestOf(answer);
    const denied = wanted(state, { memBytes: memory.toBytes });
    const { problem, say } = sayRefused(what, ask, answer);
    const pace = fellShort(
      state.memoryPace,
      "shrink",
      problem,
      now,
      state.timers,
      lowest?.memBytes,
    );
    const refused = deny(state, answer, denied, now);
    return [{ ...refused, memory: { kind: "idle" }, memoryPace: pace }, [say]];
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
    const pace = fellShort(state.cpuPace, "shrink", problem, now, state.timers, lowest?.milliCpu);
    const refused = deny(state, answer, denied, now);
    return [{ ...refused, cpu: { kind: "idle" }, cpuPace: pace }, [say]];
  }
  return [state, []]; // the question no longer stands
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
