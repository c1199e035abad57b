import { type Duplex } from "node:stream";
import { MAX_CLOSE_REASON_BYTES, MAX_FRAME_BYTES } from "@selfscale/protocol";
import { type RawData, WebSocket } from "ws";
import { limitBytes } from "./byte-limit.ts";
import { noteEnd } from "./taped-socket.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Bytes that may wait for a slow reader. An agent reads a few hundred per second at most. */
const MAX_BUFFERED_BYTES = 256 * 1024;
/**
 * Frames and pings a peer may send: a burst, and one every 20 ms. Legal traffic is a tenth of
 * that, and every one costs the guest CPU that it may not have.
 */
const FRAME_BURST = 200;
const FRAME_EVERY_MS = 20;
const POLICY_VIOLATION = 1008;
/** A peer that does not answer our close frame is cut off. */
const CLOSE_TIMEOUT_MS = 1_000;
/** What may be on its way when a link ends. Whoever sends more does not listen, and is cut off. */
const MAX_LATE_BYTES = MAX_FRAME_BYTES;

/** What a link is made of. `onEnd` is called exactly once. */
export type LinkOptions = Readonly<{
  number: number;
  peer: WebSocket;
  /** What the websocket runs on. */
  socket: Duplex;
  now: number;
  onFrame(text: string): void;
  onEnd(problem: string): void;
}>;

/** One connection after its handshake. Once ended it hears and says nothing more. */
export class Link {
  readonly number: number;
  readonly #peer: WebSocket;
  readonly #options: LinkOptions;
  readonly #budget: TokenBucket;
  #isEnded = false;

  constructor(options: LinkOptions) {
    this.number = options.number;
    this.#peer = options.peer;
    this.#options = options;
    this.#budget = new TokenBucket({
      capacity: FRAME_BURST,
      refillEveryMs: FRAME_EVERY_MS,
      now: options.now,
    });
    this.#peer.on("message", (data) => this.#onMessage(data));
    this.#peer.on("ping", (data) => this.#onPing(data));
    this.#peer.on("pong", () => this.#isWithinBudget());
    this.#peer.on("close", (code) => this.#end(`closed by the agent (${code})`));
    this.#peer.on("error", (error) => this.#end(error.message));
  }

  send(text: string): void {
    if (this.#canSend()) this.#peer.send(text, () => undefined); // a failed write shows as "close" too
  }

  close(code: number, reason: string): void {
    if (this.#isEnded) return;
    closeSoon(this.#peer, code, reason);
    this.#end(reason);
  }

  /** Binary frames are taken as text, as deployed agents do: what is not JSON is then counted. */
  #onMessage(data: RawData): void {
    if (this.#isEnded || !this.#isWithinBudget()) return;
    this.#options.onFrame(textOf(data));
  }

  #onPing(data: Buffer): void {
    if (!this.#isEnded && this.#isWithinBudget() && this.#canSend()) this.#peer.pong(data);
  }

  #canSend(): boolean {
    if (this.#isEnded || this.#peer.readyState !== WebSocket.OPEN) return false;
    if (this.#peer.bufferedAmount <= MAX_BUFFERED_BYTES) return true;
    this.#cut("the agent does not read");
    return false;
  }

  #isWithinBudget(): boolean {
    if (this.#isEnded || this.#budget.take(performance.now())) return true;
    this.close(POLICY_VIOLATION, "too many frames");
    this.#peer.pause(); // the rest of the flood stays in the sender's buffers
    return false;
  }

  /** Without a close handshake: nobody is there to answer it. */
  #cut(problem: string): void {
    noteEnd(this.#peer, null, problem);
    this.#peer.terminate();
    this.#end(problem);
  }

  #end(problem: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    limitBytes(this.#options.socket, MAX_LATE_BYTES, () => this.#peer.terminate());
    this.#options.onEnd(problem);
  }
}

/** Says why, then makes sure it ends. Our own reasons are ASCII, so characters are bytes. */
export function closeSoon(peer: WebSocket, code: number, reason: string): void {
  noteEnd(peer, code, reason);
  peer.close(code, reason.slice(0, MAX_CLOSE_REASON_BYTES));
  const timer = setTimeout(() => peer.terminate(), CLOSE_TIMEOUT_MS);
  peer.once("close", () => clearTimeout(timer));
}

/** ws hands out Buffers as long as `binaryType` is its default. */
export function textOf(data: RawData): string {
  return (data as Buffer).toString();
}
