import {
  AGENT_TIMERS,
  initialVm,
  type HypervisorFacts,
  type VmAction,
  type VmEvent,
  type VmState,
} from "@selfscale/core";
import { beforeEach, expect, test } from "vitest";
import { size, vmConfig } from "../testing/fleet.ts";
import { MIB } from "../testing/qemu.ts";
import { type AnsweredResource, type Observer, type TimedStep } from "./observer.ts";
import { VmWatch } from "./vm-watch.ts";

const { spec } = vmConfig({ name: "pg-1", socket: "/nowhere", url: "ws://127.0.0.1:1/" });
const START = initialVm(spec, AGENT_TIMERS, 256 * MIB);
const TICK: VmEvent = { kind: "tick" };

const FACTS: HypervisorFacts = {
  process: "a",
  uuid: null,
  runState: "running",
  baseMemBytes: 128 * MIB,
  memoryDevice: { sizeBytes: 0, requestedBytes: 256 * MIB, maxBytes: 1024 * MIB, blockBytes: 1 },
  vcpusPlugged: 1,
  vcpusMax: 4,
  quotaMilliCpu: 1000,
  cpuUsedMilli: null,
  throttledShare: null,
};

let took: [TimedStep, number][] = [];
let answers: AnsweredResource[] = [];
const observer: Observer = {
  took: (step, ms) => {
    if (step !== "core-step") took.push([step, ms]);
  },
  noted: () => undefined,
  answered: ({ cpu, mem }) => answers.push(cpu, mem),
};
beforeEach(() => {
  took = [];
  answers = [];
});

/** Plays steps: each says what the machine's state became, what happened and what it did. */
function play(
  steps: readonly Readonly<{
    at: number;
    event?: VmEvent;
    state?: Partial<VmState>;
    actions?: readonly VmAction[];
  }>[],
  start: Partial<VmState> = {},
): VmWatch {
  const watch = new VmWatch(observer);
  let state: VmState = { ...START, facts: FACTS, ...start };
  for (const { at, event = TICK, state: changes = {}, actions = [] } of steps) {
    const after = { ...state, ...changes };
    watch.stepped({ now: at, event, actions }, state, after, 0);
    state = after;
  }
  return watch;
}

const frame = (text: string): VmEvent => ({ kind: "frame-received", link: 1, text });
const settled = (attempt: number, outcome: "done" | "lost" = "done"): VmEvent => ({
  kind: "command-settled",
  attempt,
  outcome,
  problem: null,
});
const setMemory = (attempt: number, requestedBytes = 512 * MIB): VmAction => ({
  kind: "set-memory",
  attempt,
  requestedBytes,
});
const WISH = frame('{"type":"ScaleRequest","target":{"cpu":1,"mem":1},"id":3}');
const ANSWER: VmAction = {
  kind: "send-frame",
  link: 1,
  text: '{"content":{"outcome":"deferred","resources":{"cpu":{"outcome":"accepted"},"mem":{"outcome":"deferred","reason":"node-full"}},"permit":{"cpu":1,"mem":1}},"type":"ScaleResponse","id":3}',
};

test("a wish is timed to its answer, the newest wish to the one answer", () => {
  play([
    { at: 10, event: WISH },
    { at: 30, event: WISH },
    { at: 35, actions: [ANSWER] },
    { at: 90, actions: [ANSWER] },
  ]);
  expect(took).toEqual([["wish-to-answer", 5]]);
  expect(answers.slice(0, 2)).toEqual([
    { outcome: "accepted" },
    { outcome: "deferred", reason: "node-full" },
  ]);
});

test("a wish whose link ended is answered to nobody", () => {
  play([
    { at: 10, event: WISH },
    { at: 20, event: { kind: "link-closed", link: 1, problem: "gone" } },
    { at: 90, actions: [ANSWER] },
  ]);
  expect(took).toEqual([]);
});

test.for<{ name: string; action: VmAction; isGrowth: boolean }>([
  { name: "more memory", action: setMemory(1), isGrowth: true },
  { name: "less memory", action: setMemory(1, 0), isGrowth: false },
  { name: "more CPU", action: { kind: "set-quota", attempt: 1, milliCpu: 2000 }, isGrowth: true },
  { name: "less CPU", action: { kind: "set-quota", attempt: 1, milliCpu: 250 }, isGrowth: false },
  { name: "a vCPU", action: { kind: "plug-cpu", attempt: 1, vcpus: 2 }, isGrowth: true },
])("a rising wish ends in a command for more: $name", ({ action, isGrowth }) => {
  play(
    [
      { at: 10, state: { want: size(1, 256) } },
      { at: 20, state: { want: size(2, 512) } },
      { at: 50, state: { want: size(2, 512) } }, // decided anew, to the same
      { at: 60, actions: [action] },
      { at: 70, actions: [action] },
    ],
    { want: size(1, 128) },
  );
  expect(took).toEqual(isGrowth ? [["wish-to-command", 40]] : []);
});

