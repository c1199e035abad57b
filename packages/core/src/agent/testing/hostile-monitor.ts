// A monitor that does anything, at any time, to one VM's machine in the rig's world; every deed is data, so that a failing
// story can be made smaller. The books judge what the machine does; see agent-book.ts and size-watch.ts.
import * as fc from "fast-check";
import { type LegacyMetrics } from "../../legacy/types.ts";
import { hostileText } from "../../testing/hostile-text.ts";
import { type HypervisorFacts, type VmAction } from "../types.ts";
import { ConnectionBook, hold } from "./agent-book.ts";
import { GIB, MIB, Rig, UUID, bounds, size, type RigVm } from "./rig.ts";
import { SizeWatch } from "./size-watch.ts";

const OTHER_UUID = "99999999-2222-3333-4444-555555555555";
/** Far above what an idle or a busy machine was ever seen to need. */
const MAX_STATE_CHARS = 12_000;

/** Which of the agent's open questions; "shrink": the newest DownscaleRequest. */
type Which = "newest" | "oldest" | "shrink";
export type Deed =
  | Readonly<{ kind: "connect" }>
  | Readonly<{ kind: "disconnect"; isCurrent: boolean }>
  | Readonly<{ kind: "shake"; version: 1 | 2; extra: Record<string, unknown> }>
  | Readonly<{ kind: "text"; text: string; isCurrent: boolean; times: number }>
  | Readonly<{ kind: "wish"; cpu: number; mem: number; id: number; extra: object }>
  | Readonly<{ kind: "answer"; which: Which; with: Record<string, unknown> }>
  /** Wants less, and agrees to it once it was asked, soon or late. */
  | Readonly<{ kind: "descend"; cpu: number; mem: number; agreesAfterMs: number; thenMs: number }>
  | Readonly<{ kind: "wait"; ms: number }>
  | Readonly<{ kind: "facts"; change: Partial<HypervisorFacts> }>
  | Readonly<{ kind: "guest"; what: "resets" | "keeps" | "plugs-nothing" | "is-fine" }>
  | Readonly<{ kind: "qemu"; what: "lost" | "attached" | "restarted" }>
  | Readonly<{ kind: "settled"; attempt: number; outcome: "refused" | "lost" | "timed-out" }>
  | Readonly<{ kind: "metrics"; metrics: LegacyMetrics }>
  | Readonly<{ kind: "bounds"; maxMib: number }>;

const which = fc.constantFrom<Which>("newest", "oldest", "shrink", "shrink", "shrink");
const gib = fc
  .constantFrom(0, -1, 0.25, 0.5, 0.6, 0.75, 1, 1.125, 1.5, 2, 2.5, 3, 9e6)
  .map((n) => n * GIB);
