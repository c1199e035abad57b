// One agent and its guests, wired as an operator would: sockets, ports, bounds, cgroup. Closed in one call.
import { AgentProcess, type VmLadder } from "./agent-process.ts";
import { startGuest, type Guest, type GuestOptions } from "./guest.ts";
import { Truth } from "./truth.ts";

/** The VM of the documentation: 1 vCPU and 512 MiB, up to 4 vCPUs and 2.5 GiB. */
export const DEMO_BOUNDS = {
  min: { cpu: 1, mem: "512Mi" },
  max: { cpu: 4, mem: "2560Mi" },
};

export type StackOptions = Readonly<{
  guests: readonly GuestOptions[];
  node?: Readonly<{ cpu: number; mem: string }>;
  /** Changes to one VM's entry in the agent's configuration, by the guest's name. */
  vms?: Readonly<Record<string, Record<string, unknown>>>;
  agent?: Readonly<Record<string, unknown>>;
}>;

export class Stack {
  readonly agent: AgentProcess;
  readonly guests: readonly Guest[];
  readonly truths: readonly Truth[];

  private constructor(agent: AgentProcess, guests: readonly Guest[], truths: readonly Truth[]) {
    this.agent = agent;
    this.guests = guests;
    this.truths = truths;
  }

  static async start(options: StackOptions): Promise<Stack> {
    const guests: Guest[] = [];
    try {
      // One after another: two guests that boot at once take longer than twice as long.
      for (const guest of options.guests) guests.push(await startGuest(guest));
      const truths = await Promise.all(guests.map((guest) => Truth.open(guest.truthPath)));
      const agent = await AgentProcess.start({
        node: options.node ?? { cpu: 8, mem: "8Gi" },
        vms: guests.map((guest) => ({ ...entryFor(guest), ...options.vms?.[guest.name] })),
        ...options.agent,
      });
      return new Stack(agent, guests, truths);
    } catch (error) {
      for (const guest of guests) await guest.kill();
      throw error;
    }
  }

  /** The first guest, its truth and its ladder: most stories have one VM. */
  get guest(): Guest {
    return required(this.guests[0]);
  }

  get truth(): Truth {
    return required(this.truths[0]);
  }

  async ladder(index = 0): Promise<VmLadder> {
    return await this.agent.vm(required(this.guests[index]).name);
  }

  async stop(): Promise<void> {
    for (const truth of this.truths) truth.close();
    await this.agent.stop();
    for (const guest of this.guests) await guest.kill();
  }
}

/** One VM of the agent's configuration. */
export function entryFor(guest: Guest): Record<string, unknown> {
  return {
    name: guest.name,
    qmp: `unix:${guest.qmpPath}`,
    monitor: guest.monitorUrl,
    bounds: DEMO_BOUNDS,
    ...(guest.cgroup === null ? {} : { cgroup: guest.cgroup }),
  };
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("there is no such guest in this stack");
  return value;
}
