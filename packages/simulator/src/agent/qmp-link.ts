// The agent's connection to one QEMU: attaches, attaches again, runs commands one after the other per resource, observes.
// A copy in virtual time of apps/agent's hypervisor link; QEMU's bad manners are here too.
import { type HypervisorFacts, type VmEvent } from "@selfscale/core";
import { QMP_COMMAND_TIMEOUT_MS } from "@selfscale/protocol";
import { type Clock } from "../clock.ts";
import { type Random } from "../random.ts";
import { type Machine } from "../vm/machine.ts";
import { Backoff } from "./backoff.ts";

const GREETING_MS = 4_000;

/** How QEMU and its socket behave now. */
export type QmpManners = {
  slowMs: number;
  /** Commands are carried out, and never answered. */
  isStuck: boolean;
  /** Nothing is carried out, nothing answered. */
  isDeaf: boolean;
  refuses: boolean;
  /** The socket's file is gone. */
  isGone: boolean;
  vcpuSlowMs: number;
};

export function goodManners(): QmpManners {
  return {
    slowMs: 0,
    isStuck: false,
    isDeaf: false,
    refuses: false,
    isGone: false,
    vcpuSlowMs: 0,
  };
}

export type QmpOptions = Readonly<{
  clock: Clock;
  random: Random;
  machine: Machine;
  manners: QmpManners;
  onEvent: (event: VmEvent) => void;
  /** QEMU is known to have ended. */
  onGone: () => void;
}>;

type Command = Readonly<{ attempt: number; deed: () => void }>;
type Attached = { process: string; isObserving: boolean; isAskedAgain: boolean };

export class QmpLink {
  readonly #options: QmpOptions;
  readonly #backoff: Backoff;
  #attached: Attached | null = null;
  #isStopped = false;
  #attemptedAt = 0;
  readonly #lanes = { memory: [] as Command[], cpu: [] as Command[] };
  /** Commands whose answer is awaited on the present connection. */
  readonly #awaited = new Set<() => void>();

  constructor(options: QmpOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
  }

  start(): void {
    this.#attach();
  }

  /** What was told stays told. */
  stop(): void {
    this.#isStopped = true;
    this.#attached = null;
  }

