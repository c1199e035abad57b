// A connection on which a version was agreed, from the monitor's side: odd ids, good manners, and what the agent has said.
import { Broken } from "./check.ts";
import { readReport, type Amount, type SizeReport } from "./size-report.ts";
import { type Frame, type Wire } from "./wire.ts";

/** How a monitor reacts to what the agent asks of it. A check that answers by hand says "silent". */
export type Manners = {
  health: "answer" | "silent";
  growth: "confirm" | "silent";
  shrink: "agree" | "refuse" | "silent";
};

/** A frame of the agent after the handshake, as liberally as it can be read: what else is wrong with it is another check's. */
export type Heard = Frame &
  Readonly<{ type: string; id: unknown; content: Readonly<Record<string, unknown>> }>;

/** The protocol's times, as this machine and this subject need them. */
export type Clock = Readonly<{
  /** A deadline. */
  within: (ms: number) => number;
  /** A wait that the protocol fixes, or the least that something must take. */
  span: (ms: number) => number;
}>;

export class AgentTalk {
  readonly wire: Wire;
  readonly version: number;
  readonly heard: Heard[] = [];
  manners: Manners = goodManners();
  readonly #clock: Clock;
  #lastId = 1;

  constructor(wire: Wire, version: number, clock: Clock) {
    this.wire = wire;
    this.version = version;
    this.#clock = clock;
    wire.onFrame((frame) => this.#hear(frame));
  }

  /** Sends a flat message under the next odd id, which it returns. */
  say(type: string, fields: Readonly<Record<string, unknown>> = {}): number {
    const id = (this.#lastId += 2);
    this.answer(id, type, fields);
    return id;
  }

  /** Sends a flat message under this id. */
  answer(id: unknown, type: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.wire.say(JSON.stringify({ type, ...fields, id }));
  }

  /** Where we are in the conversation: what is heard later has an index from here on. */
  mark(): number {
    return this.heard.length;
  }

  /** The first frame from `mark` on that matches. */
  async hears(
    what: string,
    matches: (heard: Heard) => boolean,
    mark: number,
    withinMs: number,
  ): Promise<Heard> {
    const look = () => this.heard.slice(mark).find(matches) ?? null;
    return await this.wire.until(what, look, this.#clock.within(withinMs));
  }

  async hearsType(type: string, mark: number, withinMs: number): Promise<Heard> {
    return await this.hears(`a ${type}`, (heard) => heard.type === type, mark, withinMs);
  }

  /** Watches for `forMs` (and back to `mark`); throws Broken if such a frame comes. */
  async hearsNo(
    what: string,
    matches: (heard: Heard) => boolean,
    mark: number,
    forMs: number,
  ): Promise<void> {
    const look = () => this.heard.slice(mark).find(matches) ?? null;
    const found = await this.wire.until(what, look, this.#clock.span(forMs)).catch(() => null);
    if (found !== null) throw new Broken(`${what} came: ${found.text.trimEnd()}`);
    if (!this.wire.isOpen) throw new Broken("the connection was closed meanwhile");
  }

  /** Lets time pass. Throws Broken if the connection closes meanwhile. */
  async waits(forMs: number): Promise<void> {
    await this.hearsNo("nothing", () => false, this.mark(), forMs);
  }

  /** The answer that says that a frame of ours with this id was nonsense. */
  async complains(id: unknown, mark: number): Promise<Heard> {
    const what = `InvalidMessage with id ${String(id)}`;
    const matches = (heard: Heard) => heard.type === "InvalidMessage" && heard.id === id;
    return await this.hears(what, matches, mark, 2_000);
  }

  /** Asks for a size; the agent's answer to exactly this request. */
  async scale(target: Amount, fields: Readonly<Record<string, unknown>> = {}): Promise<Heard> {
    const mark = this.mark();
    const id = this.say("ScaleRequest", { target, ...fields });
    const matches = ({ type, id: theirs }: Heard) => type === "ScaleResponse" && theirs === id;
    return await this.hears(`a ScaleResponse with id ${id}`, matches, mark, 4_000);
  }

  /** The last SizeReport; null before the first. */
  get report(): SizeReport | null {
    return this.reports().at(-1) ?? null;
  }

  /** Every SizeReport that can be read, from `mark` on. */
  reports(mark = 0): SizeReport[] {
    return this.heard.slice(mark).flatMap((heard) => readReport(heard) ?? []);
  }

  /** The last SizeReport if it holds, else the first one to come that does. */
  async reported(
    what: string,
    holds: (report: SizeReport) => boolean,
    withinMs: number,
  ): Promise<SizeReport> {
    const look = () => {
      const { report } = this;
      return report !== null && holds(report) ? report : null;
    };
    return await this.wire.until(what, look, this.#clock.within(withinMs));
  }

  /** Throws Broken unless the agent still reads this connection. */
  async isKept(): Promise<void> {
    const { socket } = this.wire;
    const outcome = await new Promise<"pong" | "close" | "silence">((resolve) => {
      const timer = setTimeout(resolve, this.#clock.within(2_000), "silence");
      const finish = (how: "pong" | "close") => {
        clearTimeout(timer);
        resolve(how);
      };
      socket.once("pong", () => finish("pong")).once("close", () => finish("close"));
      if (this.wire.isOpen) socket.ping();
      else finish("close");
    });
    if (outcome === "close") throw new Broken("the agent closed the connection");
    if (outcome === "silence") throw new Broken("the agent answers no ping any more");
  }

  #hear(frame: Frame): void {
    const { type, id, content } = frame.json ?? {};
    const heard: Heard = { ...frame, type: String(type), id, content: asObject(content) };
    this.heard.push(heard);
    const { health, growth, shrink } = this.manners;
    if (type === "HealthCheck" && health === "answer") this.answer(id, "HealthCheck");
    if (type === "UpscaleNotification" && growth === "confirm")
      this.answer(id, "UpscaleConfirmation");
    if (type === "DownscaleRequest" && shrink !== "silent") {
      this.answer(id, "DownscaleResult", { Ok: shrink === "agree", Status: "as the kit likes" });
    }
  }
}

export function goodManners(): Manners {
  return { health: "answer", growth: "confirm", shrink: "agree" };
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
