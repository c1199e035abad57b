// A live monitor under test: the kit dials it as an agent does.
import http, { type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import https from "node:https";
import { WebSocket } from "ws";
import { AgentPlayer } from "./agent-player.ts";
import { Broken, demand, NotApplicable, type Line } from "./check.ts";
import { type Stand } from "./run.ts";
import { Watch } from "./watch.ts";
import { Wire, type Frame } from "./wire.ts";

export type MonitorPlace = Readonly<{
  url: string;
  /** Shown as `Authorization: Bearer`; null: none. */
  token: string | null;
  /** Factor on every deadline, for machines that are slow. */
  patience: number;
}>;

/** What our agent offers. */
export const RANGE_V2 = '{"min":1,"max":2,"features":["size-report"]}\n';
export const RANGE_V1 = '{"min":1,"max":1}\n';

/** What was answered to an upgrade; 101: it was done. */
export type Knock = Readonly<{ status: number; headers: IncomingHttpHeaders }>;
type Headers = Readonly<Record<string, string>>;

export class MonitorSubject implements Stand {
  readonly place: MonitorPlace;
  /** The rules that hold on every connection of ours. */
  readonly watch: Watch;
  #wires: Wire[] = [];

  constructor(place: MonitorPlace) {
    this.place = place;
    this.watch = new Watch("monitor", place.patience);
  }

  /** A deadline as this machine needs it. */
  within(ms: number): number {
    return ms * this.place.patience;
  }

  /** The upgrade only. Throws Broken when it is refused. */
  async connect(): Promise<Wire> {
    const { url } = this.place;
    const socket = new WebSocket(url, { headers: this.#proof(), perMessageDeflate: false });
    const wire = new Wire(socket, (line, from) => this.watch.hear(line, from));
    this.#wires.push(wire);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => fail("no answer to the upgrade"), this.within(10_000));
      const fail = (why: string) => {
        clearTimeout(timer);
        socket.terminate();
        reject(new Broken(`${url}: ${why}`));
      };
      socket.once("open", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.once("unexpected-response", (_request, response: IncomingMessage) =>
        fail(`the upgrade was refused with HTTP ${response.statusCode ?? 0}`),
      );
      socket.once("error", (error) => fail(error.message));
    });
    return wire;
  }

  /** Upgrade and handshake. The reply is the first frame, whatever it says. */
  async shake(range: string = RANGE_V2): Promise<Readonly<{ wire: Wire; reply: Frame }>> {
    const wire = await this.connect();
    wire.say(range);
    const reply = await wire.next("a handshake reply", () => true, this.within(4_000));
    return { wire, reply };
  }

  /** An agent on a connection that speaks this version. Throws NotApplicable if the monitor only knows an older one. */
  async agent(version: 1 | 2, range = version === 1 ? RANGE_V1 : RANGE_V2): Promise<AgentPlayer> {
    const { wire, reply } = await this.shake(range);
    const agreed = reply.json?.version;
    if (version === 2 && agreed === 1) {
      throw new NotApplicable("this monitor speaks version 1 only");
    }
    demand(agreed === version, `the reply is ${reply.text}, not version ${version}`);
    return new AgentPlayer(wire, this.place.patience);
  }

  /**
   * What is answered to an upgrade with these headers, besides the token unless `proof` says otherwise. The connection
   * is cut then, whatever the answer.
   */
  async knock(headers: Headers, path?: string, proof: Headers = this.#proof()): Promise<Knock> {
    const url = new URL(path ?? "", this.place.url);
    url.protocol = url.protocol === "wss:" ? "https:" : "http:";
    const upgrade = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "c2VsZnNjYWxlLWxhYiBrZQ==",
    };
    const request = (url.protocol === "https:" ? https : http).request(url, {
      headers: { ...upgrade, ...proof, ...headers },
      timeout: this.within(5_000),
    });
    return await new Promise<Knock>((resolve, reject) => {
      const answered = ({ statusCode, headers: shown }: IncomingMessage) => {
        resolve({ status: statusCode ?? 0, headers: shown });
        request.destroy();
      };
      request.on("response", answered);
      request.on("upgrade", (response, socket) => {
        socket.destroy();
        answered(response);
      });
      request.on("timeout", () => request.destroy(new Error("no answer to the upgrade")));
      request.on("error", (error) => reject(new Broken(`${url.href}: ${error.message}`)));
      request.end();
    });
  }

  takeLines(): readonly Line[] {
    const lines = this.#wires.flatMap((wire) => wire.lines.splice(0));
    return lines.sort((a, b) => a.atMs - b.atMs);
  }

  async tidy(): Promise<void> {
    await Promise.all(this.#wires.splice(0).map((wire) => wire.hangUp()));
  }

  /** What proves that this agent may connect. */
  #proof(): Headers {
    const { token } = this.place;
    return token === null ? {} : { Authorization: `Bearer ${token}` };
  }
}
