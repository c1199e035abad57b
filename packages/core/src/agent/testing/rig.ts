// A small world around one or more VM machines, in virtual time: QEMU, guest, monitor and node, all scripted and exact.
// For tests only. It keeps its own books and never reads the machine's state to know what is true.
import { HIGHEST_VERSION, type Bounds, type Size } from "@selfscale/protocol";

import { DEPLOYED_LEGACY_CONFIG } from "../../legacy/defaults.ts";
import { stepArbiter } from "../../node/arbiter.ts";
import { initialArbiter, type ArbiterState } from "../../node/state.ts";
import { type ArbiterEvent, type Capacity, type Claim } from "../../node/types.ts";
import { stepVm, vmWakeAt } from "../machine.ts";
import { AGENT_TIMERS } from "../timers.ts";
import { type HypervisorFacts, type VmAction, type VmEvent, type VmSpec } from "../types.ts";
import { initialVm, type VmState } from "../vm-state.ts";

export const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;
export const UUID = "11111111-2222-3333-4444-555555555555";

export const size = (cpu: number, mib: number): Size => ({
  milliCpu: cpu * 1000,
  memBytes: mib * MIB,
});
export const bounds = (min: Size, max: Size): Bounds => ({ min, max });

export type Frame = Readonly<Record<string, unknown> & { type?: string; id?: number }>;

/** What the scripted monitor does when it is asked. */
export type MonitorScript = {
  version: number;
  uuid: string | null;
  memBytes: number | null;
  /** Its process hangs: it reads and answers nothing more. */
  isMute: boolean;
  /** Answer to a DownscaleRequest; null: none at all. */
  consent: (target: { cpu: number; mem: number }) => Record<string, unknown> | null;
};

const PLUG_BYTES_PER_MS = 8 * MIB; // 1 GiB in 128 ms, as measured under TCG
const UNPLUG_BYTES_PER_MS = 0.18 * MIB; // 5.5 ms per MiB, as measured

/** QEMU tells of sizes no more often. */
const EVENT_EVERY_MS = 1_000;

export class RigVm {
  readonly name: string;
  state: VmState;
  /** Frames the agent sent, decoded; and everything it explained. */
  frames: Frame[] = [];
  notes: string[] = [];
  facts: HypervisorFacts;
  isPresent = true;
  /** The guest can't give back memory below this much plugged. */
  unpluggableBytes = 0;
  /** The guest plugs no more than this. */
  pluggableBytes = Infinity;
  /** Who answers. A command is carried out all the same; a look and a claim just vanish. */
  answers = { commands: true, looks: true, permits: true };
  unplugBytesPerMs = UNPLUG_BYTES_PER_MS;
  /** QEMU and the kernel refuse this many commands. */
  refusals = 0;
  /** A scripted node in the arbiter's place; it may answer late, by null. null: the arbiter. */
  node: ((want: Size) => Size | null) | null = null;
  monitor: MonitorScript = {
    version: 2,
    uuid: UUID,
    memBytes: null,
    isMute: false,
    consent: () => ({ Ok: true, Status: "ok" }),
  };
  link = 0;
  isLinked = false;
  nextId = 3;
  /** (consented target in bytes) of every DownscaleRequest that was agreed to. */
  consents: number[] = [];
  memoryCommands: { at: number; requestedBytes: number; actualBytes: number }[] = [];
  pending: VmEvent[] = [];
  /** Told of every action before it has any effect. */
  watch: (action: VmAction) => void = () => undefined;
  /** And of every event before the machine is. */
  overhear: (event: VmEvent) => void = () => undefined;

  constructor(spec: VmSpec, sliceBytes: number) {
    this.name = spec.name;
    this.state = initialVm(spec, AGENT_TIMERS, sliceBytes);
    this.facts = {
      process: "qemu-1",
      uuid: UUID,
      runState: "running",
      baseMemBytes: 512 * MIB,
      memoryDevice: { sizeBytes: 0, requestedBytes: 0, maxBytes: 2 * GIB, blockBytes: 2 * MIB },
      vcpusPlugged: 1,
      vcpusMax: 4,
      quotaMilliCpu: spec.hasQuota ? 1000 : null,
      cpuUsedMilli: 100,
      throttledShare: spec.hasQuota ? 0 : null,
    };
  }

