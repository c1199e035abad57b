import { type ConnectionOptions } from "node:tls";
import { WebSocket } from "ws";
import { until } from "./until.ts";

export type PeerOptions = Readonly<{
  path?: string;
  headers?: Record<string, string>;
  /** Over wss, with this much of a client's side of TLS. */
  tls?: ConnectionOptions;
}>;

/** A real websocket that plays the agent, or something worse. Remembers all it was told. */
export class Peer {
  readonly ws: WebSocket;
  readonly frames: string[] = [];
  closed: Readonly<{ code: number; reason: string }> | null = null;
  /** HTTP status of a refused upgrade. */
  refused: number | null = null;

  /** Why it could not connect. */
  problem: NodeJS.ErrnoException | null = null;

  constructor(port: number, options: PeerOptions = {}) {
    const { path = "/monitor", headers = {}, tls } = options;
    const url = `${tls === undefined ? "ws" : "wss"}://127.0.0.1:${port}${path}`;
    this.ws = new WebSocket(url, { headers, perMessageDeflate: true, ...tls });
    this.ws.on("message", (data) => this.frames.push((data as Buffer).toString()));
    this.ws.on("close", (code, reason) => (this.closed = { code, reason: reason.toString() }));
    this.ws.on("unexpected-response", (request, response) => {
      this.refused = response.statusCode ?? 0;
      request.destroy();
    });
    this.ws.on("error", (error) => (this.problem ??= error));
  }

  /** Connects and sends the range, as an agent does first. */
  static async shake(
    port: number,
    range = '{"min":1,"max":1}\n',
    token?: string,
    tls?: ConnectionOptions,
  ): Promise<Peer> {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const peer = new Peer(port, { headers, ...(tls !== undefined && { tls }) });
    await peer.open();
    peer.ws.send(range);
    return peer;
  }

  async open(): Promise<this> {
    await until("the upgrade", () => (this.ws.readyState === WebSocket.OPEN ? true : null));
    return this;
  }

  /** The frame with this number, counting from 0, once it has come. */
  frame(index: number): Promise<string> {
    return until(`frame ${index} came`, () => this.frames[index] ?? null);
  }

  closing(): Promise<Readonly<{ code: number; reason: string }>> {
    return until("the connection closed", () => this.closed);
  }

  refusal(): Promise<number> {
    return until("the upgrade was refused", () => this.refused);
  }
}
