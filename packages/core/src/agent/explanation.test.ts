import { AGENT_REASONS, type AgentReason, type Size } from "@selfscale/protocol";
import { expect, test } from "vitest";
import { type Verdict } from "../node/types.ts";
import { explainVm } from "./explanation.ts";
import { sayMs } from "./explain.ts";
import { Rig, bounds, size, type RigVm } from "./testing/rig.ts";

type Setup = Readonly<{
  name: string;
  reason: AgentReason | null;
  node?: Size;
  spec?: Parameters<Rig["add"]>[0];
  /** Brings it about. */
  tell: (rig: Rig, vm: RigVm) => void;
  verdict?: Verdict;
  /** Each is part of what is said. */
  wants?: string;
  binds: string;
  changes: readonly string[];
}>;

const refuse = () => ({ Ok: false, Status: "in use" });

const SETUPS: readonly Setup[] = [
  {
    name: "it has what it wants",
    reason: "met",
    tell: (rig, vm) => rig.wish(vm, 2, 1024, { reason: "memory" }),
    wants: "Its monitor wants 2 vCPU, 1024 MiB (memory), for 2 s now.",
    binds: "Nothing: it has what it should have.",
    changes: [],
  },
  {
    name: "the operator's bounds cut both",
    reason: "bounds",
    spec: { bounds: bounds(size(1, 512), size(2, 1024)) },
    tell: (rig, vm) => rig.wish(vm, 3, 2048),
    binds: "Its bounds end at 2 vCPU, 1024 MiB.",
    changes: [
      "raise bounds.max.mem (1024 MiB) to 2048 MiB",
      "raise bounds.max.cpu (2 vCPU) to 3 vCPU",
    ],
  },
  {
    name: "the node has no room, and nobody says by which rule",
    reason: "node-full",
    node: size(4, 1024),
    tell: (rig, vm) => rig.wish(vm, 1, 2048),
    binds: "The node permits 1 vCPU, 1024 MiB; 1024 MiB wait.",
    changes: ["other VMs give back 1024 MiB", "raise the node's capacity by 1024 MiB"],
  },
  {
    name: "the node has no room, and the rule names who holds it",
    reason: "node-full",
    node: size(2, 8192),
    tell: (rig, vm) => rig.wish(vm, 4, 1024),
    verdict: {
      rule: "fair-share",
      resource: "cpu",
      text: "pg-2 holds more than its share",
      holders: [
        { vm: "vm-1", held: size(2, 1024), share: size(1, 512) },
        { vm: "pg-2", held: size(3, 1024), share: size(2, 512) },
        { vm: "pg-3", held: size(1, 1024), share: size(2, 512) },
      ],
    },
    binds: "The node permits 2 vCPU, 1024 MiB; 2 vCPU wait.",
    changes: ["pg-2 gives back 1 vCPU", "raise the node's capacity by 2 vCPU"],
  },
  {
    name: "less CPU is advice",
    reason: "no-cpu-quota",
    spec: { hasQuota: false },
    tell: (rig, vm) => {
      rig.wish(vm, 3, 512);
      rig.run(2_000);
      rig.wish(vm, 1, 512);
    },
    binds: "Without a cgroup a smaller CPU is advice: the guest uses 1 vCPU of 3 plugged vCPUs.",
    changes: ["start QEMU in a cgroup and name it as `cgroup`"],
  },
  {
    name: "its memory is fixed",
    reason: "no-memory-device",
    tell: (rig, vm) => {
      vm.facts = { ...vm.facts, memoryDevice: null };
      rig.attach(vm);
      rig.wish(vm, 1, 1024);
    },
    binds: "Its memory is fixed at 512 MiB",
    changes: ["start QEMU with a virtio-mem device"],
  },
  {
    name: "found above its bounds, and the monitor refuses",
    reason: "above-max",
    spec: { bounds: bounds(size(1, 512), size(4, 1024)) },
    tell: (rig, vm) => {
      vm.monitor.consent = refuse;
      vm.setDevice({ sizeBytes: 2 ** 30, requestedBytes: 2 ** 30 });
      rig.attach(vm);
      rig.run(1_000);
      rig.wish(vm, 1, 512);
    },
    binds: "It has 1536 MiB, above bounds.max.mem (1024 MiB)",
    changes: [
      "the monitor must agree; asked once in vain (the monitor refused memory 1280 MiB: in use), next in 2 s",
      "raise bounds.max.mem",
    ],
  },
  {
    name: "QEMU does not run",
    reason: "paused",
    tell: (rig, vm) => {
      vm.facts = { ...vm.facts, runState: "paused" };
      rig.wish(vm, 1, 1024);
    },
    binds: "QEMU does not run (paused)",
    changes: ["let QEMU run on"],
  },
  {
    name: "the operator holds it for a while",
    reason: "paused",
    tell: (rig, vm) => {
      const until = rig.now + 602_000;
      rig.feed(vm, { kind: "operator-paused", isPaused: true, until });
      rig.wish(vm, 1, 1024);
    },
    binds: "The operator holds its size.",
    changes: ["selfscale-agent resume vm-1", "wait 10 min, then the pause is over"],
  },
  {
    name: "the operator holds it until told otherwise",
    reason: "paused",
    tell: (rig, vm) => rig.feed(vm, { kind: "operator-paused", isPaused: true, until: null }),
    wants: "Nobody decides its size: its monitor has named no size yet.",
    binds: "The operator holds its size.",
    changes: ["selfscale-agent resume vm-1"],
  },
  {
    name: "a floor of the operator's",
    reason: "met",
    tell: (rig, vm) =>
      rig.feed(vm, { kind: "operator-floor", floor: size(2, 1024), until: rig.now + 1_802_000 }),
    wants: "The operator wants at least 2 vCPU, 1024 MiB, for 30 min more.",
    binds: "Nothing: it has what it should have.",
    changes: [],
  },
  {
    name: "QEMU is gone",
    reason: "stuck",
    tell: (rig, vm) => rig.lose(vm, "QEMU ended (guest-shutdown)"),
    binds: "QEMU can't be told anything: QEMU ended (guest-shutdown).",
    changes: ["QEMU must answer on its QMP socket; it is tried again and again"],
  },
  {
    name: "its configuration does not fit",
    reason: "stuck",
    spec: { bounds: bounds(size(1, 128), size(2, 256)) },
    tell: (rig, vm) => rig.wish(vm, 1, 256),
    binds: "It is not managed: bounds.max.mem is 256 MiB, below the 512 MiB QEMU booted with",
    changes: ["correct its bounds, or its QEMU"],
  },
  {
    name: "the monitor of another VM",
    reason: "stuck",
    tell: (rig, vm) => {
      rig.disconnect(vm);
      vm.monitor.uuid = "99999999-2222-3333-4444-555555555555";
      rig.connect(vm);
    },
    binds:
      "The monitor that answers lives in another VM, not in 11111111-2222-3333-4444-555555555555.",
    changes: ["correct `monitor` or `qmp` in the configuration"],
  },
  {
    name: "the guest plugs nothing",
    reason: "stuck",
    tell: (rig, vm) => {
      vm.pluggableBytes = 0;
      rig.wish(vm, 1, 1024);
      rig.run(10_000);
    },
    binds: "Growing fell short: the guest plugged 512 MiB of 1024 MiB.",
    changes: ["another try (next in 3 s)"],
  },
  {
    name: "the monitor refuses to shrink, again and again",
    reason: null,
    tell: (rig, vm) => {
      rig.wish(vm, 1, 2048);
      rig.run(2_000);
      vm.monitor.consent = refuse;
      rig.wish(vm, 1, 512);
      rig.run(15_000);
    },
    binds: "Nothing is taken from a VM that its monitor does not agree to.",
    changes: [
      "the monitor must agree; asked 3 times in vain (the monitor refused memory 1792 MiB: in use), next in 14 s",
    ],
  },
  {
    name: "on its way",
    reason: null,
    tell: (rig, vm) => {
      rig.run(2_000);
      vm.pluggableBytes = 0;
      rig.wish(vm, 1, 2048);
    },
    binds: "Nothing: it is growing now.",
    changes: ["a moment"],
  },
];

