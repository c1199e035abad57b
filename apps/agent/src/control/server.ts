import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";

/** Only the owner may look. */
const OWNER_ONLY = 0o700;
const NOBODY_ELSE = 0o077;
const PROBE_TIMEOUT_MS = 1_000;
const REQUEST_TIMEOUT_MS = 5_000;

/** The socket can't be served: another agent has it, or something else is in its place. */
export class StatusSocketError extends Error {
  override readonly name = "StatusSocketError";
  readonly code = "STATUS_SOCKET";
}

/** Serves `GET /status` as JSON over a unix socket in a folder of its own. */
export class StatusServer {
  readonly #http: http.Server;
  readonly #path: string;

  constructor(socketPath: string, status: () => unknown) {
    this.#path = socketPath;
    this.#http = http.createServer((request, response) => {
      const isFound = request.method === "GET" && request.url === "/status";
      const headers = { "Content-Type": "application/json", Connection: "close" };
      response.writeHead(isFound ? 200 : 404, headers);
      response.end(JSON.stringify(isFound ? status() : { error: "only GET /status is here" }));
    });
    this.#http.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#http.headersTimeout = REQUEST_TIMEOUT_MS;
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
      if (error instanceof StatusSocketError) throw error;
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new StatusSocketError(`${this.#path} can't be served (${code})`, { cause: error });
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
      throw new StatusSocketError(`${this.#path} is there and is not a socket`);
    }
    if (await isAlive(this.#path)) {
      throw new StatusSocketError(`${this.#path} belongs to another agent that runs`);
    }
    fs.unlinkSync(this.#path);
  }
}

/** What `GET /status` gives. Rejects when nobody answers in time. */
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
