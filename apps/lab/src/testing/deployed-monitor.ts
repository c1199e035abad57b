// A model of the deployed monitor (Rust, inside compute_ctl), for tests only: what it does with a connection, as it was
// observed or read. It is what the profile "deployed-v1" claims to know.
import http from "node:http";
import { type AddressInfo } from "node:net";
import { performance } from "node:perf_hooks";
import { WebSocketServer, type WebSocket } from "ws";

const PATH = "/monitor";
const SETUP_MS = 4_000;
/** It looks at memory every 100 ms, and agrees to nothing before it has looked twice. */
const SECOND_SAMPLE_MS = 100;

export class DeployedMonitor {
  readonly #http = http.createServer((_request, response) => response.writeHead(404).end());
  readonly #ws = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    skipUTF8Validation: true, // what is not UTF-8 ends the connection without a close frame
    handleProtocols: () => false,
  });
  /** The last connection that was upgraded, ranges or not. */
  #current: WebSocket | null = null;
  isAborted = false;

  constructor() {
    this.#http.on("upgrade", (request, socket, head) => {
      socket.on("error", () => socket.destroy());
      if (this.isAborted) socket.destroy();
      else if (request.url?.split("?", 1)[0] !== PATH) socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
      else this.#ws.handleUpgrade(request, socket, head, (peer) => this.#serve(peer));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}${PATH}`;
  }

  async stop(): Promise<void> {
    this.#current?.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  /** It never sends a close frame: a connection is dropped. */
  #serve(peer: WebSocket): void {
    this.#current?.terminate();
    this.#current = peer;
    peer.on("error", () => peer.terminate());
    const deadline = setTimeout(() => peer.terminate(), SETUP_MS);
    peer.once("close", () => clearTimeout(deadline));
    peer.once("message", (data) => {
      clearTimeout(deadline);
      this.#onRange(peer, (data as Buffer).toString());
    });
  }

  #onRange(peer: WebSocket, text: string): void {
    const [min, max] = ["min", "max"].map((end) => byteOf(text, end));
    if (!isObject(parse(text)) || min === undefined || max === undefined) {
      peer.terminate();
    } else if (min >= 2) {
      this.isAborted = true; // it recurses for ever while it words the error
      peer.terminate();
    } else if (min > max) {
      peer.terminate();
    } else if (max < 1) {
      const error =
        "Received protocol version range <invalid: zero> which does not overlap with v1.0";
      peer.send(JSON.stringify({ error }), () => peer.terminate());
    } else {
      peer.send('{"version":1}');
      const openedAt = performance.now();
      peer.on("message", (data, isBinary) => {
        if (!isBinary) onMessage(peer, (data as Buffer).toString(), openedAt);
      });
    }
  }
}

function onMessage(peer: WebSocket, text: string, openedAt: number): void {
  const { content, type, id } = fieldsOf(parse(text));
  const hasTwice = /"(type|id)":[^,{}]*,"\1":/.test(text);
  if (!isUnsigned(text, "id") || !isObject(content) || hasTwice) {
    peer.terminate();
    return;
  }
  const say = (message: object) => peer.send(JSON.stringify({ ...message, id }));
  const isReady = performance.now() - openedAt > SECOND_SAMPLE_MS;
  if (type === "HealthCheck") say({ type });
  else if (type === "UpscaleNotification" && isResources(text, fieldsOf(content).granted)) {
    say({ type: "UpscaleConfirmation" });
  } else if (type === "DownscaleRequest" && isResources(text, fieldsOf(content).target)) {
    if (isReady) say({ type: "DownscaleResult", Ok: true, Status: "file cache was shrunk" });
    else say({ type: "InternalError", error: "failed to downscale" });
  } else if (type !== "InvalidMessage" && type !== "InternalError") peer.terminate();
  else if (typeof fieldsOf(content).error !== "string") peer.terminate();
}

function isResources(text: string, size: unknown): boolean {
  return typeof fieldsOf(size).cpu === "number" && isUnsigned(text, "mem");
}

/** serde takes an integer literal only: no sign, point or exponent. Each of these keys stands once in a frame. */
function isUnsigned(text: string, key: string): boolean {
  return new RegExp(`"${key}":\\d+[,}]`).test(text);
}

function byteOf(text: string, key: string): number | undefined {
  const value = fieldsOf(parse(text))[key];
  const isByte = isUnsigned(text, key) && typeof value === "number" && value <= 255;
  return isByte ? value : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // serde's error ends the connection, whatever it was
  }
}

function isObject(json: unknown): boolean {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function fieldsOf(json: unknown): Readonly<Record<string, unknown>> {
  return isObject(json) ? (json as Record<string, unknown>) : {};
}
