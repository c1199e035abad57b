import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";

/** Only the owner may look: what a VM needs says much about what it does. */
const OWNER_ONLY = 0o700;
const NOBODY_ELSE = 0o077;
const PROBE_TIMEOUT_MS = 1_000;
const REQUEST_TIMEOUT_MS = 5_000;

/** Another process answers on our socket. */
export class SocketInUseError extends Error {
  override readonly name = "SocketInUseError";
  readonly code = "STATUS_SOCKET_IN_USE";
}

/** Serves `GET /status` as JSON over a unix socket in a folder of its own. */
export class StatusServer {
  readonly #http: http.Server;
  readonly #path: string;

  constructor(socketPath: string, status: () => unknown) {
    this.#path = socketPath;
    this.#http = http.createServer((request, response) => {
      const isFound = request.url === "/status";
      response.writeHead(isFound ? 200 : 404, {
        "Content-Type": "application/json",
        Connection: "close",
      });
      response.end(JSON.stringify(isFound ? status() : { error: "not found" }));
    });
    this.#http.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#http.headersTimeout = REQUEST_TIMEOUT_MS;
  }

  /**
   * Makes the folder, replaces a socket that a killed monitor left behind, and listens. Rejects
   * when a live process holds the socket, or when something else than a socket is in its place.
   */
  async listen(): Promise<void> {
    fs.mkdirSync(path.dirname(this.#path), { recursive: true, mode: OWNER_ONLY });
    if (fs.existsSync(this.#path)) {
      if (!fs.lstatSync(this.#path).isSocket()) throw new Error(`${this.#path} is not a socket`);
      if (await isAlive(this.#path)) {
        throw new SocketInUseError(`another process answers on ${this.#path}`);
      }
      fs.unlinkSync(this.#path);
    }
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      // Binding creates the file before the call returns, so it never has wider permissions.
      const before = process.umask(NOBODY_ELSE);
      this.#http.listen(this.#path, resolve);
      process.umask(before);
    });
  }

  /** Stops; closing the socket removes its file. */
  stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeAllConnections();
    return closed;
  }
}

/** What `GET /status` over this socket gives. Rejects when nobody answers in time. */
export function fetchStatus(socketPath: string, timeoutMs = REQUEST_TIMEOUT_MS): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const request = http.get({ socketPath, path: "/status", signal }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

function isAlive(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath);
    const done = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => done(true)); // it accepts and is just slow
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false)); // ECONNREFUSED: the file outlived its process
  });
}
