// Three VMs on a node with room for one of them: one story, told by the demo and judged by a test.
// Bronze grows into room that nobody else needs; gold and silver need it; bronze is asked for it back, and agrees.
import { type AgentProcess } from "./agent-process.ts";
import { type Guest } from "./guest.ts";
import { DEMO_BOUNDS, Stack } from "./stack.ts";
import { MIB } from "./truth.ts";
import { until } from "./until.ts";

export const OVERHEAD_MIB = 256;
/** To be handed out among three guests, of which each may have 2560. */
export const ROOM_MIB = 3072;
export const NODE_MIB = ROOM_MIB + 3 * OVERHEAD_MIB;
const NODE_CPU = 8;

/** By the names below; a VM's share of the room is by its weight. */
export const WEIGHTS = { gold: 2, silver: 1, bronze: 1 } as const;
export type Name = keyof typeof WEIGHTS;
/** Of its 1536 MiB by weight, at least: a VM that runs out is served before comfort. */
export const GOLD_GETS_MIB = 1280;
const NAMES = ["gold", "silver", "bronze"] as const;
const IDENTITIES = { gold: "a", silver: "b", bronze: "c" } as const;

/**
 * What the loads take, and how fast. With what a guest uses anyway gold wants its whole share, and silver no more than its
 * own: what it used beyond that before gold needed it, its monitor would rightly not give back.
 */
const LOADS = {
  bronze: { mib: 1300, rate: 150 },
  gold: { mib: 1000, rate: 60 },
  silver: { mib: 200, rate: 40 },
};
/** Longer than the story. */
const HOLD_S = 600;

export class Contention {
  readonly stack: Stack;

  private constructor(stack: Stack) {
    this.stack = stack;
  }

  static async start(agent: Readonly<Record<string, unknown>> = {}): Promise<Contention> {
    const stack = await Stack.start({
      // The default preset: what bronze got it keeps wanting for a while, so that it must be asked.
      guests: NAMES.map((name) => ({ name, identity: IDENTITIES[name], monitorArgs: [] })),
      node: { cpu: NODE_CPU, mem: `${NODE_MIB}Mi` },
      vms: Object.fromEntries(
        NAMES.map((name) => [name, { bounds: DEMO_BOUNDS, weight: WEIGHTS[name] }]),
      ),
      agent: { ...agent },
    });
    return new Contention(stack);
  }

  get agent(): AgentProcess {
    return this.stack.agent;
  }

  /** All three monitors decide. */
  async atRest(): Promise<void> {
    for (const name of NAMES) {
      await until(`the monitor of ${name} decides`, async () => {
        return (await this.agent.vm(name)).mode === "compute-controlled";
      });
    }
  }

  /** Bronze needs memory for a while, and gets what nobody else wants. Resolves when its load has ended. */
  async lend(): Promise<void> {
    const { mib, rate } = LOADS.bronze;
    const { code, stderr } = await this.guest("bronze").exec(
      `touch-loop --mib ${mib} --rate ${rate} --hold 1`,
      { timeoutMs: 120_000 },
    );
    if (code !== 0) throw new Error(`the load of bronze ended with ${code}: ${stderr}`);
  }

  /** Gold and silver need more than is free; their loads go on until the guests end. */
  contend(): void {
    for (const name of ["gold", "silver"] as const) {
      const { mib, rate } = LOADS[name];
      const command = `touch-loop --mib ${mib} --rate ${rate} --hold ${HOLD_S}`;
      this.guest(name)
        .exec(command, { timeoutMs: HOLD_S * 1000 })
        .catch(() => undefined);
    }
  }

  /** Both were told that there is no room. */
  async waiting(): Promise<void> {
    await until("gold and silver wait for room", async () => {
      const [gold, silver] = [await this.agent.vm("gold"), await this.agent.vm("silver")];
      return gold.reason === "node-full" && silver.reason === "node-full";
    });
  }

  /** Everybody has its share, by QEMU's word, and gold, who needs most, has most. */
  async shared(): Promise<void> {
    await until(
      "each has its share of the room",
      async () => {
        const vms = await Promise.all(NAMES.map((name) => this.agent.vm(name)));
        const sizes = await Promise.all(NAMES.map((name) => this.memMiB(name)));
        const isMet = vms.every(({ sharing }, index) => {
          return sharing.recall === null && sharing.share.memBytes / MIB === sizes[index];
        });
        return isMet && (sizes[0] ?? 0) >= GOLD_GETS_MIB;
      },
      { withinMs: 90_000 },
    );
  }

  guest(name: Name): Guest {
    const found = this.stack.guests.find((guest) => guest.name === name);
    if (found === undefined) throw new Error(`there is no guest ${name}`);
    return found;
  }

  /** What counts for the node: the larger of what QEMU was told and what the guest holds. By QMP, not by the agent. */
  async memMiB(name: Name): Promise<number> {
    const size = await this.stack.truths[NAMES.indexOf(name)]?.size();
    if (size === undefined) throw new Error(`there is no guest ${name}`);
    return Math.max(size.memBytes, size.requestedBytes) / MIB;
  }

  async stop(): Promise<void> {
    await this.stack.stop();
  }
}