  setMemory(attempt: number, requestedBytes: number): void {
    const { machine, clock } = this.#options;
    this.#enqueue("memory", attempt, () => {
      machine.advance(clock.now);
      machine.requestedBytes = requestedBytes;
    });
  }

  plugCpus(attempt: number, vcpus: number): void {
    const { clock, machine, random, manners } = this.#options;
    this.#enqueue("cpu", attempt, () => {
      const before = machine.facts(clock.now).process;
      clock.after(random.between(60, 900) + manners.vcpuSlowMs, () => {
        if (!machine.isThere || machine.facts(clock.now).process !== before) return;
        machine.vcpus = Math.max(machine.vcpus, Math.min(vcpus, machine.plan.vcpusMax));
      });
    });
  }

  observe(): void {
    const attached = this.#attached;
    if (attached === null) return;
    if (attached.isObserving) attached.isAskedAgain = true;
    else this.#observe(attached);
  }

  /** The process ended, or the socket's file went: what is open breaks. */
  broke(problem: string): void {
    if (this.#attached !== null) this.#lose(this.#attached, problem);
  }

  #observe(attached: Attached): void {
    const { onEvent, manners } = this.#options;
    attached.isObserving = true;
    attached.isAskedAgain = false;
    this.#read(
      (facts) => {
        if (this.#attached !== attached) return;
        attached.isObserving = false;
        onEvent({ kind: "hypervisor-observed", facts });
        if (attached.isAskedAgain && this.#attached === attached) this.#observe(attached);
      },
      () => this.#lose(attached, "query-memory-devices: no answer"),
      manners,
    );
  }

  /** Reads are answered from the moment in the middle; what comes in between is news for the next one. */
  #read(done: (facts: HypervisorFacts) => void, lost: () => void, manners: QmpManners): void {
    const { clock, machine } = this.#options;
    if (manners.isStuck || manners.isDeaf || !machine.isThere) {
      clock.after(QMP_COMMAND_TIMEOUT_MS, () => {
        if (!this.#isStopped) lost();
      });
      return;
    }
    const ms = this.#latencyMs();
    if (ms >= QMP_COMMAND_TIMEOUT_MS) {
      clock.after(QMP_COMMAND_TIMEOUT_MS, () => {
        if (!this.#isStopped) lost();
      });
      return;
    }
    clock.after(ms / 2, () => {
      const facts = machine.facts(clock.now);
      clock.after(ms / 2, () => {
        if (!this.#isStopped) done(facts);
      });
    });
  }

  #attach(): void {
    if (this.#isStopped) return;
    const { clock, machine, manners } = this.#options;
    this.#attemptedAt = clock.now;
    if (!machine.isThere || manners.isGone) {
      // A socket file that is only missing may have been removed by anybody: the kernel knows whether QEMU still listens.
      const isKnownGone = !machine.isThere;
      clock.after(1, () => {
        this.#failed(isKnownGone ? "ECONNREFUSED" : "ENOENT", isKnownGone);
      });
      return;
    }
    if (manners.isDeaf) {
      clock.after(GREETING_MS, () => this.#failed("no greeting: another client?", false));
      return;
    }
    this.#read(
      (facts) => {
        const isSame = machine.isThere && machine.facts(clock.now).process === facts.process;
        if (!isSame || manners.isGone) {
          this.#failed("closed while attaching", false);
          return;
        }
        const attached = { process: facts.process, isObserving: false, isAskedAgain: false };
        this.#attached = attached;
        this.#options.onEvent({ kind: "hypervisor-attached", facts });
      },
      () => this.#failed("no answer while attaching", false),
      manners,
    );
  }

  #failed(problem: string, isKnownGone: boolean): void {
    if (this.#isStopped) return;
    if (isKnownGone) this.#options.onGone();
    this.#options.onEvent({ kind: "hypervisor-lost", problem });
    this.#again();
  }

  #lose(attached: Attached, problem: string): void {
    if (this.#attached !== attached || this.#isStopped) return;
    this.#attached = null;
    this.#options.onEvent({ kind: "hypervisor-lost", problem });
    for (const fail of [...this.#awaited]) this.#options.clock.after(0, fail);
    this.#again();
  }

  #again(): void {
    const { clock } = this.#options;
    this.#backoff.lived(clock.now - this.#attemptedAt);
    clock.after(this.#backoff.next(), () => this.#attach());
  }

  #enqueue(lane: "memory" | "cpu", attempt: number, deed: () => void): void {
    const queue = this.#lanes[lane];
    queue.push({ attempt, deed });
    if (queue.length === 1) this.#run(queue);
  }

  #run(queue: Command[]): void {
    const command = queue[0];
    if (command === undefined || this.#isStopped) return;
    const { clock, manners, machine } = this.#options;
    const attached = this.#attached;
    const settle = (outcome: Outcome, problem: string | null): void => {
      if (this.#isStopped || queue[0] !== command) return;
      queue.shift();
      this.#awaited.delete(fail);
      const { attempt } = command;
      this.#options.onEvent({ kind: "command-settled", attempt, outcome, problem });
      if (outcome === "timed-out" && attached !== null) {
        this.#lose(attached, problem ?? "timed out");
      }
      this.#run(queue);
    };
    const fail = (): void => settle("lost", "the connection to QEMU ended");
    if (attached === null) {
      clock.after(0, () => settle("lost", "QEMU is not attached"));
      return;
    }
    const ms = this.#latencyMs();
    const isSilent = manners.isStuck || manners.isDeaf || ms >= QMP_COMMAND_TIMEOUT_MS;
    if (!manners.isDeaf && !manners.refuses) {
      clock.after(ms / 2, () => {
        if (machine.isThere && machine.facts(clock.now).process === attached.process) {
          command.deed();
        }
      });
    }
    this.#awaited.add(fail);
    clock.after(isSilent ? QMP_COMMAND_TIMEOUT_MS : ms, () => {
      if (isSilent) settle("timed-out", "no answer from QEMU");
      else if (manners.refuses) settle("refused", "GenericError: refused");
      else settle("done", null);
    });
  }

  #latencyMs(): number {
    const { random, manners } = this.#options;
    return random.between(2, 8) + manners.slowMs;
  }
}

type Outcome = Extract<VmEvent, { kind: "command-settled" }>["outcome"];
