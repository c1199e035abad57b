import http from "node:http";
import { type AddressInfo } from "node:net";
import { type ListenAddress } from "../config/quantities.ts";

/** One number to publish. */
export type Metric = Readonly<{
  name: string;
  help: string;
  type: "gauge" | "counter";
  value: number;
}>;

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
/** Scrapers are one or two; more is somebody else's mistake. */
const MAX_CONNECTIONS = 16;
const REQUEST_TIMEOUT_MS = 5_000;

/** The Prometheus text format: one sample per name, no labels, numbers as JavaScript prints them. */
export function renderMetrics(metrics: readonly Metric[]): string {
  return metrics
    .map(
      ({ name, help, type, value }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`,
    )
    .join("");
}

/** Serves `/metrics`, for version-1 agents that size a VM by its metrics, and for Prometheus. */
export class MetricsServer {
  readonly #http: http.Server;

  constructor(collect: () => readonly Metric[]) {
    this.#http = http.createServer((request, response) => {
      const isFound = request.url?.split("?", 1)[0] === "/metrics";
      response.writeHead(isFound ? 200 : 404, {
        "Content-Type": CONTENT_TYPE,
        Connection: "close",
      });
      response.end(isFound ? renderMetrics(collect()) : "not found\n");
    });
    this.#http.maxConnections = MAX_CONNECTIONS;
    this.#http.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#http.headersTimeout = REQUEST_TIMEOUT_MS;
  }

  /** Starts listening; rejects when the address can't be had. */
  listen(address: ListenAddress): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(address.port, address.address, () => {
        this.#http.off("error", reject);
        resolve(this.#http.address() as AddressInfo);
      });
    });
  }

  stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeAllConnections();
    return closed;
  }
}
