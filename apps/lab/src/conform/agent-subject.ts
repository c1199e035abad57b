// A live agent under test: the kit serves, the agent dials in, again after every close.
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { type Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { Broken, type Line } from "./check.ts";
import { type Stand } from "./run.ts";
import { Wire, type Frame } from "./wire.ts";

export type AgentPlace = Readonly<{
  host: string;
  port: number;
  /** The SMBIOS UUID of the agent's VM; null: what needs a proven identity can't be judged. */
  vm: string | null;
  /** What agents must show as `Authorization: Bearer`; null: whatever they show. */
  token: string | null;
  patience: number;
}>;

const PATH = "/monitor";
/** An agent's longest pause between two dials is 5 s and a fifth; a dial itself may take 4 s. */
const REDIAL_WITHIN_MS = 15_000;

export class AgentSubject implements Stand {
  readonly place: AgentPlace;
  /** Headers of each upgrade, oldest first. */
  readonly upgrades: IncomingMessage[] = [];
  readonly #http: Server = createServer();
  readonly #ws = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
  });
  readonly #waiting: ((wire: Wire) => void)[] = [];
  #wires: Wire[] = [];

  constructor(place: AgentPlace) {
    this.place = place;
    this.#http.on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket, head));
  }

  /** Resolves with the port, which was chosen by the system if 0 was asked for. */
  async listen(): Promise<number> {
    const { host, port } = this.place;
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(port, host, resolve);
    });
    return (this.#http.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    await this.tidy();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  /** A deadline as this machine needs it. */
  within(ms: number): number {
    return ms * this.place.patience;
  }

  /** The agent's next connection, upgrade done and nothing said by us. Throws Broken when it does not dial. */
  async dialled(withinMs: number = REDIAL_WITHIN_MS): Promise<Wire> {
    return await new Promise<Wire>((resolve, reject) => {
      const take = (wire: Wire) => {
        clearTimeout(timer);
        resolve(wire);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(new Broken(`the agent did not dial within ${withinMs} ms`));
      }, this.within(withinMs));
      this.#waiting.push(take);
    });
  }

  /** The agent's next connection, and its range frame. */
  async offered(): Promise<Readonly<{ wire: Wire; range: Frame }>> {
    const wire = await this.dialled();
    const range = await wire.next("the range frame", () => true, this.within(4_000));
    return { wire, range };
  }

  takeLines(): readonly Line[] {
    const lines = this.#wires.flatMap((wire) => wire.lines.splice(0));
    return lines.sort((a, b) => a.atMs - b.atMs);
  }

  async tidy(): Promise<void> {
    await Promise.all(this.#wires.splice(0).map((wire) => wire.hangUp()));
  }

  /** An agent that comes while no check waits for it is sent away: it dials again. */
  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const take = request.url?.split("?", 1)[0] === PATH ? this.#waiting.shift() : undefined;
    if (take === undefined) {
      socket.end(
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      );
      return;
    }
    this.upgrades.push(request);
    this.#ws.handleUpgrade(request, socket, head, (peer) => {
      const wire = new Wire(peer);
      this.#wires.push(wire);
      take(wire);
    });
  }
}