test.for(SETUPS)("$reason: $name", ({ tell, node, spec, verdict, ...expected }) => {
  const rig = new Rig(node ?? size(4, 8192));
  const vm = rig.add(spec);
  rig.attach(vm);
  rig.connect(vm);
  rig.run(50);
  tell(rig, vm);
  rig.run(2_000);
  const said = explainVm({ ...vm.state, verdict: verdict ?? null }, rig.now);
  expect(said.reason).toBe(expected.reason);
  expect(said.wants.join(" ")).toContain(expected.wants ?? "");
  expect(said.binds).toContain(expected.binds);
  expect(said.changes).toEqual(expected.changes);
  expect(said.rule).toBe(verdict === undefined ? null : `${verdict.rule}: ${verdict.text}`);
});

// "grid" is said of one answer, never of a VM: no state binds by it.
test("every reason that can bind a VM is among the setups", () => {
  const told = new Set(SETUPS.map(({ reason }) => reason));
  expect(AGENT_REASONS.filter((reason) => !told.has(reason))).toEqual(["grid"]);
});

test("nothing is known yet", () => {
  const vm = new Rig().add();
  expect(explainVm(vm.state, 0)).toEqual({
    vm: "vm-1",
    ladder: "Nothing is known of its size.",
    wants: [
      "Nobody decides its size: no monitor is connected (not connected yet). It keeps what it has.",
    ],
    reason: "stuck",
    binds: "QEMU: not attached yet.",
    rule: null,
    changes: ["QEMU must answer on its QMP socket"],
  });
});

test.for([
  [0, "0 s"],
  [-5, "0 s"],
  [1_400, "1 s"],
  [89_000, "89 s"],
  [91_000, "2 min"],
  [5_400_000, "90 min"],
  [5_500_000, "2 h"],
  [200 * 3_600_000, "8 d"],
] as const)("%i ms are %s", ([ms, said]) => {
  expect(sayMs(ms)).toBe(said);
});
