// Records what the link said: that it came or went, and what the monitor wishes.
import { INITIAL_OVERRIDES, upscaleRequested } from "../legacy/overrides.ts";
import { downscaleAnswered } from "./absorb-answer.ts";
import { actualOf } from "./actual.ts";
import { note, warning } from "./explain.ts";
import { levelAfter } from "./level.ts";
import { type LinkNews, type LinkStep } from "./link.ts";
import { countLimited } from "./message-limits.ts";
import { type MonoMs, type VmAction } from "./types.ts";
import { type VmState } from "./vm-state.ts";

type Result = readonly [VmState, readonly VmAction[]];

export function fromLink(before: VmState, step: LinkStep, now: MonoMs): Result {
  const buckets = step.link.kind === "down" ? before.buckets : step.link.buckets;
  let state: VmState = { ...before, link: step.link, buckets };
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
      // Who names sizes is asked about sizes; running out still means that nothing is taken (obstacle.ts).
      const isOfVersion1 = state.link.kind === "up" && state.link.version === 1;
      if (using === null || !isOfVersion1) return [state, []];
      const overrides = upscaleRequested(state.overrides, using, now);
      return [{ ...state, overrides }, [note("upscale-requested", "The monitor is running out.")]];
    }
    case "downscale-answered":
      return downscaleAnswered(state, news, now);
    case "nonsense":
      return [state, [warning("peer-mistake", news.problem)]];
    case "limited": {
      const limited = countLimited(state.limited, news.what);
      const text = `Too much ${news.what} from the monitor; what is above the limit is not acted on.`;
      const say = news.isNews ? [warning("messages-limited", text, { what: news.what })] : [];
      return [{ ...state, limited }, say];
    }
    default:
      return news satisfies never;
  }
}

/** Everything that was true of the connection only; what the guest uses by advice too. */
export function forgetLink(state: VmState): VmState {
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
  const { target, reason, floor, ageMs } = news.wish;
  const actions: VmAction[] = [];
  if (target.milliCpu === null || target.memBytes === null) {
    const what = target.milliCpu === null ? "CPU" : "memory";
    actions.push(warning("wish-refused", `The monitor named a ${what} size that no VM can have.`));
  }
  const level = levelAfter(state, target);
  if (level === null) return [{ ...state, answerDue: news.wish }, actions];
  return [
    { ...state, level: { reason, floor, at: now, ageMs, ...level }, answerDue: news.wish },
    actions,
  ];
}
