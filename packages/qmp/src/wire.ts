// One open socket: lines to messages, answers to their commands, events to whoever listens. It
// knows no command by name. It ends once, for one reason, and everything that waits learns that
// reason.
import { type Socket } from "node:net";
import { type Limits, type Settlers, waitWithin } from "./deadline.ts";
import {
  QmpBusyError,
  QmpCommandError,
  type QmpEnd,
  type QmpEndReason,
  QmpLostError,
  QmpTimeoutError,
  QmpUnexpectedReplyError,
} from "./errors.ts";
import { InFlight, type Outcome } from "./in-flight.ts";
import { LineSplitter, type SplitProblem } from "./line-splitter.ts";
import { type Message, parseMessage, type QmpGreeting, type RawEvent } from "./message.ts";

export type WireLimits = Readonly<{ maxLineBytes: number; maxUnanswered: number }>;

/** What a waiter is told when the connection ends first. */
type Waiter = (end: QmpEnd) => void;

/** What the system says when the other side is gone. Anything else is the system's own trouble. */
const PEER_LEFT = new Set(["ECONNRESET", "EPIPE"]);

export class QmpWire {
  /** Resolves once, never rejects. */
  readonly closed: Promise<QmpEnd>;
  readonly #socket: Socket;
  readonly #maxLineBytes: number;
  readonly #lines: LineSplitter;
  readonly #inFlight: InFlight;
  readonly #waiters = new Set<Waiter>();
  readonly #onEvent: (event: RawEvent) => void;
  #onGreeting: ((greeting: QmpGreeting) => void) | null = null;
  #greeting: QmpGreeting | null = null;
  #hasHeard = false;
  #strayReplies = 0;
  #end: QmpEnd | null = null;
  #resolveClosed: (end: QmpEnd) => void = () => undefined;

  /** Takes the open socket over. */
  constructor(socket: Socket, limits: WireLimits, onEvent: (event: RawEvent) => void) {
    this.#socket = socket;
    this.#maxLineBytes = limits.maxLineBytes;
    this.#lines = new LineSplitter(limits.maxLineBytes);
    this.#inFlight = new InFlight(limits.maxUnanswered);
    this.#onEvent = onEvent;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    socket.on("data", (chunk: Buffer) => {
      this.#read(chunk);
    });
    socket.on("end", () => {
      const where = this.#lines.isMidLine ? " in the middle of a line" : "";
      this.end("ended-by-peer", `QEMU ended it${where}`);
    });
    // Errors after the end are the echo of our own destroy(): the reason is known already.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const isPeer = PEER_LEFT.has(error.code ?? "");
      this.end(isPeer ? "ended-by-peer" : "socket-failed", error.message, error);
    });
    socket.on("close", () => {
      this.end("socket-failed", "the socket closed");
    });
  }

  /** Whether the peer has said anything at all. */
  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /** Answers that nobody waited for: late, doubled, or with an id never given. */
  get strayReplies(): number {
    return this.#strayReplies;
  }

  get unanswered(): number {
    return this.#inFlight.size;
  }

  /** How it ended; null while it lives. */
  get ended(): QmpEnd | null {
    return this.#end;
  }

  /** The first line. Rejects with `onDeadline()` when it does not come, QmpLostError at the end. */
  greeting(limits: Limits, onDeadline: () => Error): Promise<QmpGreeting> {
    return waitWithin<QmpGreeting>(limits, onDeadline, (settlers) => {
      const release = this.awaitEnd("greeting", settlers);
      this.#onGreeting = (greeting) => {
        release();
        settlers.resolve(greeting);
      };
      return release;
    });
  }

  /** Sends one command and waits for its answer. */
  async roundTrip(command: string, args: object, limits: Limits): Promise<unknown> {
    if (this.#end !== null) throw new QmpLostError(command, false, this.#end);
    const payload = JSON.stringify({ execute: command, arguments: args }).slice(0, -1); // no brace
    const onDeadline = () => new QmpTimeoutError(command, limits.timeoutMs);
    return await waitWithin<unknown>(limits, onDeadline, (settlers) => {
      const id = this.#inFlight.add((outcome) => {
        if (outcome.kind === "returned") settlers.resolve(outcome.value);
        else settlers.reject(errorOf(command, outcome));
      });
      if (id === null) {
        settlers.reject(new QmpBusyError(command, this.#inFlight.size));
        return () => undefined;
      }
      this.#socket.write(`${payload},"id":${id}}\n`);
      return () => {
        this.#inFlight.abandon(id);
      };
    });
  }

  /** Rejects the wait for something that no command asked for when the connection ends. Returns how to stop caring. */
  awaitEnd(awaited: string, settlers: Pick<Settlers<never>, "reject">): () => void {
    const waiter: Waiter = (end) => {
      settlers.reject(new QmpLostError(awaited, false, end));
    };
    if (this.#end !== null) waiter(this.#end);
    else this.#waiters.add(waiter);
    return () => this.#waiters.delete(waiter);
  }

  /** Ends it now. The first reason counts; later calls do nothing. */
  end(reason: QmpEndReason, message: string, cause: unknown = null): void {
    if (this.#end !== null) return;
    this.#end = { reason, message, cause };
    this.#socket.destroy();
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    this.#inFlight.lose(this.#end);
    for (const waiter of waiters) waiter(this.#end);
    this.#resolveClosed(this.#end);
  }

  #read(chunk: Buffer): void {
    if (this.#end !== null) return;
    this.#hasHeard = true;
    const { lines, problem } = this.#lines.push(chunk);
    for (const line of lines) {
      const message = parseMessage(line);
      if (message !== null) this.#receive(message);
      if (this.ended !== null) return; // by this message, or by what its listener did
    }
    if (problem !== null) this.#giveUpOn(problem);
  }

  #giveUpOn(problem: SplitProblem): void {
    if (problem === "line-too-long") {
      this.end("line-too-long", `more than ${this.#maxLineBytes} bytes without a newline`);
    } else {
      this.end("garbage", "a line is not UTF-8");
    }
  }

  #receive(message: Message): void {
    switch (message.kind) {
      case "greeting":
        if (this.#greeting !== null) {
          this.end("garbage", "greeted twice");
          return;
        }
        this.#greeting = message.greeting;
        this.#onGreeting?.(message.greeting);
        return;
      case "event":
        this.#deliverEvent(message.event);
        return;
      case "reply":
        if (!this.#inFlight.deliver(message.id, message.outcome)) this.#strayReplies += 1;
        return;
      case "problem":
        this.end("garbage", message.problem);
        return;
      default:
        message satisfies never;
    }
  }

  /** A listener that throws must not take the process down, nor be forgotten. */
  #deliverEvent(event: RawEvent): void {
    try {
      this.#onEvent(event);
    } catch (error) {
      this.end("listener-failed", `a listener of ${event.name} threw`, error);
    }
  }
}

function errorOf(command: string, outcome: Exclude<Outcome, { kind: "returned" }>): Error {
  switch (outcome.kind) {
    case "lost":
      return new QmpLostError(command, true, outcome.end);
    case "malformed":
      return new QmpUnexpectedReplyError(command, outcome.problem);
    case "refused":
      return new QmpCommandError(command, outcome.errorClass, outcome.description);
    default:
      return outcome satisfies never;
  }
}
