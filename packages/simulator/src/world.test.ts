// Seeded worlds: nothing breaks in any of them. And the proof that it would be seen: each watcher is given something to see.
import { type VmAction } from "@selfscale/core";
import { describe, expect, test } from "vitest";
import { FAILED_SEEDS } from "./failed-seeds.ts";
import { type Sabotage } from "./outcome.ts";
import { FAULT_KINDS } from "./story/faults.ts";
import { readStory } from "./story/read-story.ts";
import { shrink } from "./story/shrink.ts";
import { storyOf } from "./story/story-of.ts";
import { type Story } from "./story/story.ts";
import { tellStory } from "./story/tell.ts";
import { MIB } from "./units.ts";
import { runWorld } from "./world.ts";

const SEEDS = 500;
/** `make mutants` plays fewer, again and again. */
const PLAYED = Number(process.env["WORLDS"] ?? SEEDS);
const PER_TEST = 25;
/** For a machine that does much else; a world takes a tenth of a second or so. */
const PATIENT_MS = 240_000;

function problemsOf(seeds: readonly number[]): string[] {
  return seeds.flatMap((seed) => {
    const { problem } = runWorld(storyOf(seed));
    if (problem === null) return [];
    const { invariant, what } = problem;
    return [`selfscale-lab world --seed ${seed}: invariant ${invariant}: ${what}`];
  });
}

describe("nothing breaks", () => {
  const starts = Array.from({ length: PLAYED / PER_TEST }, (_, index) => 1 + index * PER_TEST);
  test.for(starts)("in the worlds from seed %i", { timeout: PATIENT_MS }, (start) => {
    const seeds = Array.from({ length: PER_TEST }, (_, index) => start + index);
    expect(problemsOf(seeds)).toEqual([]);
  });

  test("in the worlds that once found something", { timeout: PATIENT_MS }, () => {
    expect(problemsOf(FAILED_SEEDS.map(({ seed }) => seed))).toEqual([]);
  });
});

test("the same story ends the same way, event for event", { timeout: PATIENT_MS }, () => {
  for (const seed of [3, 4, 5]) {
    expect(runWorld(storyOf(seed))).toEqual(runWorld(storyOf(seed)));
  }
  expect(runWorld(storyOf(3)).digest).not.toBe(runWorld(storyOf(4)).digest);
});