const cpu = fc.constantFrom(0, -1, 0.001, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 1025);
const lowest = { cpu: 0.5, mem: GIB };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Deed>({ kind: "connect" }) },
  {
    weight: 1,
    arbitrary: fc.boolean().map((isCurrent): Deed => ({ kind: "disconnect", isCurrent })),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("shake" as const),
      version: fc.constantFrom<1 | 2>(1, 2, 2),
      extra: fc.constantFrom<Record<string, unknown>>(
        { vm: UUID, features: ["size-report"] },
        { vm: UUID, features: ["size-report"] },
        { vm: UUID },
        { vm: OTHER_UUID },
        { vm: "" },
        { mem: 512 * MIB },
        { mem: GIB },
        {},
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("text" as const),
      text: hostileText("from-monitor"),
      isCurrent: fc.constantFrom(true, true, true, false),
      times: fc.constantFrom(1, 1, 1, 1, 3, 30),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("wish" as const),
      cpu,
      mem: gib,
      id: fc.constantFrom(3, 5, 7, 2, 0, Number.MAX_SAFE_INTEGER),
      extra: fc.constantFrom({}, { reason: "idle" }, { ageMs: 5, floor: { cpu: -1, mem: 0 } }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      which,
      with: fc.constantFrom<Record<string, unknown>>(
        { type: "DownscaleResult", Ok: true, Status: "" },
        { type: "DownscaleResult", Ok: true, Status: "" },
        { type: "DownscaleResult", Ok: false, Status: "", lowest },
        { type: "DownscaleResult", Ok: false, Status: "x".repeat(20_000) },
        { type: "HealthCheck" },
        { type: "HealthCheck" },
        { type: "UpscaleConfirmation" },
        { type: "InternalError", error: "x".repeat(20_000) },
        { type: "InvalidMessage", error: "" },
        { type: "UpscaleRequest" },
        { type: "UpscaleRequest" },
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("descend" as const),
      cpu: fc.constantFrom(0.25, 0.5, 0.75, 1, 2),
      mem: fc.constantFrom(0.5, 0.75, 1).map((n) => n * GIB),
      agreesAfterMs: fc.constantFrom(0, 100, 1_900, 2_100),
      thenMs: fc.constantFrom(0, 50, 500, 3_000),
    }),
  },
  {
    weight: 8,
    arbitrary: fc
      .constantFrom(
        0,
        1,
        40,
        100,
        100,
        300,
        1_100,
        1_100,
        600,
        1_000,
        1_999,
        2_001,
        3_000,
        5_000,
        16_000,
        61_000,
      )
      .map((ms): Deed => ({ kind: "wait", ms })),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<Partial<HypervisorFacts>>(
        { cpuUsedMilli: 0 },
        { cpuUsedMilli: 4_000 },
        { throttledShare: 1 },
        { throttledShare: 0 },
        { runState: "paused" },
        { runState: "running" },
      )
      .map((change): Deed => ({ kind: "facts", change })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("resets" as const, "keeps", "plugs-nothing", "is-fine")
      .map((what): Deed => ({ kind: "guest", what })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("lost" as const, "attached", "attached", "restarted")
      .map((what): Deed => ({ kind: "qemu", what })),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("settled" as const),
      attempt: fc.nat(20),
      outcome: fc.constantFrom("refused" as const, "lost", "timed-out"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, 0.5, 9, 1e6).map((load): Deed => ({
      kind: "metrics",
      metrics: {
        system: {
          load1: load,
          load5: load,
          memTotalBytes: 480 * MIB,
          memUsageBytes: load * 100 * MIB,
          memCachedBytes: 0,
        },
        lfc: null,
      },
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(512, 1_000, 2_560)
      .map((maxMib): Deed => ({ kind: "bounds", maxMib })),
  },
);

/** How the monitor usually shakes hands; `shake` does it otherwise. */
const replies = fc.constantFrom<Record<string, unknown>>(
  { version: 2, vm: UUID, features: ["size-report"] },
  { version: 2, vm: UUID, features: ["size-report"] },
  { version: 2, vm: UUID },
  { version: 2, mem: 2_560 * MIB },
  { version: 1 },
  { version: 1 },
);

/** Who the VM is, and what is done to it. */
export const agentStory = fc.record({
  hasQuota: fc.boolean(),
  hasMetrics: fc.boolean(),
  isLarge: fc.boolean(),
  reply: replies,
  deeds: fc.array(deed, { minLength: 5, maxLength: 80, size: "max" }),
});
export type AgentStory = typeof agentStory extends fc.Arbitrary<infer Story> ? Story : never;

/** The rig's world with a hostile monitor in it, and the books beside it. */
export class HostileMonitor {
  readonly rig = new Rig();
  readonly vm: RigVm;
  book: ConnectionBook | null = null;
  #isWatching = true;
  readonly #reply: Record<string, unknown>;
  readonly #sizes: SizeWatch;

  constructor({ hasQuota, hasMetrics, isLarge, reply }: AgentStory) {
    this.#reply = reply;
    const least = size(hasQuota ? 0.25 : 1, 512);
    this.vm = this.rig.add({ hasQuota, hasMetrics, bounds: bounds(least, size(4, 2560)) });
    if (isLarge) {
      const quotaMilliCpu = hasQuota ? 4_000 : null;
      this.vm.facts = { ...this.vm.facts, vcpusPlugged: 4, quotaMilliCpu };
      this.vm.setDevice({ sizeBytes: 2 * GIB, requestedBytes: 2 * GIB });
    }
    this.vm.monitor.isMute = true; // it says only what is done here
    this.#sizes = new SizeWatch(() => this.vm.state.spec);
    this.vm.watch = (action) => this.#watch(action);
    this.#attach();
  }

  do(deed: Deed): void {
    const ticksBefore = this.rig.ticks;
    this.#do(deed);
    this.rig.run(0); // what was read of QEMU arrives
    const passed = deed.kind === "wait" ? deed.ms : deed.kind === "descend" ? 6_100 : 0;
    hold(this.rig.ticks - ticksBefore <= 200 + passed / 5, "a machine wakes up for a reason");
    const chars = JSON.stringify(this.vm.state).length;
    hold(chars < MAX_STATE_CHARS, `the state is bounded: ${chars} characters`);
  }

  /** From now on QEMU, the guest and the monitor are as they should be. The link stays as it is. */
  heal(): void {
    this.#isWatching = false;
    const { vm, rig } = this;
    vm.unpluggableBytes = 0;
    vm.pluggableBytes = Infinity;
    vm.monitor.isMute = false;
    vm.facts = { ...vm.facts, runState: "running", cpuUsedMilli: 100 };
    rig.attach(vm);
    if (this.book?.phase === "greeting")
      rig.say(vm, { version: 2, vm: UUID, features: ["size-report"] });
    if (this.book === null || this.book.phase === "over") this.reconnect();
  }

  /** As the shell does after every end. */
  reconnect(): void {
    this.book = new ConnectionBook(this.vm.link + 1);
    this.rig.connect(this.vm);
  }

  #do(deed: Deed): void {
    const { rig, vm } = this;
    switch (deed.kind) {
      case "connect":
        // The shell dials when the old connection is over; a machine that misses its end must cope.
        this.reconnect();
        return;
      case "disconnect": {
        const link = vm.link - (deed.isCurrent ? 0 : 1);
        if (deed.isCurrent) this.book = null;
        rig.feed(vm, { kind: "link-closed", link, problem: "socket closed" });
        return;
      }
      case "shake":
        this.#say(JSON.stringify({ version: deed.version, ...deed.extra }));
        return;
      case "text":
        for (let n = 0; n < deed.times; n += 1) {
          if (deed.isCurrent) this.#say(deed.text);
          else rig.feed(vm, { kind: "frame-received", link: vm.link - 1, text: deed.text });
        }
        return;
      case "wish": {
        this.#meet();
        const target = { cpu: deed.cpu, mem: deed.mem };
        this.#say(JSON.stringify({ type: "ScaleRequest", target, ...deed.extra, id: deed.id }));
        return;
      }
      case "answer": {
        this.#meet();
        this.#say(JSON.stringify({ ...deed.with, id: this.#idOf(deed.which) }));
        return;
      }
      case "descend": {
        this.#meet();
        const target = { cpu: deed.cpu, mem: deed.mem };
        this.#say(JSON.stringify({ type: "ScaleRequest", target, id: 9 }));
        rig.run(1_000 + deed.agreesAfterMs);
        const id = this.#idOf("shrink");
        this.#say(JSON.stringify({ type: "DownscaleResult", Ok: true, Status: "", id }));
        rig.run(deed.thenMs);
        return;
      }
      case "wait":
        rig.run(deed.ms);
        return;
      case "facts":
        vm.facts = { ...vm.facts, ...deed.change };
        return;
      case "guest":
        this.#guest(deed.what);
        return;
      case "qemu":
        this.#qemu(deed.what);
        return;
      case "settled":
        rig.feed(vm, { ...deed, kind: "command-settled", problem: null });
        return;
      case "metrics":
        this.#sizes.scraped();
        rig.feed(vm, { kind: "metrics-scraped", metrics: deed.metrics });
        return;
      case "bounds":
        rig.feed(vm, {
          kind: "bounds-changed",
          bounds: bounds(vm.state.spec.bounds.min, size(4, deed.maxMib)),
        });
        return;
      default:
        return deed satisfies never;
    }
  }

  /** Whoever wants to be heard must be connected first. */
  #meet(): void {
    if (this.book === null || this.book.phase === "over") this.reconnect();
    if (this.book?.phase === "greeting") this.#say(JSON.stringify(this.#reply));
  }

  #idOf(which: Which): number {
    const asked = [...(this.book?.asked ?? [])].filter(
      ([, { type }]) => which !== "shrink" || type === "DownscaleRequest",
    );
    const [id] = (which === "oldest" ? asked[0] : asked.at(-1)) ?? [2];
    return id;
  }

  /** On the open link: what the book expects of it is what must come. */
  #say(text: string): void {
    const { book, vm } = this;
    if (book === null) return;
    const before = book.complaints.length;
    const expected = book.hear(text, this.rig.now);
    this.rig.sayText(vm, text);
    const complaints = book.complaints.slice(before);
    if (expected === "close") {
      hold(book.phase === "over", "too much nonsense, or none of a handshake, ends the link");
      return;
    }
    const wanted = expected === null ? [] : [expected.invalid];
    hold(
      JSON.stringify(complaints) === JSON.stringify(wanted),
      `complaints about ${text.slice(0, 80)}: ${complaints.join()}, expected ${wanted.join()}`,
    );
  }

  #guest(what: "resets" | "keeps" | "plugs-nothing" | "is-fine"): void {
    const { vm } = this;
    if (what === "resets") vm.setDevice({ sizeBytes: 0 });
    vm.unpluggableBytes = what === "keeps" ? GIB : 0;
    vm.pluggableBytes = what === "plugs-nothing" ? 0 : Infinity;
  }

  #qemu(what: "lost" | "attached" | "restarted"): void {
    const { rig, vm } = this;
    if (what !== "attached") rig.lose(vm);
    if (what === "restarted") {
      const process = `qemu-${Number(vm.facts.process.split("-")[1]) + 1}`;
      const quotaMilliCpu = vm.facts.quotaMilliCpu === null ? null : 1000;
      vm.facts = { ...vm.facts, process, vcpusPlugged: 1, quotaMilliCpu, runState: "running" };
      vm.setDevice({ sizeBytes: 0, requestedBytes: 0 });
    }
    if (what !== "lost") this.#attach();
  }

  #attach(): void {
    this.#sizes.read(this.vm.facts);
    this.rig.attach(this.vm);
  }

  #watch(action: VmAction): void {
    const { book, vm, rig } = this;
    if (action.kind === "send-frame" || action.kind === "close-link") {
      hold(book !== null, "nobody is spoken to who is not there");
      if (this.#isWatching || action.kind === "close-link") book.act(action, rig.now);
    }
    if (!this.#isWatching) return;
    if (action.kind === "observe") this.#sizes.read(vm.facts);
    this.#sizes.judge(action, vm.facts, book, rig.now);
  }
}
