// Why a VM has the size it has, for the operator who asks: what it wants and why, what binds, and what would change it.
import { type AgentReason, type Size } from "@selfscale/protocol";
import { type Verdict } from "../node/types.ts";
import { actualOf } from "./actual.ts";
import { sayCpu, sayMem, sayMs } from "./explain.ts";
import { gridOf } from "./grid.ts";
import { permitOf, reasonOf } from "./report.ts";
import { shrinkObstacle } from "./target.ts";
import { type HypervisorFacts, type MonoMs } from "./types.ts";
import { type Tries, type VmState } from "./vm-state.ts";

/** Sentences for people. Sizes in them are vCPUs and MiB. */
export type VmExplanation = Readonly<{
  vm: string;
  /** What it should have and what it has. */
  ladder: string;
  /** Who wants that, and why. */
  wants: readonly string[];
  /** The reason that binds most, as in `status`; null while simply on its way. */
  reason: AgentReason | null;
  binds: string;
  /** The node's rule; null where the node did not decide. */
  rule: string | null;
  /** What would change its size. Empty when nothing is missing. */
  changes: readonly string[];
}>;

/** Pure: the same state at the same instant is explained alike. */
export function explainVm(state: VmState, now: MonoMs): VmExplanation {
  const { facts, verdict } = state;
  const vm = state.spec.name;
  const wants = wantsOf(state, now);
  if (facts === null) {
    const problem = state.hypervisorProblem ?? "nothing was read yet";
    const ladder = "Nothing is known of its size.";
    const changes = ["QEMU must answer on its QMP socket"];
    return { vm, ladder, wants, reason: "stuck", binds: `QEMU: ${problem}.`, rule: null, changes };
  }
  const reason = reasonOf(state, facts);
  const want = state.want ?? actualOf(facts);
  const { binds, changes } = BINDING[reason ?? "on-its-way"]({ state, facts, want, now, verdict });
  return {
    vm,
    ladder: `Should have ${saySize(want)}; has ${saySize(actualOf(facts))}.`,
    wants,
    reason,
    binds,
    rule: reason === "node-full" && verdict !== null ? `${verdict.rule}: ${verdict.text}` : null,
    changes,
  };
}

function wantsOf(state: VmState, now: MonoMs): string[] {
  const { level, mode, operatorFloor, blind } = state;
  const said: string[] = [];
  if (mode === "compute-controlled" && level !== null) {
    const why = level.reason ?? "no reason given";
    said.push(
      `Its monitor wants ${saySize(level.size)} (${why}), for ${sayMs(now - level.at)} now.`,
    );
  } else if (mode === "metrics-based") {
    said.push(`Its metrics ask for ${state.legacyGoal ?? "no"} compute units.`);
  } else said.push(`Nobody decides its size: ${whyHeld(state)}. It keeps what it has.`);
  if (operatorFloor !== null) {
    const left = sayMs(operatorFloor.until - now);
    said.push(`The operator wants at least ${saySize(operatorFloor.size)}, for ${left} more.`);
  }
  if (blind !== null)
    said.push(`Its monitor is mute: ${sayMem(blind.memBytes)} without being asked.`);
  return said;
}

function whyHeld({ link, linkProblem, spec, mode }: VmState): string {
  if (link.kind === "down") return `no monitor is connected (${linkProblem ?? "not yet"})`;
  if (link.kind === "greeting") return "its monitor has not answered the handshake yet";
  if (link.version >= 2) {
    return mode === "held" ? "its monitor named no size" : "its monitor has named no size yet";
  }
  return spec.hasMetrics
    ? "its monitor speaks version 1, and its metrics do not decide yet"
    : "its monitor speaks version 1, and no metrics are configured";
}

type Case = Readonly<{
  state: VmState;
  facts: HypervisorFacts;
  want: Size;
  now: MonoMs;
  verdict: Verdict | null;
}>;
type Binding = Readonly<{ binds: string; changes: readonly string[] }>;

const BINDING: Readonly<Record<AgentReason | "on-its-way", (given: Case) => Binding>> = {
  met: () => ({ binds: "Nothing: it has what it should have.", changes: [] }),
  bounds: ({ state, want }) => {
    const { max } = state.spec.bounds;
    const level = state.level?.size ?? want;
    const changes: string[] = [];
    if (level.memBytes > want.memBytes) {
      changes.push(`raise bounds.max.mem (${sayMem(max.memBytes)}) to ${sayMem(level.memBytes)}`);
    }
    if (level.milliCpu > want.milliCpu) {
      changes.push(`raise bounds.max.cpu (${sayCpu(max.milliCpu)}) to ${sayCpu(level.milliCpu)}`);
    }
    return { binds: `Its bounds end at ${saySize(max)}.`, changes };
  },
  grid: ({ state, facts }) => {
    const { cpuStepMilli, memStepBytes } = gridOf(facts, state.spec.hasQuota);
    const steps = `${sayCpu(cpuStepMilli)} and ${sayMem(memStepBytes)}`;
    return { binds: `Its sizes are whole steps of ${steps}.`, changes: [] };
  },
  "node-full": nodeFull,
  "no-cpu-quota": ({ facts, state }) => ({
    binds:
      `Without a cgroup a smaller CPU is advice: the guest uses ${sayCpu(state.advisedMilli ?? 0)} ` +
      `of ${facts.vcpusPlugged} plugged vCPUs.`,
    changes: ["start QEMU in a cgroup and name it as `cgroup`"],
  }),
  "no-memory-device": ({ facts }) => ({
    binds: `Its memory is fixed at ${sayMem(actualOf(facts).memBytes)}: QEMU has no virtio-mem device.`,
    changes: ["start QEMU with a virtio-mem device"],
  }),
  "above-max": ({ state, facts, now }) => ({
    binds:
      `It has ${sayMem(actualOf(facts).memBytes)}, above bounds.max.mem ` +
      `(${sayMem(state.spec.bounds.max.memBytes)}), and shrinks only as its monitor agrees.`,
    changes: [...consentNeeded(state, state.memoryPace.shrink, now), "raise bounds.max.mem"],
  }),
  paused: ({ state, facts, now }) => {
    if (state.operatorPaused === null) {
      const binds = `QEMU does not run (${facts.runState}): nothing is resized until it does.`;
      return { binds, changes: ["let QEMU run on"] };
    }
    const { until } = state.operatorPaused;
    const end = until === null ? [] : [`wait ${sayMs(until - now)}, then the pause is over`];
    return {
      binds: "The operator holds its size.",
      changes: [`selfscale-agent resume ${state.spec.name}`, ...end],
    };
  },
  stuck,
  "on-its-way": onItsWay,
};