test("every fault there is happens in some world", () => {
  const seeds = Array.from({ length: SEEDS }, (_, index) => storyOf(index + 1));
  const drawn = new Set(seeds.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  expect(FAULT_KINDS.filter((kind) => !drawn.has(kind))).toEqual([]);
});

/** Three VMs that need more, then less, on a node with room for all; nothing goes wrong by itself. */
const CALM: Story = {
  seed: 1,
  node: {
    milliCpu: 12_000,
    mib: 8_192,
    overheadMib: 0,
    reserveMilli: 0,
    reserveMib: 0,
    emergencyMilli: 0,
    emergencyMib: 0,
  },
  vms: [0, 1, 2].map(() => ({
    minMilli: 1_000,
    maxMilli: 4_000,
    minMib: 512,
    maxMib: 2_560,
    baseMib: 512,
    deviceMib: 2_048,
    blockMib: 2,
    vcpus: 1,
    vcpusMax: 4,
    hasQuota: true,
    hasMetrics: false,
    hasUuid: true,
    agentMax: 2,
    monitorMax: 2,
    preset: "demo",
    isProbing: false,
    swapMib: 0,
    isOnlinedByMonitor: false,
    weight: 1,
    priority: 0,
  })),
  memoryEveryMs: 250,
  cpuEveryMs: 250,
  patience: "short",
  demands: [0, 1, 2].flatMap((vm) => [
    { at: 0, vm, milliCpu: 2_500, anonMib: 1_100, cacheMib: 20 },
    { at: 20_000, vm, milliCpu: 1_300, anonMib: 200, cacheMib: 20 },
    { at: 60_000, vm, milliCpu: 2_000, anonMib: 700, cacheMib: 20 },
  ]),
  faults: [],
  hostileMs: 60_000,
  healthyMs: 90_000,
};

test("a calm world is calm, and moves", () => {
  const { problem, counts } = runWorld(CALM);
  expect(problem).toBeNull();
  expect(counts.commands).toBeGreaterThan(20);
});

/** Remembers what was told last, to tell when something is taken. */
function onShrink(change: (action: VmAction & { kind: "set-memory" }) => VmAction[]) {
  const last = new Map<number, number>();
  return (vm: number, actions: readonly VmAction[]): readonly VmAction[] =>
    actions.flatMap((action) => {
      if (action.kind !== "set-memory") return [action];
      const isShrink = action.requestedBytes < (last.get(vm) ?? 0);
      last.set(vm, action.requestedBytes);
      return isShrink ? change(action) : [action];
    });
}

const SABOTAGES: readonly (readonly [number, string, Sabotage])[] = [
  [
    0,
    "the core throws",
    {
      agent: () => {
        throw new Error("a mistake of ours");
      },
    },
  ],
  [
    1,
    "a VM is told more than anybody wished",
    {
      agent: (_vm, actions) =>
        actions.map((action) =>
          action.kind === "set-memory" ? { ...action, requestedBytes: 2_048 * MIB } : action,
        ),
    },
  ],
  [
    1,
    "a quota lies between two steps",
    {
      agent: (_vm, actions) =>
        actions.map((action) =>
          action.kind === "set-quota" ? { ...action, milliCpu: action.milliCpu + 1 } : action,
        ),
    },
  ],
  [
    2,
    "the node promises more than it has",
    {
      node: (changes) =>
        changes.map((change) => {
          const { milliCpu, memBytes } = change.permit;
          return { ...change, permit: { milliCpu, memBytes: 8 * memBytes } };
        }),
    },
  ],
  [
    3,
    "more than a slice is taken at once",
    {
      agent: onShrink((action) => [
        { ...action, requestedBytes: Math.max(0, action.requestedBytes - 512 * MIB) },
      ]),
    },
  ],
  [
    3,
    "a slice is taken before the monitor has answered",
    {
      agent: (_vm, actions) =>
        actions.flatMap((action): VmAction[] => {
          if (action.kind !== "send-frame" || !action.text.includes('"DownscaleRequest"')) {
            return [action];
          }
          const note = { level: "info", reason: "resize-begun", message: "taken" } as const;
          const mem = Number(/"mem":(\d+)/.exec(action.text)?.[1]) - 640 * MIB;
          const set = { kind: "set-memory", attempt: 9_999, requestedBytes: mem } as const;
          return [action, { kind: "explain", note }, set];
        }),
    },
  ],
  [
    4,
    "memory is notified that is not there",
    {
      agent: (_vm, actions) =>
        actions.map((action) => {
          if (action.kind !== "send-frame" || !action.text.includes('"UpscaleNotification"')) {
            return action;
          }
          return { ...action, text: action.text.replace(/"mem":\d+/, '"mem":99999999999') };
        }),
    },
  ],
  [
    5,
    "two attempts take at the same time",
    {
      agent: onShrink((action) => {
        const note = { level: "info", reason: "resize-begun", message: "again" } as const;
        return [action, { kind: "explain", note }, { ...action, attempt: action.attempt + 1 }];
      }),
    },
  ],
  [
    6,
    "nothing ever grows",
    { agent: (_vm, actions) => actions.filter(({ kind }) => kind !== "set-memory") },
  ],
  [
    7,
    "a monitor asks for less before it can know",
    {
      monitor: (_vm, actions) =>
        actions.map((action) => {
          if (action.kind !== "send-frame" || !action.text.includes('"ScaleRequest"'))
            return action;
          return { ...action, text: action.text.replace(/"mem":\d+/, '"mem":1') };
        }),
    },
  ],
  [
    8,
    "each frame is said a thousand times",
    {
      agent: (_vm, actions) =>
        actions.flatMap((action) =>
          action.kind === "send-frame" && action.text.includes('"HealthCheck"')
            ? Array.from({ length: 1_000 }, () => action)
            : [action],
        ),
    },
  ],
  [
    9,
    "sizes are told without a word",
    { agent: (_vm, actions) => actions.filter(({ kind }) => kind !== "explain") },
  ],
  [
    9,
    "a level is stated that nobody decided",
    {
      monitor: (_vm, actions) =>
        actions.map((action) => {
          if (action.kind !== "send-frame" || !action.text.includes('"ScaleRequest"'))
            return action;
          return { ...action, text: action.text.replace(/"cpu":[\d.]+/, '"cpu":3.25') };
        }),
    },
  ],
  [
    10,
    "nobody is asked back what is above its share",
    { node: (changes) => changes.map((change) => ({ ...change, recall: null })) },
  ],
  [
    10,
    "somebody is asked back what is its own",
    {
      node: (changes) =>
        changes.map((change) => ({ ...change, recall: { milliCpu: 0, memBytes: 0 } })),
    },
  ],
];

/** So narrow that not everybody can have what it wants. */
const NARROW: Story = { ...CALM, node: { ...CALM.node, mib: 3_000 } };

test.for(SABOTAGES)("invariant %i is seen to break when %s", ([invariant, , sabotage]) => {
  const story = invariant === 2 || invariant === 10 ? NARROW : CALM;
  expect(runWorld(story, { sabotage }).problem).toMatchObject({ invariant });
});

describe("shrinking", () => {
  test(
    "leaves the one fault that matters, for as long as it matters",
    { timeout: PATIENT_MS },
    () => {
      const story = storyOf(6);
      const fault = { at: 12_345, vm: 2, kind: "paused", forMs: 7_654, amount: 0 } as const;
      const full = {
        ...story,
        faults: [...story.faults.slice(0, 9), fault, ...story.faults.slice(9)],
      };
      const fails = ({ faults }: Story) =>
        faults.some(({ kind, vm, forMs }) => kind === "paused" && vm <= 2 && forMs >= 3_000);
      const shortest = shrink(full, fails);
      expect(shortest.faults).toHaveLength(1);
      expect(shortest.faults[0]).toMatchObject({ kind: "paused", vm: 0 });
      expect(shortest.faults[0]?.forMs).toBeLessThan(3_500);
      expect(shortest.demands).toEqual([]);
      expect(shortest.vms).toHaveLength(1);
    },
  );

  test("of a real failure still fails, in the same way", { timeout: PATIENT_MS }, () => {
    const story = storyOf(2);
    const sabotage = SABOTAGES.find(([invariant]) => invariant === 4)?.[2] ?? {};
    const fails = (one: Story) => runWorld(one, { sabotage }).problem?.invariant === 4;
    expect(fails(story)).toBe(true);
    const shortest = shrink(story, fails, { mostRuns: 60 });
    expect(fails(shortest)).toBe(true);
    expect(shortest.faults.length).toBeLessThan(story.faults.length);
    expect(tellStory(shortest).length).toBeLessThan(tellStory(story).length);
  });
});

describe("a story from a file", () => {
  const saved = () => JSON.parse(JSON.stringify(storyOf(8))) as Record<string, unknown>;

  test("is the same story", () => {
    expect(readStory(JSON.stringify(storyOf(8)))).toEqual({ ok: true, story: storyOf(8) });
  });

  test.for<[string, (story: Record<string, unknown>) => void]>([
    ["story.seed: expected a number", (story) => delete story["seed"]],
    ["node: expected an object", (story) => (story["node"] = null)],
    ["vms: a world has at least one VM", (story) => (story["vms"] = [])],
    ["demands: expected a list", (story) => (story["demands"] = {})],
    [
      'faults[0].kind: "meteor" is not known',
      (story) => (story["faults"] = [{ at: 1, vm: 0, kind: "meteor", forMs: 1, amount: 0 }]),
    ],
    [
      "faults[0].vm: there is no such VM",
      (story) => (story["faults"] = [{ at: 1, vm: 7, kind: "paused", forMs: 1, amount: 0 }]),
    ],
    [
      "faults[0].at: below 0",
      (story) => (story["faults"] = [{ at: -1, vm: 0, kind: "paused", forMs: 1, amount: 0 }]),
    ],
    ['patience: "endless" is not known', (story) => (story["patience"] = "endless")],
  ])("is refused with its place: %s", ([problem, damage]) => {
    const story = saved();
    damage(story);
    const read = readStory(JSON.stringify(story));
    expect(read.ok ? "" : read.problem).toContain(problem);
  });

  test("is refused when it is no JSON", () => {
    expect(readStory("{")).toMatchObject({ ok: false });
  });
});