  get actual(): Size {
    const quota = this.facts.quotaMilliCpu ?? Infinity;
    return {
      milliCpu: Math.min(quota, this.facts.vcpusPlugged * 1000),
      memBytes: this.facts.baseMemBytes + (this.facts.memoryDevice?.sizeBytes ?? 0),
    };
  }

  setDevice(change: Partial<NonNullable<HypervisorFacts["memoryDevice"]>>): void {
    if (this.facts.memoryDevice === null) return;
    this.facts = { ...this.facts, memoryDevice: { ...this.facts.memoryDevice, ...change } };
  }

  /** When QEMU's event makes the shell look at it: at most a second after a change that nobody has seen. */
  get newsAt(): number {
    const { facts: known, hypervisorProblem, observedAt } = this.state;
    if (!this.isPresent || known === null || hypervisorProblem !== null) return Infinity;
    const seen = JSON.stringify([known.runState, known.memoryDevice]);
    const isNews = seen !== JSON.stringify([this.facts.runState, this.facts.memoryDevice]);
    return isNews ? observedAt + EVENT_EVERY_MS : Infinity;
  }

  framesOf(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }
}

export class Rig {
  now = 1_000_000;
  /** How often a machine woke up by time alone. */
  ticks = 0;
  readonly vms: RigVm[] = [];
  arbiter: ArbiterState;
  readonly capacity: Capacity;

  constructor(capacity: Size = size(4, 8192)) {
    this.capacity = {
      size: capacity,
      reserve: size(0, 0),
      overcommit: { cpu: 1, mem: 1 },
      overheadPerVmBytes: 0,
      emergency: size(0, 0),
      brake: null,
    };
    this.arbiter = initialArbiter(this.capacity, []);
  }

  add(overrides: Partial<VmSpec> = {}): RigVm {
    const vm = new RigVm(
      {
        name: `vm-${this.vms.length + 1}`,
        bounds: bounds(size(1, 512), size(4, 2560)),
        hasQuota: true,
        hasMetrics: false,
        protocolMax: HIGHEST_VERSION,
        legacy: DEPLOYED_LEGACY_CONFIG,
        ...overrides,
      },
      256 * MIB,
    );
    this.vms.push(vm);
    const members = this.vms.map(({ name, state }) => {
      return { name, ...state.spec.bounds, weight: 1, priority: 0 };
    });
    this.stepNode({ kind: "members-changed", capacity: this.arbiter.capacity, members });
    return vm;
  }

  attach(vm: RigVm): void {
    vm.isPresent = true;
    this.feed(vm, { kind: "hypervisor-attached", facts: vm.facts });
  }

  lose(vm: RigVm, problem = "QMP connection lost"): void {
    vm.isPresent = false;
    // As the shell does: what was still being read of this QEMU is no news any more.
    vm.pending = vm.pending.filter(({ kind }) => kind !== "hypervisor-observed");
    this.feed(vm, { kind: "hypervisor-lost", problem });
  }

  connect(vm: RigVm): void {
    vm.link += 1;
    vm.isLinked = true;
    vm.nextId = 3;
    this.feed(vm, { kind: "link-opened", link: vm.link });
    this.flush();
  }

  disconnect(vm: RigVm, problem = "socket closed"): void {
    vm.isLinked = false;
    this.feed(vm, { kind: "link-closed", link: vm.link, problem });
  }

  /** A frame from the monitor; odd ids are minted here when it has none. */
  say(vm: RigVm, message: Record<string, unknown>): void {
    const id = message["id"] ?? vm.nextId;
    if (message["id"] === undefined) vm.nextId += 2;
    this.sayText(vm, JSON.stringify({ ...message, id }));
  }

