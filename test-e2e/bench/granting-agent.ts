// An agent with a hypervisor that grants at once: it makes a pretended machine larger in the moment in which it is asked, and says so as
// the real one does. Whatever a reservation takes beyond that is not the plug.
import { once } from "node:events";
import { cpus } from "node:os";
import {
  decodeFromMonitor,
  decodeHandshakeReply,
  encodeFromAgent,
  encodeRange,
  type FromAgent,
  offeredRange,
} from "@selfscale/protocol";
import { WebSocket } from "ws";
import { BLOCK_BYTES, type PretendedMachine } from "./pretended-machine.ts";

const HEALTH_EVERY_MS = 5_000;
const MAX_BYTES = 1024 ** 4;

export class GrantingAgent {
  readonly #socket: WebSocket;
  readonly #machine: PretendedMachine;
  readonly #health: NodeJS.Timeout;
  #id = 0;
  /** How often it made the machine larger. */
  grants = 0;

  private constructor(socket: WebSocket, machine: PretendedMachine) {
    this.#socket = socket;
    this.#machine = machine;
    socket.on("message", (data) => this.#hear((data as Buffer).toString()));
    this.#health = setInterval(() => {
      this.#say({ type: "HealthCheck", content: {}, id: this.#nextId() });
    }, HEALTH_EVERY_MS);
    this.#report();
  }

  /** Connected, and the monitor knows the size. */
  static async connect(port: number, machine: PretendedMachine): Promise<GrantingAgent> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/monitor`);
    await once(socket, "open");
    const offered = offeredRange();
    socket.send(encodeRange(offered));
    const [reply] = (await once(socket, "message")) as [Buffer];
    const decoded = decodeHandshakeReply(reply.toString(), offered);
    if (!decoded.ok) throw new Error(decoded.problem);
    return new GrantingAgent(socket, machine);
  }

  end(): void {
    clearInterval(this.#health);
    this.#socket.terminate();
  }

  #hear(text: string): void {
    const decoded = decodeFromMonitor(text);
    if (!decoded.ok || decoded.message.type !== "ScaleRequest") return;
    const { target, id } = decoded.message;
    const isMore = target.mem > this.#machine.bytes;
    if (isMore) {
      this.grants += 1;
      this.#machine.grow(Math.ceil(target.mem / BLOCK_BYTES) * BLOCK_BYTES);
    }
    const resources = { cpu: { outcome: "accepted" }, mem: { outcome: "accepted" } } as const;
    const permit = this.#size();
    const response = { outcome: "accepted", resources, permit } as const;
    this.#say({ type: "ScaleResponse", content: response, id });
    if (!isMore) return;
    this.#say({
      type: "UpscaleNotification",
      content: { granted: this.#size() },
      id: this.#nextId(),
    });
    this.#report();
  }

  #report(): void {
    const size = this.#size();
    const { cpu } = size;
    // Nothing is to shrink here: it may not have less than it has.
    const bounds = { min: size, max: { cpu, mem: MAX_BYTES } };
    const content = { actual: size, requested: size, permit: size, bounds };
    const step = { cpu, mem: BLOCK_BYTES };
    this.#say({ type: "SizeReport", content: { ...content, step }, id: this.#nextId() });
  }

  #size(): Readonly<{ cpu: number; mem: number }> {
    return { cpu: cpus().length, mem: this.#machine.bytes };
  }

  #say(message: FromAgent): void {
    this.#socket.send(encodeFromAgent(message));
  }

  #nextId(): number {
    return (this.#id += 2);
  }
}
