// A live agent under test: the kit serves, the agent dials in, again after every close.
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { type Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { AgentTalk, goodManners, type Clock } from "./agent-talk.ts";
import { Broken, NotApplicable, type Line } from "./check.ts";
import { type Stand } from "./run.ts";
import { Watch } from "./watch.ts";
import { Wire, type Frame } from "./wire.ts";

export type AgentPlace = Readonly<{
  host: string;
  port: number;
  /** The SMBIOS UUID of the agent's VM; null: what needs a proven identity can't be judged. */
  vm: string | null;
  /** What agents must show as `Authorization: Bearer`; null: whatever they show. */
  token: string | null;
  patience: number;
  /** Factor on the protocol's own times, for a subject whose timers were changed by as much. */
  tempo?: number;
}>;

const PATH = "/monitor";
/** An agent's longest pause between two dials is 5 s and a fifth; a dial itself may take 4 s. */
const REDIAL_WITHIN_MS = 15_000;
/** Answers to the upgrade other than "yes". */
const UNAVAILABLE = "503 Service Unavailable";

export class AgentSubject implements Stand, Clock {
  readonly place: AgentPlace;
  /** The rules that hold on every connection of ours. */
  readonly watch: Watch;
  /** Headers of each upgrade, oldest first. */
  readonly upgrades: IncomingMessage[] = [];
  /** Every connection on which a version was agreed, oldest first. */
  readonly talks: AgentTalk[] = [];
  /** Dials so far, those that were refused included. */
  dials = 0;
  /** What the agent offered last; null before it came. */
  range: Frame | null = null;
  readonly #http: Server = createServer();
  readonly #ws = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
  });
  readonly #waiting: ((wire: Wire) => void)[] = [];
  #refusal: Readonly<{ head: string; done: () => void }> | null = null;
  #wires: Wire[] = [];
  #steady: AgentTalk | null = null;

  constructor(place: AgentPlace) {
    this.place = place;
    this.watch = new Watch("agent", place.patience, place.tempo);
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
    this.#steady = null;
    await this.tidy();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  within(ms: number): number {
    return this.span(ms) * this.place.patience;
  }

  span(ms: number): number {
    return ms * (this.place.tempo ?? 1);
  }

  /** The agent's next connection, upgrade done and nothing said by us. Throws Broken when it does not dial. */
  async dialled(withinMs: number = REDIAL_WITHIN_MS): Promise<Wire> {
    const coming = new Promise<Wire>((resolve, reject) => {
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
    const steady = this.#steady;
    this.#steady = null; // an agent has one connection: it comes again when that is over
    const [wire] = await Promise.all([coming, steady?.wire.hangUp()]);
    return wire;
  }

  /** The agent's next connection, and its range frame. */
  async offered(): Promise<Readonly<{ wire: Wire; range: Frame }>> {
    const wire = await this.dialled();
    const range = await wire.next("the range frame", () => true, this.within(4_000));
    this.range = range;
    return { wire, range };
  }

  /** A new connection on which this was our handshake reply. */
  async greeted(reply: Readonly<Record<string, unknown>>): Promise<AgentTalk> {
    const { wire } = await this.offered();
    return this.#agree(wire, reply);
  }

  /** A new connection on which this version was agreed. */
  async fresh(version: 1 | 2): Promise<AgentTalk> {
    this.mustOffer(version); // as far as we know
    const { wire } = await this.offered();
    this.mustOffer(version);
    return this.#agree(wire, this.reply(version));
  }

  /** The connection of this version that is open from an earlier check, or a new one that stays open for later ones. */
  async steady(version: 1 | 2 = this.offers(2) ? 2 : 1): Promise<AgentTalk> {
    const open = this.#steady;
    if (open?.wire.isOpen === true && open.version === version) return open;
    const talk = await this.fresh(version);
    this.#steady = talk;
    return talk;
  }

  /** What a monitor of this agent's VM answers. */
  reply(version: 1 | 2): Readonly<Record<string, unknown>> {
    if (version === 1) return { version };
    return { version, ...this.#identity(), features: ["size-report"] };
  }

  /** True if the range, as far as it is known, has this version. */
  offers(version: number): boolean {
    const { min, max } = this.range?.json ?? {};
    return this.range === null || (Number(min) <= version && version <= Number(max));
  }

  /** Throws NotApplicable when the agent does not speak this version. */
  mustOffer(version: number): void {
    if (this.offers(version)) return;
    throw new NotApplicable(`the agent offers ${this.range?.text.trimEnd() ?? ""}`);
  }

  /** Resolves when a dial was answered with this, such as "401 Unauthorized", instead of an upgrade. */
  async refuses(status: string, headers: readonly string[] = []): Promise<void> {
    const refused = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Broken("the agent did not dial"));
      }, this.within(REDIAL_WITHIN_MS));
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#refusal = { head: [status, ...headers].join("\r\n"), done };
    });
    const steady = this.#steady;
    this.#steady = null;
    await Promise.all([refused, steady?.wire.hangUp()]);
  }

  takeLines(): readonly Line[] {
    const lines = this.#wires.flatMap((wire) => wire.lines.splice(0));
    return lines.sort((a, b) => a.atMs - b.atMs);
  }

  /** The steady connection stays, with its manners. */
  async tidy(): Promise<void> {
    this.#refusal = null;
    const steady = this.#steady?.wire.isOpen === true ? this.#steady : null;
    if (steady !== null) steady.manners = goodManners();
    const others = this.#wires.filter((wire) => wire !== steady?.wire);
    this.#wires = steady === null ? [] : [steady.wire];
    await Promise.all(others.map((wire) => wire.hangUp()));
  }

  #agree(wire: Wire, reply: Readonly<Record<string, unknown>>): AgentTalk {
    const talk = new AgentTalk(wire, Number(reply.version), this);
    this.talks.push(talk);
    wire.say(JSON.stringify(reply));
    return talk;
  }

  /** Without the VM's UUID, its memory as the agent last told it proves as much. */
  #identity(): Readonly<Record<string, unknown>> {
    if (this.place.vm !== null) return { vm: this.place.vm };
    const mem = this.talks.findLast(({ report }) => report !== null)?.report?.actual.mem;
    return mem === undefined ? {} : { mem };
  }

  /** An agent that comes while no check waits for it is sent away: it dials again. */
  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    this.dials += 1;
    const refusal = this.#refusal;
    this.#refusal = null;
    const isHere = request.url?.split("?", 1)[0] === PATH;
    const take = refusal === null && isHere ? this.#waiting.shift() : undefined;
    if (take === undefined) {
      const answer = refusal?.head ?? UNAVAILABLE;
      socket.end(`HTTP/1.1 ${answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      refusal?.done();
      return;
    }
    this.upgrades.push(request);
    this.#ws.handleUpgrade(request, socket, head, (peer) => {
      const wire = new Wire(peer, (line, from) => this.watch.hear(line, from));
      this.#wires.push(wire);
      take(wire);
    });
  }
}
