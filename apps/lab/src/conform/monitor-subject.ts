// A live monitor under test: the kit dials it as an agent does.
import { type IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { Broken, demand, type Line } from "./check.ts";
import { type Stand } from "./run.ts";
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

export class MonitorSubject implements Stand {
  readonly place: MonitorPlace;
  #wires: Wire[] = [];

  constructor(place: MonitorPlace) {
    this.place = place;
  }

  /** A deadline as this machine needs it. */
  within(ms: number): number {
    return ms * this.place.patience;
  }

  /** The upgrade only. Throws Broken when it is refused. */
  async connect(headers: Readonly<Record<string, string>> = {}): Promise<Wire> {
    const { url, token } = this.place;
    const auth = token === null ? {} : { Authorization: `Bearer ${token}` };
    const socket = new WebSocket(url, {
      headers: { ...auth, ...headers },
      perMessageDeflate: false,
    });
    const wire = new Wire(socket);
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

  /** A connection on which this version was agreed. */
  async agreed(version: 1 | 2): Promise<Wire> {
    const { wire, reply } = await this.shake(version === 1 ? RANGE_V1 : RANGE_V2);
    demand(reply.json?.version === version, `the reply is ${reply.text}, not version ${version}`);
    return wire;
  }

  takeLines(): readonly Line[] {
    const lines = this.#wires.flatMap((wire) => wire.lines.splice(0));
    return lines.sort((a, b) => a.atMs - b.atMs);
  }

  async tidy(): Promise<void> {
    await Promise.all(this.#wires.splice(0).map((wire) => wire.hangUp()));
  }
}
