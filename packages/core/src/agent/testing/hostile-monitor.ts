// A monitor that does anything, at any time, to one VM's machine in the rig's world: plays the deeds of hostile-deeds.ts.
// The books judge what the machine does; see agent-book.ts and size-watch.ts.
import { type VmAction } from "../types.ts";
import { ConnectionBook, hold } from "./agent-book.ts";
import { type AgentStory, type Deed, type Which } from "./hostile-deeds.ts";
import { GIB, Rig, UUID, bounds, size, type RigVm } from "./rig.ts";
import { SizeWatch } from "./size-watch.ts";

/** Far above what an idle or a busy machine was ever seen to need. */
const MAX_STATE_CHARS = 12_000;

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
    if (action.kind === "read-cpu") this.#sizes.readCpu(vm.facts);
    this.#sizes.judge(action, vm.facts, book, rig.now);
  }
}
