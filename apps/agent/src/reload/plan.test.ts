import { AGENT_TIMERS } from "@selfscale/core";
import { expect, test } from "vitest";
import { type AgentConfig, type VmConfig } from "../config/load.ts";
import { SHELL_TIMERS } from "../shell/timers.ts";
import { nodeOf, size, vmConfig } from "../testing/fleet.ts";
import { planReload } from "./plan.ts";

const vm = (name: string, qmp = name, overrides: Partial<VmConfig> = {}) =>
  vmConfig({ name, socket: `/run/${qmp}`, url: `ws://127.0.0.1:9/${qmp}` }, overrides);

const config = (vms: readonly VmConfig[], overrides: Partial<AgentConfig> = {}): AgentConfig => ({
  ...nodeOf(size(4, 4096)),
  vms,
  statusSocket: "/run/agent.sock",
  logLevel: "info",
  sliceBytes: 256 * 1024 ** 2,
  timers: AGENT_TIMERS,
  shellTimers: SHELL_TIMERS,
  ...overrides,
});

const a = vm("a");
const b = vm("b");
const bounded = { ...a, spec: { ...a.spec, bounds: { min: size(1, 128), max: size(2, 512) } } };
const both = config([a, b]);

type Row = Readonly<{
  name: string;
  next: AgentConfig;
  ended?: string[];
  begun?: [string, string | null][];
  changes: string[];
  needRestart?: string[];
}>;

test.for<Row>([
  { name: "the same again", next: config([vm("a"), vm("b")]), changes: [] },
  { name: "in another order", next: config([b, a]), changes: [] },
  { name: "bounds", next: config([bounded, b]), changes: ["a: bounds (live)"] },
  {
    name: "the factors of its metrics",
    next: config([
      { ...a, spec: { ...a.spec, legacy: { ...a.spec.legacy, lfcToMemoryRatio: 0.5 } } },
      b,
    ]),
    changes: ["a: legacy (live)"],
  },
  {
    name: "what the node is given, timers, slice and level",
    next: config([a, b], {
      node: nodeOf(size(8, 4096)).node,
      timers: { ...AGENT_TIMERS, muteMs: 1 },
      sliceBytes: 128 * 1024 ** 2,
      logLevel: "debug",
    }),
    changes: ["node (live)", "slice (live)", "timers (live)", "log.level (live)"],
  },
  {
    name: "how its monitor is reached, and its bounds",
    next: config([{ ...bounded, monitorUrl: "ws://127.0.0.1:10/a" }, b]),
    ended: ["a"],
    begun: [["a", "a"]],
    changes: ["a: monitor, bounds (its loop starts anew)"],
  },
  {
    name: "its token",
    next: config([a, { ...b, tokenFile: "/run/token" }]),
    ended: ["b"],
    begun: [["b", "b"]],
    changes: ["b: token (its loop starts anew)"],
  },
  {
    name: "its QMP socket",
    next: config([vm("a", "c"), b]),
    ended: ["a"],
    begun: [["a", "a"]],
    changes: ["a: qmp, monitor (its loop starts anew)"],
  },
  {
    name: "one more",
    next: config([a, b, vm("c")]),
    begun: [["c", null]],
    changes: ["c: added"],
  },
  { name: "one less", next: config([b]), ended: ["a"], changes: ["a: removed"] },
  {
    name: "another name for the same QEMU",
    next: config([vm("z", "a"), b]),
    ended: ["a"],
    begun: [["z", "a"]],
    changes: ["z: was a"],
  },
  {
    name: "names swapped",
    next: config([vm("b", "a"), vm("a", "b")]),
    ended: ["a", "b"],
    begun: [
      ["b", "a"],
      ["a", "b"],
    ],
    changes: ["b: was a", "a: was b"],
  },
  {
    name: "the socket of the agent",
    next: config([a, b], { statusSocket: "/run/other.sock" }),
    changes: [],
    needRestart: ["socket"],
  },
])("$name", ({ next, ended = [], begun = [], changes, needRestart = [] }) => {
  const plan = planReload(both, next);
  expect(plan).toMatchObject({ ended, changes, needRestart });
  expect(plan.begun.map(({ vm: { spec }, from }) => [spec.name, from])).toEqual(begun);
});
