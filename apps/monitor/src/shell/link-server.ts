import http from "node:http";
import { type AddressInfo } from "node:net";
import { type Duplex } from "node:stream";
import {
  HANDSHAKE_TIMEOUT_MS,
  MAX_FRAME_BYTES,
  MAX_PENDING_HANDSHAKES,
  TAKEOVER_BUCKET_TOKENS,
  TAKEOVER_REFILL_EVERY_MS,
} from "@selfscale/protocol";
import { type Tape } from "@selfscale/recording";
import { type Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import { type ListenAddress } from "../config/quantities.ts";
import { type Auth } from "./auth.ts";
import { limitBytes } from "./byte-limit.ts";
import { answerRange, type HandshakeFacts } from "./handshake.ts";
import { closeSoon, Link, textOf } from "./link.ts";
import { addressOf, PendingHandshakes } from "./pending-handshakes.ts";
import { TapedSocket, witness } from "./taped-socket.ts";
import { type Tls } from "./tls.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Every limit of the server. Tests pass shorter ones. */
export type LinkLimits = Readonly<{
  /** From the TCP connection to a valid range frame. */
  handshakeMs: number;
  maxPending: number;
  takeoverTokens: number;
  takeoverRefillEveryMs: number;
}>;

/** The protocol's own limits. */
export const LINK_LIMITS: LinkLimits = {
  handshakeMs: HANDSHAKE_TIMEOUT_MS,
  maxPending: MAX_PENDING_HANDSHAKES,
  takeoverTokens: TAKEOVER_BUCKET_TOKENS,
  takeoverRefillEveryMs: TAKEOVER_REFILL_EVERY_MS,
};

/** What the server needs from its surroundings. Links are numbered from 1, in order of opening. */
export type LinkWorld = Readonly<{
  now(): number;
  /** The handshake's facts at this moment: what we may speak and who we are. */
  facts(): HandshakeFacts;
  onOpened(link: number, opened: Readonly<{ version: number; features: readonly string[] }>): void;
  onFrame(link: number, text: string): void;
  onClosed(link: number, problem: string): void;
  log: Logger;
  auth: Auth;
  /** null: the websocket is served in the clear. */
  tls: Tls | null;
  /** Somebody at this address connects: where to write down what is said; null: nowhere. */
  record?(address: string): Tape | null;
}>;

/** Counts since start, for metrics and status. */
export type LinkCounts = Readonly<Record<keyof typeof NO_COUNTS, number>>;
const NO_COUNTS = { opened: 0, takeovers: 0, slowed: 0, unauthorized: 0, failedHandshakes: 0 };

const PATH = "/monitor";
/** Close codes of our own, in the range that RFC 6455 leaves to applications. */
const REPLACED = 4000;
const TRY_AGAIN_LATER = 1013;
const PROTOCOL_ERROR = 1002;
const GOING_AWAY = 1001;
/** The largest range frame and its head. Whoever sends more before the link is open is cut off. */
const MAX_HANDSHAKE_BYTES = MAX_FRAME_BYTES + 1024;
/** Refusals of one kind are logged at most this often; all are counted. */
const LOG_EVERY_MS = 5_000;

/**
 * Serves `ws://…/monitor`, or `wss`: upgrades, the handshake, and which connection is *the* link. A new one
 * replaces the old only once it has sent a valid range frame, so that a port scan displaces nobody.
 */
export class LinkServer {
  readonly #world: LinkWorld;
  readonly #http: http.Server;
  readonly #ws: WebSocketServer;
  readonly #takeovers: TokenBucket;
  readonly #pending: PendingHandshakes;
  readonly #counts = { ...NO_COUNTS };
  readonly #loggedAt = new Map<keyof typeof NO_COUNTS, number>();
  #link: Link | null = null;
  #lastNumber = 0;

  constructor(world: LinkWorld, limits: LinkLimits = LINK_LIMITS) {
    this.#world = world;
    this.#takeovers = new TokenBucket({
      capacity: limits.takeoverTokens,
      refillEveryMs: limits.takeoverRefillEveryMs,
      now: world.now(),
    });
    // Deployed agents were built against a server that knows neither extensions nor subprotocols.
    this.#ws = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: MAX_FRAME_BYTES,
      autoPong: false, // the link answers, within its budget; before the handshake nobody does
      handleProtocols: () => false,
      WebSocket: TapedSocket,
    });
    this.#pending = new PendingHandshakes({
      max: limits.maxPending,
      deadlineMs: limits.handshakeMs,
      onFailed: (problem, address) => this.#note("failedHandshakes", problem, address),
    });
    this.#http =
      world.tls?.createServer(refusePlainRequest) ?? http.createServer(refusePlainRequest);
    this.#http.on("connection", (socket) => {
      socket.on("error", () => socket.destroy()); // an abrupt end is normal
      this.#pending.add(socket);
    });
    this.#http.on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket, head));
    this.#http.on("clientError", (error, socket) => this.#onGarbage(error, socket));
  }

  /** Starts listening; rejects when the address can't be had. */
  listen(address: ListenAddress): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(address.port, address.address, () => {
        this.#http.off("error", reject);
        this.#http.on("error", (error) => this.#world.log.error({ err: error }, "link server"));
        resolve(this.#http.address() as AddressInfo);
      });
    });
  }

  /** Sends to this link if it is still the one; otherwise the frame has no reader any more. */
  send(link: number, text: string): void {
    if (this.#link?.number === link) this.#link.send(text);
  }

  /** Closes this link if it is still the one. */
  close(link: number, code: number, reason: string): void {
    if (this.#link?.number === link) this.#drop(this.#link, code, reason);
  }

  /** Connections that have not finished their handshake. */
  unfinished(): number {
    return this.#pending.size;
  }

  counts(): LinkCounts {
    return this.#counts;
  }

  /** Closes the link with 1001, everything else at once, and stops listening. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#pending.destroyAll();
    if (this.#link !== null) this.#drop(this.#link, GOING_AWAY, "monitor is stopping");
    await closed;
  }

  /** Resets, garbage, TLS that we do not share: it is over, and nobody waits for an answer. */
  #onGarbage(error: Error, socket: Duplex): void {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ECONNRESET") {
      this.#pending.refused(socket);
      this.#note("failedHandshakes", `no handshake (${code ?? error.message})`, addressOf(socket));
    }
    socket.destroy();
  }

  #onUpgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    const tape = this.#world.record?.(peerOf(request)) ?? null;
    if (request.url?.split("?", 1)[0] !== PATH) {
      tape?.closed("us", null, "404 Not Found");
      refuseUpgrade(socket, "404 Not Found");
      return;
    }
    const problem = this.#problemWith(request);
    if (problem !== null) {
      this.#note("unauthorized", problem, request.socket.remoteAddress);
      this.#pending.refused(socket);
      tape?.closed("us", null, `401 Unauthorized: ${problem}`);
      refuseUpgrade(socket, "401 Unauthorized", "WWW-Authenticate: Bearer\r\n");
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (peer) => {
      witness(peer, tape);
      // ws says what was wrong with a frame and then closes by itself, with the right code.
      peer.on("error", (error) => this.#world.log.debug({ err: error }, "websocket"));
      const lift = limitBytes(socket, MAX_HANDSHAKE_BYTES, () => socket.destroy());
      peer.once("message", (data) => {
        if (this.#onRange(peer, socket, textOf(data))) lift();
      });
    });
  }

  /** Why this peer may not connect; null when it may. */
  #problemWith({ socket, headers }: http.IncomingMessage): string | null {
    const { auth, tls } = this.#world;
    const problem = tls?.problemWith(socket) ?? null;
    if (problem !== null) return problem;
    return auth.admits(headers.authorization) ? null : "connection without the token";
  }

  /** True: it is the link now. */
  #onRange(peer: WebSocket, socket: Duplex, text: string): boolean {
    const answer = answerRange(text, this.#world.facts());
    if (!answer.ok) {
      this.#note("failedHandshakes", answer.problem);
      this.#pending.refused(socket);
      peer.send(answer.reply);
      closeSoon(peer, PROTOCOL_ERROR, answer.problem);
      return false;
    }
    if (this.#link !== null && !this.#takeovers.take(this.#world.now())) {
      this.#note("slowed", "too many connections replace one another");
      this.#pending.refused(socket);
      closeSoon(peer, TRY_AGAIN_LATER, "too many takeovers, try again later");
      return false;
    }
    this.#pending.finished(socket);
    if (this.#link !== null) {
      this.#note("takeovers", "a new connection replaces the old one");
      this.#drop(this.#link, REPLACED, "replaced by a new connection");
    }
    peer.send(answer.reply);
    this.#open(peer, socket, answer);
    return true;
  }

  #open(
    peer: WebSocket,
    socket: Duplex,
    opened: Readonly<{ version: number; features: readonly string[] }>,
  ): void {
    const number = ++this.#lastNumber;
    this.#counts.opened++;
    this.#link = new Link({
      number,
      peer,
      socket,
      now: this.#world.now(),
      onFrame: (text) => this.#world.onFrame(number, text),
      onEnd: (problem) => {
        if (this.#link?.number === number) this.#link = null;
        this.#world.onClosed(number, problem);
      },
    });
    this.#world.onOpened(number, opened);
  }

  #drop(link: Link, code: number, reason: string): void {
    this.#link = null;
    link.close(code, reason);
  }

  /** Counts always, logs now and then: whoever knocks in a loop must not fill the disk. */
  #note(what: keyof typeof NO_COUNTS, problem: string, address?: string): void {
    const count = ++this.#counts[what];
    const now = this.#world.now();
    if (now - (this.#loggedAt.get(what) ?? -Infinity) < LOG_EVERY_MS) return;
    this.#loggedAt.set(what, now);
    this.#world.log.warn({ address: address ?? null, count }, problem);
  }
}

/** Address and port: where a port scan and an agent differ. */
function peerOf({ socket }: http.IncomingMessage): string {
  const { remoteAddress = "an address that is gone", remotePort = 0 } = socket;
  return remoteAddress.includes(":")
    ? `[${remoteAddress}]:${remotePort}`
    : `${remoteAddress}:${remotePort}`;
}

function refusePlainRequest(request: http.IncomingMessage, response: http.ServerResponse): void {
  const isOurs = request.url?.split("?", 1)[0] === PATH;
  response.writeHead(isOurs ? 426 : 404, { Connection: "close", "Content-Type": "text/plain" });
  response.end(isOurs ? "this is a websocket\n" : "not found\n");
}

function refuseUpgrade(socket: Duplex, status: string, header = ""): void {
  socket.end(`HTTP/1.1 ${status}\r\n${header}Connection: close\r\nContent-Length: 0\r\n\r\n`);
}