  sayText(vm: RigVm, text: string): void {
    this.feed(vm, { kind: "frame-received", link: vm.link, text });
  }

  wish(vm: RigVm, cpu: number, mib: number, extra: Record<string, unknown> = {}): void {
    this.say(vm, { type: "ScaleRequest", target: { cpu, mem: mib * MIB }, ...extra });
  }

  feed(vm: RigVm, event: VmEvent): void {
    vm.overhear(event);
    const [state, actions] = stepVm(vm.state, event, this.now);
    vm.state = state;
    for (const action of actions) this.perform(vm, action);
  }

  /** Let virtual time pass; every machine is woken when it asks to be, the guests move along. */
  run(ms: number): void {
    const end = this.now + ms;
    this.flush();
    while (this.now < end) {
      const wakes = this.vms.map((vm) => vmWakeAt(vm.state) ?? Infinity);
      const news = this.vms.map((vm) => vm.newsAt);
      const next = Math.max(this.now + 1, Math.min(end, ...wakes, ...news));
      this.move(next - this.now);
      this.now = next;
      for (const vm of this.vms) {
        if ((vmWakeAt(vm.state) ?? Infinity) > this.now) continue;
        this.ticks += 1;
        this.feed(vm, { kind: "tick" });
      }
      for (const vm of this.vms.filter(({ newsAt }) => newsAt <= this.now)) {
        vm.pending.push({ kind: "hypervisor-observed", facts: vm.facts });
      }
      this.flush();
    }
  }

  private flush(): void {
    for (let rounds = 0; this.vms.some((vm) => vm.pending.length > 0); rounds += 1) {
      if (rounds > 1000) throw new Error("the machine and its world answer each other for ever");
      for (const vm of this.vms) {
        for (const event of vm.pending.splice(0)) this.feed(vm, event);
      }
    }
  }

  private move(ms: number): void {
    for (const vm of this.vms) {
      const device = vm.facts.memoryDevice;
      if (device === null || vm.facts.runState !== "running") continue;
      const { sizeBytes, requestedBytes, blockBytes } = device;
      const whole = (bytes: number) => Math.floor(bytes / blockBytes) * blockBytes;
      if (sizeBytes < requestedBytes) {
        const most = Math.min(requestedBytes, vm.pluggableBytes);
        const grown = Math.min(most, sizeBytes + whole(PLUG_BYTES_PER_MS * ms));
        vm.setDevice({ sizeBytes: Math.max(sizeBytes, grown) });
      } else if (sizeBytes > requestedBytes) {
        const floor = Math.max(requestedBytes, Math.min(sizeBytes, vm.unpluggableBytes));
        const step = Math.ceil((vm.unplugBytesPerMs * ms) / blockBytes) * blockBytes;
        vm.setDevice({ sizeBytes: Math.max(floor, sizeBytes - step) });
      }
    }
  }

  private perform(vm: RigVm, action: VmAction): void {
    vm.watch(action);
    if ("attempt" in action && vm.refusals > 0) {
      vm.refusals -= 1;
      vm.pending.push({ ...settled(action.attempt), outcome: "refused", problem: "GenericError" });
      return;
    }
    switch (action.kind) {
      case "observe":
        if (vm.isPresent && vm.answers.looks)
          vm.pending.push({ kind: "hypervisor-observed", facts: vm.facts });
        return;
      case "read-cpu": {
        const { quotaMilliCpu, cpuUsedMilli, throttledShare } = vm.facts;
        const cpu = { quotaMilliCpu, cpuUsedMilli, throttledShare };
        if (vm.isPresent) vm.pending.push({ kind: "cpu-read", cpu });
        return;
      }
      case "set-memory":
        if (!vm.isPresent) return;
        vm.memoryCommands.push({
          at: this.now,
          requestedBytes: vm.facts.baseMemBytes + action.requestedBytes,
          actualBytes: vm.actual.memBytes,
        });
        vm.setDevice({ requestedBytes: action.requestedBytes });
        this.settle(vm, action.attempt);
        return;
      case "set-quota":
        vm.facts = { ...vm.facts, quotaMilliCpu: action.milliCpu };
        this.settle(vm, action.attempt);
        return;
      case "plug-cpu":
        vm.facts = { ...vm.facts, vcpusPlugged: Math.max(vm.facts.vcpusPlugged, action.vcpus) };
        this.settle(vm, action.attempt);
        return;
      case "seek-permit":
        this.arbitrate(vm, action.claim);
        return;
      case "send-frame":
        this.hear(vm, JSON.parse(action.text) as Frame);
        return;
      case "close-link":
        vm.isLinked = false;
        return;
      case "explain":
        vm.notes.push(action.note.reason);
        return;
      case "scrape":
        return;
      default:
        return action satisfies never;
    }
  }

