import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { type ReservationReason } from "@selfscale/core";
import { readBody } from "./body.ts";
import { type Change, type ReservationDesk } from "./desk.ts";
import { listenOn } from "./socket.ts";
import { readWish, type Wish } from "./wish.ts";

/** What can be asked over the socket. */
export type LocalSources = Readonly<{
  status(): unknown;
  explain(): readonly string[];
  reservations(): unknown;
  /** Of any door. */
  hasReservation(id: string): boolean;
  desk: ReservationDesk;
}>;

/** For a whole request to come in, and for an answer to be taken. */
const PEER_TIMEOUT_MS = 5_000;
const CHECK_EVERY_MS = 1_000;
/** All that may be bound or waiting at two doors, and some who only look. */
const MAX_CONNECTIONS = 160;

/** A refusal that has a status of its own; any other is 503: not in time. */
const STATUS_OF: Partial<Record<ReservationReason, number>> = {
  bounds: 409,
  "too-many": 429,
  "bad-request": 400,
};

type Exchange = Readonly<{ request: IncomingMessage; response: ServerResponse }>;
/** `id`: the path's second part. */
type Handler = (exchange: Exchange, id: string) => Promise<void> | void;
type Methods = Readonly<Partial<Record<string, Handler>>>;

function giving(what: () => unknown): Handler {
  return ({ response }) => {
    answer(response, 200, what());
  };
}

/** HTTP over a unix socket: docs/reservations.md. Each connection carries one request. */
export class LocalApi {
  readonly #http: http.Server;
  readonly #path: string;
  readonly #group: string | null;
  readonly #sources: LocalSources;
  /** By path, then by method. */
  readonly #routes: ReadonlyMap<string, Methods>;

  constructor(socketPath: string, group: string | null, sources: LocalSources) {
    this.#path = socketPath;
    this.#group = group;
    this.#sources = sources;
    this.#routes = new Map<string, Methods>([
      ["status", { GET: giving(() => sources.status()) }],
      ["explain", { GET: giving(() => ({ explanation: sources.explain() })) }],
      [
        "reservations",
        {
          GET: giving(() => sources.reservations()),
          POST: (exchange) => this.#reserve(exchange),
        },
      ],
      [
        "reservations/ID",
        {
          DELETE: (exchange, id) => {
            this.#release(exchange, id);
          },
        },
      ],
    ]);
    const limits = {
      requestTimeout: PEER_TIMEOUT_MS,
      headersTimeout: PEER_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    };
    this.#http = http.createServer(limits, (request, response) => {
      void this.#handle({ request, response });
    });
    this.#http.maxConnections = MAX_CONNECTIONS;
    this.#http.maxRequestsPerSocket = 1;
  }

  /** Rejects when a live process holds the socket, or something else is in its place. */
  async listen(): Promise<void> {
    await listenOn(this.#http, this.#path, this.#group);
  }

  /** Stops; closing the socket removes its file. Who waits is cut off. */
  stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeAllConnections();
    return closed;
  }

  async #handle({ request, response }: Exchange): Promise<void> {
    const [path = ""] = (request.url ?? "").split("?");
    const [, name = "", id = "", ...more] = path.split("/");
    const route = [id === "" ? name : `${name}/ID`, ...more].join("/");
    const methods = this.#routes.get(route);
    const handle = methods?.[request.method ?? ""];
    if (handle !== undefined) await handle({ request, response }, id);
    else if (methods === undefined) answer(response, 404, { error: "not found" });
    else {
      const allowed = Object.keys(methods).join(", ");
      response.setHeader("Allow", allowed);
      answer(response, 405, { error: `expected ${allowed}` });
    }
  }

  #release({ response }: Exchange, id: string): void {
    const isActive = this.#sources.hasReservation(id);
    if (isActive) this.#sources.desk.release(id);
    if (isActive) answer(response, 200, { id, state: "ended" });
    else answer(response, 404, { error: "no such reservation: it is over, or never was" });
  }

  async #reserve({ request, response }: Exchange): Promise<void> {
    const body = await readBody(request);
    if (body === null || response.destroyed) return; // it hung up
    const read = body.ok ? readWish(body.text) : body;
    const { desk } = this.#sources;
    if (read.ok && read.wish.id !== null && desk.isTaken(read.wish.id)) {
      answer(response, 409, { error: "this reservation has whoever holds it already" });
    } else if (read.ok) hold(response, read.wish, desk);
    else answer(response, body.ok ? 400 : 413, { error: read.problem });
  }
}

/** From the question to the end of what the connection stands for. */
function hold(response: ServerResponse, wish: Wish, desk: ReservationDesk): void {
  const id = wish.id ?? desk.newId(wish);
  let isAnswered = false;
  response.once("close", () => {
    // Hung up before it was answered, or the end of what the connection holds.
    if (!isAnswered || wish.isBound) desk.release(id);
  });
  desk.reserve(id, wish, (change) => {
    if (change.state === "waiting") return;
    const { isBound } = wish;
    if (isBound && change.state === "granted") {
      response.writeHead(200, { "Content-Type": "application/x-ndjson", Connection: "close" });
      response.write(lineOf(change));
    } else if (isBound && isAnswered) response.end(lineOf(change));
    else if (!isAnswered) answer(response, statusOf(change), said(change));
    isAnswered = true;
  });
}

function statusOf({ state, answer: { reason } }: Change): number {
  if (state === "granted") return 200;
  if (state === "ended") return 410; // somebody else ended it while it waited
  return STATUS_OF[reason] ?? 503;
}

function said({ id, state, answer: { waitedMs, ...rest } }: Change) {
  return { id, state, ...rest, waitedMs: Math.round(waitedMs) };
}

function lineOf(change: Change): string {
  return `${JSON.stringify(said(change))}\n`;
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json", Connection: "close" });
  response.end(`${JSON.stringify(body)}\n`);
  // Who does not take it is not waited for.
  response.socket?.setTimeout(PEER_TIMEOUT_MS, () => response.destroy());
}
