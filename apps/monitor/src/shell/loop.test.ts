// The loop against a scripted world: what is read when, and that events never overlap.
import {
  initialMonitor,
  initialShadow,
  MONITOR_DEFAULTS,
  type MonitorAction,
  type MonitorEvent,
  PRESETS,
  type Shadow,
} from "@selfscale/core";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MonitorLoop, type Witness } from "./loop.ts";
import { ShadowWatch } from "./shadow-watch.ts";

const memory = {
  totalBytes: 4e8,
  availableBytes: 3e8,
  cachedBytes: 0,
  swapTotalBytes: 0,
  swapFreeBytes: 0,
  anonBytes: 1e7,
  shmemBytes: 0,
  counters: null,
  somePressureMs: null,
  blocks: null,
};
const cpu = {
  busyMs: 0,
  runDelayMs: null,
  somePressureMs: null,
  runnable: 1,
  onlineCount: 1,
  presentCount: 1,
};

let reads: string[] = [];
let cpuReadAt: number[] = [];
let memoryReadAt: number[] = [];
let actions: MonitorAction[] = [];
let crash: { error: unknown; trace: readonly MonitorEvent[] } | null = null;
let loop: MonitorLoop;
let pausedMs = 0;

beforeEach(() => {
  vi.useFakeTimers();
  [reads, cpuReadAt, memoryReadAt] = [[], [], []];
  actions = [];
  crash = null;
  pausedMs = 0;
});
afterEach(() => {
  loop.stop();
  vi.useRealTimers();
});

function create(
  perform: (action: MonitorAction) => void = () => undefined,
  witnesses: readonly Witness[] = [],
): MonitorLoop {
  const now = () => performance.now() + pausedMs;
  const world = {
    now,
    readMemory: (_now: number, isFull: boolean) => {
      reads.push(isFull ? "memory, full" : "memory");
      memoryReadAt.push(now());
      return memory;
    },
    readCpu: () => {
      reads.push("cpu");
      cpuReadAt.push(now());
      return cpu;
    },
    perform: (action: MonitorAction) => {
      actions.push(action);
      perform(action);
    },
    crashed: (error: unknown, trace: readonly MonitorEvent[]) => (crash = { error, trace }),
  };
  const cadence = { memoryEveryMs: 100, cpuEveryMs: 200 };
  loop = new MonitorLoop(world, initialMonitor(MONITOR_DEFAULTS, now()), {
    cadence,
    log: pino({ level: "silent" }),
    witnesses,
  });
  return loop;
}

const count = (what: string) => reads.filter((read) => read === what).length;

test("reads memory every 100 ms and CPU every 200 ms", () => {
  create().start();
  expect(reads).toEqual(["memory", "cpu"]);
  vi.advanceTimersByTime(1000);
  expect([count("memory"), count("cpu")]).toEqual([11, 6]);
});

test("fed before it starts: it is woken no more often", () => {
  create().feed({ kind: "tick" });
  loop.start();
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(1000);
  expect([count("memory"), count("cpu"), vi.getTimerCount()]).toEqual([11, 6, 1]);
});

test("after a long pause it goes on from now, without catching up", () => {
  create().start();
  vi.advanceTimersByTime(1000);
  pausedMs = 60_000; // the clock went on, our timers did not: the VM was stopped
  reads = [];
  vi.advanceTimersByTime(1000);
  expect(count("memory")).toBe(10);
  expect(count("cpu")).toBe(6); // at once, and then on the grid
});

test.for([30, 60, 90, 130, 170, 60_030])(
  "after a pause of %i ms one wake-up still serves both",
  (ms) => {
    create().start();
    vi.advanceTimersByTime(500);
    pausedMs = ms;
    vi.advanceTimersByTime(400);
    [cpuReadAt, memoryReadAt] = [[], []];
    vi.advanceTimersByTime(1000);
    expect(cpuReadAt).toHaveLength(5);
    for (const at of cpuReadAt) expect(memoryReadAt).toContain(at);
  },
);

