// A monitor of the simulated fleet: protocol version 2 on one websocket, and a level that it says every five seconds.
import { encodeFromMonitor, encodeHandshakeReply, type FromMonitor } from "@selfscale/protocol";
import { type WebSocket } from "ws";
import { MIB } from "../harness/truth.ts";
import { BASE_BYTES } from "./fleet-qemu.ts";

/** While its size is not met, a monitor says its level this often; here it always does. */
const RESEND_MS = 5_000;
/** The agent's grid: each growth is one cell. */
const CELL_BYTES = 128 * MIB;
/** What is asked sooner after another ScaleRequest waits in the agent, as the protocol says. */
const LEGAL_PAUSE_MS = 1_000;

export type SimulatedMonitorOptions = Readonly<{
  uuid: string;
  /** The agent showed the size for the first time: both its connections of this VM work. */
  onReady: () => void;
  /** From asking for more until QEMU was told. */
  onGrown: (latencyMs: number) => void;
  /** One more frame came from the agent. */
  onFrame: () => void;
}>;

export class SimulatedMonitor {
  readonly #options: SimulatedMonitorOptions;
  #peer: WebSocket | null = null;
  #wantedBytes = BASE_BYTES;
  #nextId = 3;
  #isReady = false;
  #resend: NodeJS.Timeout | null = null;
  #saidAt = -Infinity;
  /** When it asked for the growth that QEMU has not been told of; null: none is due. */
  #askedAt: number | null = null;

  constructor(options: SimulatedMonitorOptions) {
    this.#options = options;
  }

  /** The agent's connection; a new one takes the place of the old one. */
  serve(peer: WebSocket): void {
    this.#peer = peer;
    peer.on("message", (data) => this.#hear((data as Buffer).toString()));
    peer.on("error", () => undefined); // its close event tells
    peer.on("close", () => {
      if (this.#resend !== null) clearInterval(this.#resend);
    });
  }

  /** Asks for one cell more. False: the protocol does not let it ask now. */
  grow(): boolean {
    const now = performance.now();
    if (this.#askedAt !== null || now - this.#saidAt < LEGAL_PAUSE_MS) return false;
    this.#wantedBytes += CELL_BYTES;
    this.#askedAt = now;
    this.#sayLevel();
    this.#resend?.refresh();
    return true;
  }

  /** QEMU was told a size: bytes, without base memory. */
  requested(bytes: number): void {
    if (this.#askedAt === null || bytes + BASE_BYTES < this.#wantedBytes) return;
    this.#options.onGrown(performance.now() - this.#askedAt);
    this.#askedAt = null;
  }

  get isWaiting(): boolean {
    return this.#askedAt !== null;
  }

  #hear(text: string): void {
    this.#options.onFrame();
    const frame = JSON.parse(text) as { type?: string; id: number };
    switch (frame.type) {
      case undefined: // the range: it has no type
        this.#greet();
        break;
      case "HealthCheck":
        this.#say({ type: "HealthCheck", id: frame.id });
        break;
      case "UpscaleNotification":
        this.#say({ type: "UpscaleConfirmation", id: frame.id });
        break;
      case "SizeReport":
        if (!this.#isReady) this.#options.onReady();
        this.#isReady = true;
        break;
      default: // ScaleResponse says what SizeReport and QEMU show
    }
  }

  #greet(): void {
    const reply = { version: 2, vm: this.#options.uuid, features: ["size-report"] };
    this.#peer?.send(encodeHandshakeReply(reply));
    this.#sayLevel();
    this.#resend = setInterval(() => this.#sayLevel(), RESEND_MS);
  }

  #sayLevel(): void {
    this.#saidAt = performance.now();
    const target = { cpu: 1, mem: this.#wantedBytes };
    this.#say({ type: "ScaleRequest", target, reason: "memory", id: (this.#nextId += 2) });
  }

  #say(message: FromMonitor): void {
    this.#peer?.send(encodeFromMonitor(message));
  }
}
