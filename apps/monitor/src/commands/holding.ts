// A reservation as `reserve` has it: bound to a connection, and asked for again on a new one when the monitor was started anew.
import { type IncomingMessage } from "node:http";
import { type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { open, textOf, UnreachableError } from "../local-api/client.ts";
import { type ReserveOptions } from "./reserve-options.ts";

export type Say = (line: string) => void;

/** A monitor that has not answered so long after the wait is over will not. */
const GRACE_MS = 5_000;
/** Between two attempts to reach a monitor that was there. It keeps what it had granted for half a minute. */
const RETRY_MS = { first: 200, factor: 1.5, most: 5_000 };
/** After a restart an agent may take a while to call. */
const AGAIN_MS = 60_000;

/** What the monitor says of the reservation: lines of JSON, the first when it is granted. */
type Word = Readonly<{ id?: string; state: string; text: string; error?: string }>;

/** Granted: the connection stands for it. `ended`: the last word on it, once the connection has ended. Never rejects. */
type Grant = Readonly<{ id: string; socket: Socket; ended: Promise<Word> }>;

/** No: the monitor's, or, without one, nobody's. */
export type Refusal = Readonly<{ problem: string; isHeard: boolean }>;

export type Asked = Holding | Refusal;

/** Asks, and waits for the answer. */
export async function ask(options: ReserveOptions): Promise<Asked> {
  const signal = new AbortController().signal;
  const answer = await post(options.socketPath, options.wish, options.waitMs, signal);
  return "problem" in answer ? answer : new Holding(options, answer);
}

export class Holding {
  readonly #options: ReserveOptions;
  readonly #grantedAt = performance.now();
  readonly #over = new AbortController();
  #grant: Grant;

  constructor(options: ReserveOptions, grant: Grant) {
    this.#options = options;
    this.#grant = grant;
  }

  /** Whoever has it open holds the reservation. */
  get socket(): Socket {
    return this.#grant.socket;
  }

  /** Until `release`: whatever becomes of the reservation is said, and what the monitor forgot is asked for again. */
  async keep(say: Say): Promise<void> {
    for (;;) {
      const word = await this.#grant.ended;
      if (this.#isOver()) return;
      if (word.state === "ended") {
        say(`the reservation has ended (${word.text}); the command goes on`);
        return;
      }
      say("the monitor is gone; the command goes on, and reserves again when there is one");
      const again = await this.#askAgain();
      if (this.#isOver()) return;
      if ("problem" in again) {
        say(`the reservation has ended (${again.problem}); the command goes on`);
        return;
      }
      this.#grant = again;
      say("the monitor is there again, and has the reservation");
    }
  }

  /** Says so on the connection itself: a process of the command may have inherited it, and live on. */
  release(): void {
    this.#over.abort();
    const { socket } = this;
    socket.end(() => socket.destroy());
  }

  /** A method, for it changes between two looks. */
  #isOver(): boolean {
    return this.#over.signal.aborted;
  }

  /** With its old number, so that it counts once; for as long as it still had. */
  async #askAgain(): Promise<Grant | Refusal> {
    const { socketPath, wish, holdMs } = this.#options;
    const { signal } = this.#over;
    let pauseMs = RETRY_MS.first;
    for (;;) {
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      pauseMs = Math.min(RETRY_MS.most, pauseMs * RETRY_MS.factor);
      const leftMs = holdMs === null ? null : holdMs - (performance.now() - this.#grantedAt);
      if (leftMs !== null && leftMs <= 0) return { problem: "its time is over", isHeard: true };
      const again = {
        ...{ ...wish, id: this.#grant.id, wait: `${AGAIN_MS}ms`, ifNotGranted: "proceed" },
        ...(leftMs === null ? {} : { hold: `${Math.ceil(leftMs)}ms` }),
      };
      const answer = await post(socketPath, again, AGAIN_MS, signal);
      if (!("problem" in answer) || answer.isHeard || signal.aborted) return answer;
    }
  }
}

async function post(
  socketPath: string,
  wish: Readonly<Record<string, unknown>>,
  waitMs: number,
  signal: AbortSignal,
): Promise<Grant | Refusal> {
  const request = { method: "POST", path: "/reservations", signal };
  const how = { body: JSON.stringify(wish), timeoutMs: waitMs + GRACE_MS };
  try {
    const response = await open(socketPath, request, how);
    if (response.statusCode === 200) return await granted(response);
    const { text, error } = parseWord(await textOf(response));
    return { problem: error ?? text, isHeard: true };
  } catch (error) {
    const isUnreachable = error instanceof UnreachableError;
    const { message } = error as Error;
    const problem = isUnreachable ? message : `the monitor went away: ${message}`;
    return { problem, isHeard: false };
  }
}

/** Rejects when it is cut off before its first line has come. */
function granted(response: IncomingMessage): Promise<Grant> {
  const { socket } = response;
  return new Promise((resolve, reject) => {
    let last = "";
    let rest = "";
    const ended = new Promise<Word>((tell) => {
      response.once("close", () => {
        tell(parseWord(last));
        reject(new Error("cut off")); // unless it was resolved
      });
    });
    response.on("error", () => {}); // the close that follows is what counts
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      last = lines.at(-1) ?? last;
      if (last !== "") resolve({ id: parseWord(last).id ?? "", socket, ended });
    });
  });
}

function parseWord(text: string): Word {
  try {
    const { state = "", text: said = "", ...more } = JSON.parse(text) as Partial<Word>;
    return { state, text: said, ...more };
  } catch {
    // Cut off, or no monitor of ours: what came is the best explanation there is.
    return { state: "", text: text.trim() };
  }
}
