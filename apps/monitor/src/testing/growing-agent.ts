import { decodeFromMonitor, encodeFromAgent, type FromAgent } from "@selfscale/protocol";
import { type FakeMachine } from "./machine.ts";
import { Peer } from "./peer.ts";

const MIB = 1024 ** 2;
const BLOCK_MIB = 128;
/** Of the fake machine: RAM − MemTotal. */
const KERNEL_MIB = 512 - 404;

/** An agent that gives what is asked for at once, up to `mostMib`: it plugs into the fake machine and says so. */
export class GrowingAgent {
  readonly peer: Peer;
  readonly #machine: FakeMachine;
  mostMib = 2048;
  /** Set: it grants nothing, and says that the node is full. */
  isFull = false;
  #haveMib = 512;
  #id = 2;

  private constructor(peer: Peer, machine: FakeMachine) {
    this.peer = peer;
    this.#machine = machine;
    peer.ws.on("message", (data) => this.#hear((data as Buffer).toString()));
  }

  static async connect(port: number, machine: FakeMachine): Promise<GrowingAgent> {
    const peer = await Peer.shake(port, '{"min":1,"max":2,"features":["size-report"]}');
    const agent = new GrowingAgent(peer, machine);
    agent.report();
    return agent;
  }

  report(): void {
    const size = { cpu: 1, mem: this.#haveMib * MIB };
    this.#tell({
      type: "SizeReport",
      content: {
        ...{ actual: size, requested: size, permit: size },
        bounds: { min: { cpu: 1, mem: 512 * MIB }, max: { cpu: 1, mem: this.mostMib * MIB } },
        step: { cpu: 0.25, mem: BLOCK_MIB * MIB },
        ...(this.isFull ? { reason: "node-full" } : {}),
      },
      id: this.#next(),
    });
  }

  #hear(text: string): void {
    const decoded = decodeFromMonitor(text);
    if (!decoded.ok || decoded.message.type !== "ScaleRequest" || this.isFull) return;
    const wantMib = Math.min(decoded.message.target.mem / MIB, this.mostMib);
    if (wantMib <= this.#haveMib) return;
    const blocks = wantMib / BLOCK_MIB;
    const before = this.#haveMib / BLOCK_MIB;
    for (let block = before; block < blocks; block++) this.#machine.setBlock(block, "online");
    this.#haveMib = wantMib;
    const totalBytes = (wantMib - KERNEL_MIB) * MIB;
    this.#machine.set({ totalBytes, availableBytes: totalBytes - 44 * MIB });
    this.report();
  }

  #tell(message: FromAgent): void {
    this.peer.ws.send(encodeFromAgent(message));
  }

  #next(): number {
    return (this.#id += 2);
  }
}
