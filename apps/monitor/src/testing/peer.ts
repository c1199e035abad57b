import { WebSocket } from "ws";
import { until } from "./until.ts";

/** A real websocket that plays the agent, or something worse. Remembers all it was told. */
export class Peer {
  readonly ws: WebSocket;
  readonly frames: string[] = [];
  closed: Readonly<{ code: number; reason: string }> | null = null;
  /** HTTP status of a refused upgrade. */
  refused: number | null = null;

  constructor(
    port: number,
    options: Readonly<{ path?: string; headers?: Record<string, string> }> = {},
  ) {
    const url = `ws://127.0.0.1:${port}${options.path ?? "/monitor"}`;
    this.ws = new WebSocket(url, { headers: options.headers ?? {}, perMessageDeflate: true });
    this.ws.on("message", (data) => this.frames.push((data as Buffer).toString()));
    this.ws.on("close", (code, reason) => (this.closed = { code, reason: reason.toString() }));
    this.ws.on("unexpected-response", (request, response) => {
      this.refused = response.statusCode ?? 0;
      request.destroy();
    });
    this.ws.on("error", () => undefined); // told by `closed` or `refused`
  }

  /** Connects and sends the range, as an agent does first. */
  static async shake(port: number, range = '{"min":1,"max":1}\n', token?: string): Promise<Peer> {
    const peer = new Peer(
      port,
      token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } },
    );
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
