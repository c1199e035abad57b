// Needs in the guest and replacements of a peer, and what the VM's size does meanwhile: by QMP and the guest's kernel alone.
import { guestView } from "../harness/guest-view.ts";
import { ENDED_BY_TEST, Load } from "../harness/load.ts";
import { MIB, Truth } from "../harness/truth.ts";
import { until } from "../harness/until.ts";
import { type Kind } from "./kinds.ts";
import { Peers, type Side } from "./peers.ts";
import { Watch } from "./watch.ts";

/** What came of one need: bytes. */
export type Growth = Readonly<{ had: number; has: number; need: number }>;

/** What came of one replacement: bytes. */
export type Switch = Readonly<{
  /** Control modes that the agent went through, up to that of now. */
  modes: readonly string[];
  tookMs: number;
  had: number;
  /** The least until the mode was reached. */
  least: number;
}>;

const MAX_MIB = 2560;
/** A new need leaves less than the guest's kernel, database and monitor have: it can't be met without growth. */
const LEFT_TO_GUEST_MIB = 128;
/** The next need, and what a policy keeps above it. */
const ROOM_MIB = 256;
const LOAD_MB_PER_S = 100;
/** What a guest at rest has, give or take a unit: its load average takes minutes to forget. */
const AT_REST_MIB = 768;
/** Only a hang takes so long. */
const WITHIN = { withinMs: 120_000 };

export class Arena {
  readonly peers: Peers;
  readonly #truth: Truth;
  readonly #oomKills: number;
  #loads: Load[] = [];
  #neededBytes = 0;

  private constructor(peers: Peers, truth: Truth, oomKills: number) {
    this.peers = peers;
    this.#truth = truth;
    this.#oomKills = oomKills;
  }

  static async start(side: Side, kinds: readonly Kind[]): Promise<Arena> {
    const peers = await Peers.start(side, kinds);
    const truth = await Truth.open(peers.guest.truthPath);
    const { oomKills } = await guestView(peers.guest);
    return new Arena(peers, truth, oomKills);
  }

  /** What the loads hold. */
  get neededBytes(): number {
    return this.#neededBytes;
  }

  /** Resolves when a connection to what the peer is now has led to the mode that it must lead to. */
  async reachMode(): Promise<void> {
    const { agent, guest, kind } = this.peers;
    await until(
      `${kind.name}: ${kind.mode} on version ${kind.version}`,
      async () => {
        const { mode, link } = await agent.vm(guest.name);
        return mode === kind.mode && link.version === kind.version;
      },
      WITHIN,
    );
  }

  /** More memory is used than there is now; it stays in use until `rest`. */
  async need(): Promise<Growth> {
    const had = (await this.#truth.size()).memBytes;
    const need = had - LEFT_TO_GUEST_MIB * MIB;
    const mib = Math.ceil((need - this.neededBytes) / MIB);
    this.#loads.push(await Load.start(this.peers.guest, mib, LOAD_MB_PER_S));
    this.#neededBytes = need;
    return { had, has: (await this.#truth.size()).memBytes, need };
  }

  /** Memory is in use, and there is room for one more need. */
  async prepare(): Promise<void> {
    const { memBytes } = await this.#truth.size();
    if (this.#loads.length > 0 && memBytes <= (MAX_MIB - ROOM_MIB) * MIB) return;
    if (this.#loads.length > 0) await this.rest();
    await this.need();
  }

  /** Without looking: to begin somewhere else. */
  async become(kind: Kind): Promise<void> {
    await this.peers.become(kind);
    await this.reachMode();
  }

  /** The peer is replaced while connected, and memory is in use. */
  async switchTo(kind: Kind): Promise<Switch> {
    const { agent } = this.peers;
    const linesBefore = (await agent.log()).length;
    const connection = await this.#connection();
    const had = (await this.#truth.size()).memBytes;
    const watch = new Watch(this.#truth);
    try {
      const startedAt = performance.now();
      await this.peers.become(kind);
      const isNew = async () => (await this.#connection()) !== connection;
      await until("the agent has a new connection", isNew, WITHIN);
      await this.reachMode();
      const tookMs = Math.round(performance.now() - startedAt);
      const modes = (await agent.log())
        .slice(linesBefore)
        .filter(({ reason }) => reason === "mode-changed")
        .map((line) => String((line["data"] as { mode?: unknown } | undefined)?.mode));
      return { modes, tookMs, had, least: watch.leastBytes };
    } finally {
      await watch.stop();
    }
  }

  /** Watches the size while something else goes on. */
  async leastDuring<T>(work: () => Promise<T>): Promise<{ result: T; least: number }> {
    const watch = new Watch(this.#truth);
    try {
      const result = await work();
      return { result, least: watch.leastBytes };
    } finally {
      await watch.stop();
    }
  }

  /** The need ends. Resolves when the VM is small again. Throws if a load had ended before, or anything was killed. */
  async rest(): Promise<void> {
    const loads = this.#loads;
    this.#loads = [];
    this.#neededBytes = 0;
    for (const load of loads) {
      const code = await load.end();
      if (code !== ENDED_BY_TEST) throw new Error(`a load ended by itself, with ${code}`);
    }
    await this.expectNoKills();
    await until(
      `at most ${AT_REST_MIB} MiB`,
      async () => (await this.#truth.size()).memBytes <= AT_REST_MIB * MIB,
      WITHIN,
    );
  }

  async expectNoKills(): Promise<void> {
    const { oomKills } = await guestView(this.peers.guest);
    if (oomKills !== this.#oomKills) throw new Error("the guest's kernel killed a process");
  }

  /** For people, when a test failed. */
  async story(): Promise<string> {
    const { agent, guest } = this.peers;
    const monitor = await guest.exec("tail -n 15 /run/monitor.log");
    return `agent:\n${await agent.logTail(25)}\nmonitor:\n${monitor.stdout}`;
  }

  async stop(): Promise<void> {
    this.#truth.close();
    await this.peers.stop();
  }

  /** Names the agent's process and its connection; the status may show the old one for a moment. */
  async #connection(): Promise<string> {
    const { agent, guest } = this.peers;
    const { dials = 0, dialsFailed = 0 } = (await agent.vm(guest.name)).counters;
    return `${agent.pid} ${dials - dialsFailed}`;
  }
}
