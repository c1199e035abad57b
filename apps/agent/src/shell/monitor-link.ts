import fs from "node:fs";
import { type IncomingMessage } from "node:http";
import { type Socket } from "node:net";
import { type MonoMs, type VmEvent } from "@selfscale/core";
import { clipText, MAX_CLOSE_REASON_BYTES, MAX_FRAME_BYTES } from "@selfscale/protocol";
import { type Tape } from "@selfscale/recording";
import { WebSocket, type RawData } from "ws";
import { Backoff } from "./backoff.ts";
import { FrameGate } from "./frame-gate.ts";
import { dialOptions, sayTlsError, type MonitorTls } from "./monitor-tls.ts";
import { type ShellTimers } from "./timers.ts";

/** Unsent bytes after which the monitor is taken to have stopped reading. */
const MAX_UNSENT_BYTES = 256 * 1024;
/** A message in more pieces than this is not a frame of ours. */
const MAX_FRAGMENTS = 64;
/** A peer that does not answer our close within this is cut off. */
const CLOSE_WAIT_MS = 1_000;
/** What may be on its way when we close. A peer that says more does not listen, and is cut off. */
const MAX_LATE_BYTES = 64 * 1024;
/** Close codes of RFC 6455. */
const CLOSE_UNSUPPORTED = 1003;
const CLOSE_POLICY = 1008;
const CLOSE_GOING_AWAY = 1001;
/** HTTP status of a monitor that does not know us. */
const UNAUTHORIZED = 401;

type LinkCounter =
  "dials" | "dialsFailed" | "framesReceived" | "framesCoalesced" | "framesSent" | "floods";

export type LinkOptions = Readonly<{
  url: string;
  tokenFile: string | null;
  /** null: the url is ws. */
  tls: MonitorTls | null;
  timers: ShellTimers;
  now: () => MonoMs;
  onEvent: (event: VmEvent) => void;
  /** Called beside `link-closed` when no websocket came about. */
  onDialFailed: (problem: string) => void;
  /** One more of these happened: counters of the status. */
  count: (what: LinkCounter) => void;
  /** A new connection begins: where to write down what is said on it; null: nowhere. */
  record?: () => Tape | null;
}>;

type Connection = {
  readonly link: number;
  readonly socket: WebSocket;
  readonly gate: FrameGate;
  /** What the websocket runs on, once it is one. */
  tcp: Socket | null;
  readonly tape: Tape | null;
  openedAt: MonoMs | null;
};

/**
 * The connection to one VM's monitor: dials, dials again, hands over what is said. It knows
 * neither the handshake nor any message; the machine does.
 */
