// One websocket connection as the kit sees it: it says exactly what it is told to, waits for what it is asked to, and
// remembers every frame with its time.
import { performance } from "node:perf_hooks";
import { WebSocket, type RawData } from "ws";
import { Broken, clip, type Line } from "./check.ts";

/** A frame of the subject, and what it is as a JSON object; null when it is none. */
export type Frame = Readonly<{
  atMs: number;
  text: string;
  isBinary: boolean;
  json: Readonly<Record<string, unknown>> | null;
}>;

export type Closed = Readonly<{ code: number; reason: string; atMs: number }>;

/** Called for each frame of the subject as it arrives, before anybody waits for it. */
export type Listener = (frame: Frame, wire: Wire) => void;

/** Called for everything said on a connection, frames whole, as it happens. */
export type LineListener = (line: Line, wire: Wire) => void;

export class Wire {
  readonly socket: WebSocket;
  readonly lines: Line[] = [];
  /** The subject's frames, all of them. */
  readonly frames: Frame[] = [];
  closed: Closed | null = null;
  readonly #onLine: LineListener;
  readonly #listeners: Listener[] = [];
  readonly #wakers = new Set<() => void>();
  #read = 0;

  constructor(socket: WebSocket, onLine: LineListener = () => undefined) {
    this.socket = socket;
    this.#onLine = onLine;
    socket.on("message", (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on("close", (code, reason) => this.#onClose(code, reason.toString()));
    socket.on("error", (error) => this.note(`error: ${error.message}`));
  }

  get isOpen(): boolean {
    return this.closed === null && this.socket.readyState === WebSocket.OPEN;
  }

  /** Sends this text as one frame, whatever it is. */
  say(text: string, isBinary = false): void {
    if (isBinary) this.note("the next frame is binary");
    this.#record("kit", text);
    this.socket.send(text, { binary: isBinary }, () => undefined); // a failed write shows as "closed"
  }

  /** Something that the report's reader must know and that is no frame. */
  note(text: string): void {
    this.#record("note", text);
  }

  onFrame(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /**
   * The first frame that matches, among those not yet taken; frames before it are passed over. Throws Broken when none
   * comes in time or the connection closes first.
   */
  async next(what: string, matches: (frame: Frame) => boolean, withinMs: number): Promise<Frame> {
    const found = await this.#wait(withinMs, () => {
      while (this.#read < this.frames.length) {
        const frame = this.frames[this.#read++];
        if (frame !== undefined && matches(frame)) return frame;
      }
      return null;
    });
    if (found === null) throw this.#missing(what, withinMs);
    return found;
  }

  /** Watches for `forMs`; throws Broken if such a frame comes, or has come and was not taken. */
  async never(what: string, matches: (frame: Frame) => boolean, forMs: number): Promise<void> {
    const from = this.#read;
    const found = await this.#wait(forMs, () => this.frames.slice(from).find(matches) ?? null);
    if (found !== null) throw new Broken(`${what} came: ${clip(found.text)}`);
  }

  /** What `look` finds, now or after a later frame. Takes no frame. Throws Broken as `next` does. */
  async until<T>(what: string, look: () => T | null, withinMs: number): Promise<T> {
    const found = await this.#wait(withinMs, look);
    if (found === null) throw this.#missing(what, withinMs);
    return found;
  }

  /** Forgets what has come so far: `next` then only takes what comes later. */
  skip(): void {
    this.#read = this.frames.length;
  }

  /** Lets time pass; shorter if the connection closes. */
  async pause(forMs: number): Promise<void> {
    await this.#wait(forMs, () => null);
  }

  /** How the subject closed the connection. Throws Broken when it did not in time. */
  async closing(withinMs: number): Promise<Closed> {
    const closed = await this.#wait(withinMs, () => this.closed, false);
    if (closed === null) throw new Broken(`the connection was not closed within ${withinMs} ms`);
    return closed;
  }

  /** Ends it from our side, with a close handshake. */
  async hangUp(code = 1000): Promise<void> {
    this.socket.close(code);
    const timer = setTimeout(() => this.socket.terminate(), 1_000);
    await this.#wait(2_000, () => this.closed, false);
    clearTimeout(timer);
  }

  /** Ends it as a killed process does. */
  cut(): void {
    this.note("the kit cuts the connection");
    this.socket.terminate();
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    const text = (data as Buffer).toString();
    const frame: Frame = { atMs: performance.now(), text, isBinary, json: readJson(text) };
    this.#record("subject", isBinary ? `(binary) ${text}` : text);
    this.frames.push(frame);
    for (const listener of this.#listeners) listener(frame, this);
    this.#wake();
  }

  #onClose(code: number, reason: string): void {
    this.closed = { code, reason, atMs: performance.now() };
    this.note(`closed: ${sayClosed(this.closed)}`);
    this.#wake();
  }

  #record(who: Line["who"], text: string): void {
    const line: Line = { atMs: performance.now(), who, text };
    this.lines.push(line);
    this.#onLine(line, this);
  }

  #missing(what: string, withinMs: number): Broken {
    if (this.closed === null) return new Broken(`${what} did not come within ${withinMs} ms`);
    return new Broken(`the connection closed (${sayClosed(this.closed)}) before ${what} came`);
  }

  #wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }

  /** What `look` finds, or null when time is up, or (unless told otherwise) the connection is over. */
  #wait<T>(withinMs: number, look: () => T | null, endsWithConnection = true): Promise<T | null> {
    return new Promise((resolve) => {
      const finish = (found: T | null) => {
        clearTimeout(timer);
        this.#wakers.delete(wake);
        resolve(found);
      };
      const wake = () => {
        const found = look();
        if (found !== null || (endsWithConnection && this.closed !== null)) finish(found);
      };
      const timer = setTimeout(() => finish(look()), withinMs);
      this.#wakers.add(wake);
      wake();
    });
  }
}

export function sayClosed({ code, reason }: Readonly<{ code: number; reason: string }>): string {
  return reason === "" ? String(code) : `${code} ${JSON.stringify(reason)}`;
}

function readJson(text: string): Frame["json"] {
  try {
    const json: unknown = JSON.parse(text);
    const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
    return isObject ? (json as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