  private settle(vm: RigVm, attempt: number): void {
    if (!vm.answers.commands) return;
    vm.pending.push({ kind: "command-settled", attempt, outcome: "done", problem: null });
  }

  /** Nothing of the agent runs for a while; the guests do, and what is said waits. */
  standStill(ms: number): void {
    this.move(ms);
    this.now += ms;
  }

  private arbitrate(vm: RigVm, claim: Claim): void {
    if (!vm.answers.permits) return;
    if (vm.node !== null) {
      const permit = vm.node(askedOf(claim));
      if (permit !== null) vm.pending.push(permitChanged(permit, claim));
      return;
    }
    this.stepNode({ kind: "claimed", vm: vm.name, claim });
  }

  /** The node has become larger or smaller. */
  resizeNode(size: Size): void {
    this.stepNode({ kind: "capacity-changed", capacity: { ...this.capacity, size } });
    this.flush();
  }

  private stepNode(event: ArbiterEvent): void {
    const [arbiter, changes] = stepArbiter(this.arbiter, event, this.now);
    this.arbiter = arbiter;
    for (const { vm: name, ...change } of changes) {
      const other = this.vms.find((candidate) => candidate.name === name);
      other?.pending.push({ kind: "permit-changed", ...change });
    }
  }

  /** The scripted monitor, answering at once. */
  private hear(vm: RigVm, frame: Frame): void {
    vm.frames.push(frame);
    if (!vm.isLinked || vm.monitor.isMute) return;
    const reply = (message: Record<string, unknown>) =>
      vm.pending.push({ kind: "frame-received", link: vm.link, text: JSON.stringify(message) });
    if ("min" in frame) {
      const { version, uuid, memBytes } = vm.monitor;
      reply({
        version,
        ...(uuid === null ? {} : { vm: uuid }),
        ...(memBytes === null ? {} : { mem: memBytes }),
        features: ["size-report"],
      });
    }
    if (frame.type === "HealthCheck") reply({ type: "HealthCheck", id: frame.id });
    if (frame.type === "UpscaleNotification") reply({ type: "UpscaleConfirmation", id: frame.id });
    if (frame.type === "DownscaleRequest") {
      const { target } = frame["content"] as { target: { cpu: number; mem: number } };
      const answer = vm.monitor.consent(target);
      if (answer === null) return;
      if (answer["Ok"] === true) vm.consents.push(target.mem);
      reply({ type: "DownscaleResult", ...answer, id: frame.id });
    }
  }
}

/** The most that a claim asks for: what is wanted, and a loan of CPU. */
export function askedOf({ want, loanMilli }: Claim): Size {
  return { ...want, milliCpu: Math.max(want.milliCpu, loanMilli) };
}

function permitChanged(permit: Size, { want, number: answers }: Claim): VmEvent {
  const isNodeFull = permit.milliCpu < want.milliCpu || permit.memBytes < want.memBytes;
  return { kind: "permit-changed", permit, isNodeFull, recall: null, verdict: null, answers };
}

function settled(attempt: number): VmEvent & { kind: "command-settled" } {
  return { kind: "command-settled", attempt, outcome: "done", problem: null };
}