test("a wish that fell again is no growth that waits", () => {
  play(
    [
      { at: 10, state: { want: size(2, 512) } },
      { at: 20, state: { want: size(1, 128) } },
      { at: 60, actions: [setMemory(1)] },
    ],
    { want: size(1, 128) },
  );
  expect(took).toEqual([]);
});

test("a command is timed by its attempt, and only when it was taken", () => {
  play([
    { at: 10, actions: [setMemory(1)] },
    { at: 20, actions: [setMemory(2)] },
    { at: 30, event: settled(2) },
    { at: 40, event: settled(1, "lost") },
    { at: 50, event: settled(1) },
    { at: 60, event: settled(7) },
  ]);
  expect(took).toEqual([["command-to-done", 10]]);
});

test("commands to a lost QEMU are nobody's, however late their answers", () => {
  const watch = play([
    { at: 5, event: { kind: "hypervisor-attached", facts: FACTS } },
    { at: 10, actions: [setMemory(1)] },
    { at: 20, event: { kind: "hypervisor-lost", problem: "gone" } },
    { at: 50, event: settled(1) },
  ]);
  expect(took).toEqual([]);
  expect([watch.sight, watch.isAttached]).toEqual(["seen", false]);
});

test("growth that came into being, per resource, each time it does", () => {
  play([
    { at: 10, state: { lastGrowthMs: { cpu: 40, mem: null } } },
    { at: 20, state: { lastGrowthMs: { cpu: 40, mem: 300 } } },
    { at: 30 },
    { at: 40, state: { lastGrowthMs: { cpu: 41, mem: 300 } } },
  ]);
  expect(took).toEqual([
    ["growth-to-actual-cpu", 40],
    ["growth-to-actual-mem", 300],
    ["growth-to-actual-cpu", 41],
  ]);
});

const slice = (attempt: number, progressAt = 0): VmState["memory"] => ({
  kind: "shrinking",
  ...{ attempt, fromBytes: 2, toBytes: 1, lowestBytes: 2, progressAt, until: 99 },
});

test("a slice lasts until it is idle, settling, or the next one", () => {
  play([
    { at: 10, state: { memory: slice(1) } },
    { at: 20, state: { memory: slice(1, 20) } },
    { at: 40, state: { memory: { kind: "idle" } } },
    { at: 50, state: { memory: slice(2) } },
    { at: 55, state: { memory: { kind: "settling", attempt: 3, toBytes: 1, until: 99 } } },
    { at: 60, state: { memory: slice(4) } },
    { at: 67, state: { memory: slice(5) } },
  ]);
  expect(took).toEqual([
    ["unplug-slice", 30],
    ["unplug-slice", 5],
    ["unplug-slice", 7],
  ]);
});

function linkUp(...kinds: readonly ("HealthCheck" | "DownscaleRequest" | "UpscaleNotification")[]) {
  const pending = kinds.map((kind, index) => ({ id: 2 * index + 2, kind, sentAt: index }));
  return { kind: "up", pending } as unknown as VmState["link"];
}

test("what was asked is timed when a frame answers it, not when it is given up", () => {
  const asked = linkUp("HealthCheck", "DownscaleRequest", "UpscaleNotification");
  play(
    [
      { at: 10, event: frame("{}"), state: { link: linkUp("HealthCheck") } },
      { at: 20, state: { link: linkUp() } },
    ],
    { link: asked },
  );
  expect(took).toEqual([
    ["ask-to-consent", 9],
    ["notification-to-confirmation", 8],
  ]);
});

test("an observation is timed from its asking", () => {
  const observed: VmEvent = { kind: "hypervisor-observed", facts: FACTS };
  play([
    { at: 10, state: { observeAskedAt: 10 } },
    { at: 14, event: observed, state: { observeAskedAt: null } },
    { at: 20, event: observed },
  ]);
  expect(took).toEqual([["observe", 4]]);
});

test("a loop that begins anew has nothing under way", () => {
  const watch = new VmWatch(observer);
  const step = (now: number, event: VmEvent, actions: readonly VmAction[] = []) =>
    watch.stepped({ now, event, actions }, START, START, 0);
  step(10, WISH, [setMemory(1)]);
  watch.forget();
  step(50, settled(1), [ANSWER]);
  expect(took).toEqual([]);
});

test("absent is known until QEMU is seen, and does not undo it", () => {
  const watch = play([]);
  expect(watch.sight).toBe("not-yet");
  watch.knowAbsent();
  expect(watch.sight).toBe("absent");
  const attached: VmEvent = { kind: "hypervisor-attached", facts: FACTS };
  watch.stepped({ now: 1, event: attached, actions: [] }, START, START, 0);
  watch.knowAbsent();
  expect(watch.sight).toBe("seen");
});