export class MonitorLink {
  readonly #options: LinkOptions;
  readonly #backoff: Backoff;
  #links = 0;
  #connection: Connection | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { reconnectMinMs, reconnectMaxMs } = options.timers;
    this.#backoff = new Backoff({ minMs: reconnectMinMs, maxMs: reconnectMaxMs });
  }

  start(): void {
    this.#dial();
  }

  /** On a link that is gone by now, nothing happens. */
  send(link: number, text: string): void {
    const connection = this.#current(link);
    if (connection === null) return;
    this.#options.count("framesSent");
    connection.tape?.said(text);
    connection.socket.send(text);
    if (connection.socket.bufferedAmount > MAX_UNSENT_BYTES) {
      this.#end(connection, "the monitor does not read what it is sent", CLOSE_POLICY);
    }
  }

  close(link: number, code: number, reason: string): void {
    const connection = this.#current(link);
    if (connection !== null) this.#end(connection, reason, code);
  }

  /** Hangs up and dials no more. */
  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#connection !== null) {
      this.#end(this.#connection, "the agent is stopping", CLOSE_GOING_AWAY);
    }
  }

  #current(link: number): Connection | null {
    const connection = this.#connection;
    return connection?.link === link && connection.openedAt !== null ? connection : null;
  }

  #dial(): void {
    this.#timer = null;
    const link = (this.#links += 1);
    const { url, tokenFile, tls, timers, now, onEvent, count } = this.#options;
    count("dials");
    const tape = this.#options.record?.() ?? null;
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, {
        headers: tokenFile === null ? {} : { Authorization: `Bearer ${readToken(tokenFile)}` },
        perMessageDeflate: false,
        maxPayload: MAX_FRAME_BYTES,
        maxFragments: MAX_FRAGMENTS,
        autoPong: false,
        followRedirects: false,
        ...(tls !== null && dialOptions(tls)),
      });
    } catch (error) {
      tape?.closed("us", null, sayError(error));
      this.#failed(link, sayError(error));
      this.#redial();
      return;
    }

    const gate = new FrameGate(
      now,
      (frame) => {
        if (frame !== null) onEvent({ kind: "frame-received", link, text: frame.toString() });
      },
      {
        pause: () => socket.pause(),
        resume: () => socket.resume(),
        coalesced: () => count("framesCoalesced"),
        flooded: () => {
          count("floods");
          this.#end(connection, "too many frames", CLOSE_POLICY);
        },
      },
    );
    const connection: Connection = { link, socket, gate, tape, tcp: null, openedAt: null };
    this.#connection = connection;
    this.#timer = setTimeout(() => {
      this.#end(connection, `no answer to the upgrade in ${timers.dialMs} ms`, null);
    }, timers.dialMs);
    this.#listen(connection);
  }

  #listen(connection: Connection): void {
    const { socket, gate, link } = connection;
    const { now, onEvent, count } = this.#options;
    socket.on("upgrade", (response) => (connection.tcp = response.socket));
    socket.on("open", () => {
      if (this.#connection !== connection) return;
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = null;
      connection.openedAt = now();
      connection.tape?.opened();
      onEvent({ kind: "link-opened", link });
    });
    socket.on("message", (data: RawData, isBinary: boolean) => {
      count("framesReceived");
      connection.tape?.heard(bytesOf(data).toString(), isBinary);
      if (isBinary) this.#end(connection, "a binary frame", CLOSE_UNSUPPORTED);
      else if (this.#connection === connection) gate.take(bytesOf(data));
    });
    socket.on("ping", (data) => {
      if (this.#connection !== connection) return;
      gate.take(null);
      socket.pong(data);
      if (socket.bufferedAmount > MAX_UNSENT_BYTES) {
        this.#end(connection, "the monitor does not read what it is sent", CLOSE_POLICY);
      }
    });
    socket.on("pong", () => {
      if (this.#connection === connection) gate.take(null);
    });
    socket.on("unexpected-response", (_request, response: IncomingMessage) => {
      this.#end(connection, this.#sayRefusal(response.statusCode ?? 0), null);
    });
    // An error is always followed by a close, which has less to say.
    socket.on("error", (error) => this.#end(connection, sayError(error), null));
    socket.on("close", (code, reason) => {
      connection.tape?.closed("peer", code, reason.toString());
      const words = reason.length > 0 ? `: ${reason.toString()}` : "";
      this.#end(connection, `the monitor closed the connection (${code}${words})`, null);
    });
  }

  /** 401 is about who we are, so it helps to know what we showed. */
  #sayRefusal(status: number): string {
    const { tokenFile, tls } = this.#options;
    const refusal = `the upgrade was refused with HTTP ${status}`;
    if (status !== UNAUTHORIZED) return refusal;
    const token = tokenFile === null ? "no token" : "a token";
    const certificate = (tls?.client ?? null) === null ? "no certificate" : "a certificate";
    return `${refusal} (shown: ${token}, ${certificate})`;
  }

  /** The connection is over, whoever ended it. `code`: what to tell the peer; null: cut it off. */
  #end(connection: Connection, problem: string, code: number | null): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    connection.gate.close();
    connection.tape?.closed("us", code, problem);
    hangUp(connection, code, problem);
    const { now, onEvent, timers } = this.#options;
    if (connection.openedAt === null) this.#failed(connection.link, problem);
    else {
      if (now() - connection.openedAt >= timers.reconnectResetMs) this.#backoff.reset();
      onEvent({ kind: "link-closed", link: connection.link, problem });
    }
    this.#redial();
  }

  #failed(link: number, problem: string): void {
    const { onEvent, onDialFailed, count } = this.#options;
    if (this.#isStopped) return;
    count("dialsFailed");
    onDialFailed(problem);
    onEvent({ kind: "link-closed", link, problem: `no connection: ${problem}` });
  }

  #redial(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => this.#dial(), this.#backoff.next());
  }
}

function hangUp(connection: Connection, code: number | null, reason: string): void {
  const { socket, tcp, openedAt } = connection;
  if (openedAt !== null && code !== null && socket.readyState === WebSocket.OPEN) {
    socket.close(code, clipText(reason, MAX_CLOSE_REASON_BYTES));
  }
  // After a frame it can't take, ws closes by itself and says why (1009, 1002).
  if (openedAt === null || socket.readyState !== WebSocket.CLOSING) {
    socket.terminate();
    return;
  }
  const readBytes = tcp?.bytesRead ?? 0;
  tcp?.on("data", () => {
    if (tcp.bytesRead - readBytes > MAX_LATE_BYTES) socket.terminate();
  });
  socket.resume(); // a paused socket would never see the answer
  const timer = setTimeout(() => socket.terminate(), CLOSE_WAIT_MS);
  socket.on("close", () => clearTimeout(timer));
}

/** Thrown before anything is sent. It never shows the token. */
function readToken(file: string): string {
  const token = fs.readFileSync(file, "utf8").trim();
  // Printable ASCII: what a header can carry.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error(`${file} holds no token that can be sent`);
  return token;
}

function bytesOf(data: RawData): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.concat([data].flat() as Buffer[]);
}

/** The stable part of an error: node's code where there is one. */
function sayError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A name with several addresses fails with all their errors in one.
  const cause = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { code, message } = cause as NodeJS.ErrnoException;
  const problem = sayTlsError(cause as NodeJS.ErrnoException);
  if (problem !== null) return problem;
  return message !== "" ? message : (code ?? "unknown error");
}
