import { type Tape } from "@selfscale/recording";
import { WebSocket } from "ws";

type BufferLike = Parameters<WebSocket["send"]>[0];
type Done = (error?: Error) => void;

/** A websocket that can have a witness: everything that is heard and said on it, whoever listens or speaks. */
export class TapedSocket extends WebSocket {
  #tape: Tape | null = null;

  /** Called before anybody else listens, so that a question is noted before its answer. */
  witness(tape: Tape): void {
    this.#tape = tape;
    tape.opened();
    // ws hands out Buffers as long as `binaryType` is its default.
    this.on("message", (data, isBinary) => tape.heard((data as Buffer).toString(), isBinary));
    this.on("error", (error) => tape.closed("peer", null, error.message));
    this.on("close", (code, reason) => tape.closed("peer", code, reason.toString()));
  }

  /** We are about to end it: said so, for `close` is also called by ws itself, to answer the peer's. */
  noteEnd(code: number | null, problem: string): void {
    this.#tape?.closed("us", code, problem);
  }

  override send(data: BufferLike, options?: object | Done, done?: Done): void {
    if (typeof data === "string") this.#tape?.said(data);
    if (typeof options === "object") super.send(data, options, done);
    else super.send(data, options);
  }
}

/** Has everything on this connection written down, from now on. */
export function witness(peer: WebSocket, tape: Tape | null): void {
  if (tape !== null && peer instanceof TapedSocket) peer.witness(tape);
}

/** Says on the tape, if there is one, that we end this connection and why. */
export function noteEnd(peer: WebSocket, code: number | null, problem: string): void {
  if (peer instanceof TapedSocket) peer.noteEnd(code, problem);
}
