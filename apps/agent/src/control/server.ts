import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { Readable } from "node:stream";
import { type Log } from "../log.ts";
import { answer, MAX_BODY_BYTES, refused, type Answer, type Controlled } from "./routes.ts";

/** Only the owner may look. */
const OWNER_ONLY = 0o700;
const NOBODY_ELSE = 0o077;
const PROBE_TIMEOUT_MS = 1_000;
const REQUEST_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 15_000;
/** Each may hold a VM's whole journal while it reads. */
const MAX_CONNECTIONS = 32;

/** The socket can't be served: another agent has it, or something else is in its place. */
export class ControlSocketError extends Error {
  override readonly name = "ControlSocketError";
  readonly code = "CONTROL_SOCKET";
}

/** Serves the control API (routes.ts) over a unix socket in a folder of its own. */
export class ControlServer {
  readonly #http: http.Server;
  readonly #path: string;

  constructor(socketPath: string, controlled: Controlled, log: Log) {
    this.#path = socketPath;
    this.#http = http.createServer((request, response) => {
      void respond(controlled, request, response).catch((error: unknown) => {
        log.error({ err: error, url: request.url }, "a request to the control socket failed");
        response.destroy();
      });
    });
    this.#http.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#http.headersTimeout = REQUEST_TIMEOUT_MS;
    this.#http.maxConnections = MAX_CONNECTIONS;
    // Who does not read what it asked for is let go.
    this.#http.setTimeout(IDLE_TIMEOUT_MS, (socket) => socket.destroy());
  }

  /** Makes the folder, replaces a socket that a killed agent left behind, and listens. */
  async listen(): Promise<void> {
    try {
      fs.mkdirSync(path.dirname(this.#path), { recursive: true, mode: OWNER_ONLY });
      await this.#clearWay();
      await new Promise<void>((resolve, reject) => {
        this.#http.once("error", reject);
        // Binding makes the file before the call returns, so it never has wider permissions.
        const before = process.umask(NOBODY_ELSE);
        this.#http.listen(this.#path, resolve);
        process.umask(before);
      });
    } catch (error) {
      if (error instanceof ControlSocketError) throw error;
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new ControlSocketError(`${this.#path} can't be served (${code})`, { cause: error });
    }
  }

  /** Stops; closing the socket removes its file. */
  stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeAllConnections();
    return closed;
  }

  async #clearWay(): Promise<void> {
    if (!fs.existsSync(this.#path)) return;
    if (!fs.lstatSync(this.#path).isSocket()) {
      throw new ControlSocketError(`${this.#path} is there and is not a socket`);
    }
    if (await isAlive(this.#path)) {
      throw new ControlSocketError(`${this.#path} belongs to another agent that runs`);
    }
    fs.unlinkSync(this.#path);
  }
}

/** Rejects when the listener is gone before all is said; it has then gone on purpose or is reported. */
async function respond(
  controlled: Controlled,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const body = await readBody(request);
  const { method = "", url = "" } = request;
  const answered =
    body === null
      ? refused(413, `the body is longer than ${MAX_BODY_BYTES} bytes`)
      : await answer(controlled, method, url, body);
  const type = "lines" in answered ? "application/jsonl" : "application/json";
  response.writeHead(answered.status, { "Content-Type": type, Connection: "close" });
  send(answered, response);
}

function send(answered: Answer, response: http.ServerResponse): void {
  if ("lines" in answered) {
    Readable.from(ended(answered.lines))
      .on("error", () => response.destroy()) // cut short, which its reader sees
      .pipe(response);
  } else response.end(JSON.stringify(answered.body));
}

function* ended(lines: Iterable<string>): Generator<string> {
  for (const line of lines) yield `${line}\n`;
}

/** null: it is too long, and what is left of it is not read. */
async function readBody(request: http.IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > MAX_BODY_BYTES) return null;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Whether a process accepts on this socket. */
function isAlive(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath);
    const end = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end(true)); // it is there, and busy
    socket.on("connect", () => end(true));
    socket.on("error", () => end(false));
  });
}