test("before a reservation it looks, and while one waits it looks more often, and at every frame", () => {
  create().start();
  vi.advanceTimersByTime(1_050);
  reads = [];
  loop.reserve({
    ...{ id: "a", door: "http", owner: "anna", reason: "", ifNotGranted: "fail" },
    ...{ memBytes: 2 ** 40, milliCpu: 0, waitUntil: performance.now() + 60_000, holdUntil: null },
  });
  expect(reads).toEqual(["memory, full", "cpu"]);
  reads = [];
  vi.advanceTimersByTime(1_000);
  expect(count("memory")).toBeGreaterThanOrEqual(39);
  expect(count("cpu")).toBe(5);
  loop.feed({ kind: "link-opened", link: 1, version: 2, features: [] });
  vi.advanceTimersByTime(3);
  reads = [];
  loop.onFrame(1, '{"content":{},"type":"HealthCheck","id":2}');
  expect(reads).toEqual(["memory, full", "cpu"]);
  loop.feed({ kind: "reservation-released", id: "a" });
  vi.advanceTimersByTime(200);
  reads = [];
  vi.advanceTimersByTime(1_000);
  expect(count("memory")).toBe(10);
});

test("a frame is preceded by a full look, unless there was one just now", () => {
  create().start();
  loop.feed({ kind: "link-opened", link: 1, version: 2, features: [] });
  vi.advanceTimersByTime(50);
  reads = [];
  loop.onFrame(1, '{"content":{},"type":"HealthCheck","id":2}');
  expect(reads).toEqual(["memory, full", "cpu"]);
  for (let i = 0; i < 1000; i++) loop.onFrame(1, '{"content":{},"type":"HealthCheck","id":4}');
  expect(reads).toEqual(["memory, full", "cpu"]);
  expect(actions.filter((action) => action.kind === "send-frame").length).toBeGreaterThanOrEqual(
    1001,
  );
});

test("an event that an action causes waits until the step is done", () => {
  let depth = 0;
  create((action) => {
    expect(depth).toBe(0);
    depth++;
    if (action.kind === "send-frame") loop.feed({ kind: "link-closed", link: 1, problem: "slow" });
    depth--;
  }).start();
  loop.feed({ kind: "link-opened", link: 1, version: 2, features: [] });
  loop.onFrame(1, '{"content":{},"type":"HealthCheck","id":2}');
  expect(crash).toBeNull();
  expect(loop.state.session).toBeNull();
});

test("a mistake of ours ends the loop once, with the events that led to it", () => {
  create((action) => {
    if (action.kind === "send-frame") throw new Error("bug");
  }).start();
  loop.feed({ kind: "link-opened", link: 1, version: 2, features: [] });
  loop.onFrame(1, '{"content":{},"type":"HealthCheck","id":2}');
  expect(crash?.error).toMatchObject({ message: "bug" });
  expect(crash?.trace.at(-1)).toMatchObject({ kind: "frame-received" });
  reads = [];
  vi.advanceTimersByTime(1000);
  loop.feed({ kind: "tick" });
  expect(reads).toEqual([]);
});

test("stopped is stopped", () => {
  create().start();
  loop.stop();
  reads = [];
  vi.advanceTimersByTime(1000);
  loop.feed({ kind: "tick" });
  expect(reads).toEqual([]);
});

test("a shadow changes nothing that is done, also when it makes a mistake", () => {
  const play = (witnesses: readonly Witness[]) => {
    create(() => undefined, witnesses).start();
    vi.advanceTimersByTime(5_000);
    loop.feed({ kind: "link-opened", link: 1, version: 2, features: [] });
    vi.advanceTimersByTime(5_000);
    loop.stop();
    const done = actions;
    actions = [];
    return { done, state: loop.state };
  };
  const watch = (initial: Shadow) =>
    new ShadowWatch({
      ...{ preset: "demo", initial, onDifference: () => undefined },
      log: pino({ level: "silent" }),
    });
  const config = { ...MONITOR_DEFAULTS, policy: PRESETS.demo };
  // A new test clock each time, so that both begin at the same moment.
  const startAnew = () => vi.useFakeTimers({ now: 0 });
  startAnew();
  const alone = play([]);
  const sound = watch(initialShadow(config, 0));
  const broken = watch({ ...initialShadow(config, 0), monitor: {} as Shadow["monitor"] });
  startAnew();
  const beside = play([sound, broken].map((one) => one.observe.bind(one)));
  expect(beside.done).toEqual(alone.done);
  expect(beside.done.length).toBeGreaterThan(0);
  expect(beside.state.desired).toEqual(alone.state.desired);
  expect(sound.status(performance.now())?.levels).not.toBeNull();
  expect(broken.status(performance.now())).toBeNull();
  expect(crash).toBeNull();
});