function nodeFull({ state, facts, want, verdict }: Case): Binding {
  const permit = permitOf(state, facts);
  const missing = {
    milliCpu: Math.max(0, want.milliCpu - permit.milliCpu),
    memBytes: Math.max(0, want.memBytes - permit.memBytes),
  };
  const binds = `The node permits ${saySize(permit)}; ${sayPart(missing)} wait.`;
  const above = (verdict?.holders ?? [])
    .map(({ vm, held, share }) => ({
      vm,
      milliCpu: missing.milliCpu > 0 ? held.milliCpu - share.milliCpu : 0,
      memBytes: missing.memBytes > 0 ? held.memBytes - share.memBytes : 0,
    }))
    .filter(
      ({ vm, milliCpu, memBytes }) => vm !== state.spec.name && (milliCpu > 0 || memBytes > 0),
    )
    .map(({ vm, ...over }) => `${vm} gives back ${sayPart(over)}`);
  const others = above.length > 0 ? above : [`other VMs give back ${sayPart(missing)}`];
  return { binds, changes: [...others, `raise the node's capacity by ${sayPart(missing)}`] };
}

function stuck({ state, facts, now }: Case): Binding {
  const { hypervisorProblem, refusal, memoryPace, cpuPace } = state;
  if (hypervisorProblem !== null) {
    return {
      binds: `QEMU can't be told anything: ${hypervisorProblem}.`,
      changes: ["QEMU must answer on its QMP socket; it is tried again and again"],
    };
  }
  if (refusal !== null) {
    return {
      binds: `It is not managed: ${refusal}.`,
      changes: ["correct its bounds, or its QEMU"],
    };
  }
  if (state.identity === "mismatched") {
    return {
      binds: `The monitor that answers lives in another VM, not in ${facts.uuid ?? "this one"}.`,
      changes: ["correct `monitor` or `qmp` in the configuration"],
    };
  }
  const failing = [memoryPace.growth, cpuPace.growth].filter(({ failures }) => failures > 0);
  return {
    binds: `Growing fell short: ${failing.map(({ problem }) => problem ?? "").join("; ")}.`,
    changes: failing.map((tries) => `another try (${whenNext(tries, now)})`),
  };
}

function onItsWay({ state, facts, want, now }: Case): Binding {
  const actual = actualOf(facts);
  const moving = [state.memory.kind, state.cpu.kind].filter((kind) => kind !== "idle");
  const isLess = want.memBytes < actual.memBytes || want.milliCpu < actual.milliCpu;
  if (moving.length > 0 && !moving.includes("asking")) {
    return { binds: `Nothing: it is ${moving.join(" and ")} now.`, changes: ["a moment"] };
  }
  if (!isLess) {
    const binds = "Nothing: growth begins once the node and QEMU have answered.";
    return { binds, changes: ["a moment"] };
  }
  const pace = want.memBytes < actual.memBytes ? state.memoryPace : state.cpuPace;
  return {
    binds: "Nothing is taken from a VM that its monitor does not agree to.",
    changes: consentNeeded(state, pace.shrink, now),
  };
}

/** "the monitor must agree; refused 3 times, asked again in 12 s" */
function consentNeeded(state: VmState, tries: Tries, now: MonoMs): string[] {
  const obstacle = shrinkObstacle(state);
  if (obstacle !== null) return [`a monitor must agree, and there is an obstacle: ${obstacle}`];
  if (tries.failures === 0) return ["the monitor must agree"];
  const times = tries.failures === 1 ? "once" : `${tries.failures} times`;
  return [
    `the monitor must agree; asked ${times} in vain (${tries.problem ?? "no answer"}), ` +
      whenNext(tries, now),
  ];
}

function whenNext({ retryAt }: Tries, now: MonoMs): string {
  return retryAt > now ? `next in ${sayMs(retryAt - now)}` : "next at once";
}

function saySize({ milliCpu, memBytes }: Size): string {
  return `${sayCpu(milliCpu)}, ${sayMem(memBytes)}`;
}

/** Only what there is of it. */
function sayPart({ milliCpu, memBytes }: Size): string {
  const parts = [
    ...(milliCpu > 0 ? [sayCpu(milliCpu)] : []),
    ...(memBytes > 0 ? [sayMem(memBytes)] : []),
  ];
  return parts.length === 0 ? "nothing" : parts.join(" and ");
}
