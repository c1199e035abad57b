import http from "node:http";
import { type HttpAddress } from "../config/http.ts";
import { type Problems } from "./health.ts";

/** The address can't be served. */
export class HttpAddressError extends Error {
  override readonly name = "HttpAddressError";
  readonly code = "HTTP_ADDRESS";
}

export type Pages = Readonly<{
  /** The page of metrics, and its media type. */
  metrics: () => Promise<string>;
  metricsType: string;
  /** Why the process should be started anew. */
  liveness: () => Problems;
  /** Why it does not do its whole work yet. */
  readiness: () => Problems;
}>;

const REQUEST_TIMEOUT_MS = 5_000;
/** A scraper and a prober keep one each. */
const MAX_CONNECTIONS = 32;
const TEXT = "text/plain; charset=utf-8";

/** Serves GET (and HEAD) of /metrics, /healthz and /readyz. Nothing can be changed through it. */
export class HttpServer {
  readonly #address: HttpAddress;
  readonly #pages: Pages;
  readonly #server: http.Server;
  /** One page is made at a time; who asks meanwhile gets the same. */
  #scrape: Promise<string> | null = null;

  constructor(address: HttpAddress, pages: Pages) {
    this.#address = address;
    this.#pages = pages;
    this.#server = http.createServer((request, response) => void this.#answer(request, response));
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.headersTimeout = REQUEST_TIMEOUT_MS;
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Resolves with the port. Rejects with HttpAddressError when the address is not free, or not ours. */
  listen(): Promise<number> {
    const { host, port } = this.#address;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const problem = `${host}:${port} can't be served (${error.code ?? error.message})`;
        reject(new HttpAddressError(problem, { cause: error }));
      });
      this.#server.listen(port, host, () => {
        const bound = this.#server.address();
        resolve(bound !== null && typeof bound === "object" ? bound.port : port);
      });
    });
  }

  stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    return closed;
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method, url = "" } = request;
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { "Content-Type": TEXT, Allow: "GET, HEAD" });
      response.end("only GET is here\n");
      return;
    }
    switch (url.split("?")[0]) {
      case "/metrics": {
        this.#scrape ??= this.#pages.metrics().finally(() => (this.#scrape = null));
        try {
          const page = await this.#scrape;
          response.writeHead(200, { "Content-Type": this.#pages.metricsType }).end(page);
        } catch (error) {
          response.writeHead(500, { "Content-Type": TEXT }).end(`${String(error)}\n`);
        }
        break;
      }
      case "/healthz":
        say(response, this.#pages.liveness());
        break;
      case "/readyz":
        say(response, this.#pages.readiness());
        break;
      default:
        response.writeHead(404, { "Content-Type": TEXT });
        response.end("only /metrics, /healthz and /readyz are here\n");
    }
  }
}

function say(response: http.ServerResponse, problems: Problems): void {
  const isGood = problems.length === 0;
  response.writeHead(isGood ? 200 : 503, { "Content-Type": TEXT, "Cache-Control": "no-store" });
  response.end(isGood ? "ok\n" : `${problems.join("\n")}\n`);
}
