// Plays an agent on one connection after its handshake: even ids, wrapped frames, a newline at their end.
import { clip, demand } from "./check.ts";
import { type Frame, type Wire } from "./wire.ts";

/** Vcpus and bytes, as on the wire. */
export type WireSize = Readonly<{ cpu: number; mem: number }>;

/** A ScaleRequest of the monitor. */
export type Level = Readonly<{ frame: Frame; id: number; target: WireSize }>;

/** An agent request that is not answered by then has failed. */
const ANSWER_WITHIN_MS = 5_000;
/** A monitor that has not measured enough yet fails to answer: it gets this long. */
const SHRINK_ATTEMPTS = 10;
const SHRINK_RETRY_MS = 250;
const HEALTH_CHECK_EVERY_MS = 5_000;

export class AgentPlayer {
  readonly wire: Wire;
  readonly #patience: number;
  #lastId = 0;

  constructor(wire: Wire, patience: number) {
    this.wire = wire;
    this.#patience = patience;
  }

  nextId(): number {
    return (this.#lastId += 2);
  }

  /** Says this with the next id, which it returns. */
  tell(type: string, content: object = {}): number {
    const id = this.nextId();
    this.tellAs(id, type, content);
    return id;
  }

  /** Says this with an id of the caller's. */
  tellAs(id: number, type: string, content: object = {}): void {
    this.wire.say(`${JSON.stringify({ content, type, id })}\n`);
  }

  /** Throws Broken unless the reply comes in time and is of this type. */
  async ask(type: string, content: object, wanted: string): Promise<Frame> {
    return await this.reply(this.tell(type, content), wanted);
  }

  /** The reply to what was said with this id. Frames before it are passed over. */
  async reply(id: number, wanted: string): Promise<Frame> {
    const isReply = ({ json }: Frame) => json?.id === id;
    const within = ANSWER_WITHIN_MS * this.#patience;
    const frame = await this.wire.next(`the reply to id ${id}`, isReply, within);
    const isRight = frame.json?.type === wanted;
    demand(isRight, `the reply to id ${id} is no ${wanted}: ${clip(frame.text)}`);
    return frame;
  }

  /** The link is kept: a health check is still answered. All that was said before has been read by then. */
  async isHeard(): Promise<void> {
    await this.ask("HealthCheck", {}, "HealthCheck");
  }

  /** Asks to shrink. A monitor that only just started may say InternalError first: then once more. */
  async askToShrink(target: WireSize): Promise<Frame> {
    const isAnswer = (id: number) => (frame: Frame) => frame.json?.id === id;
    for (let attempt = 1; ; attempt++) {
      const id = this.tell("DownscaleRequest", { target });
      const within = ANSWER_WITHIN_MS * this.#patience;
      const frame = await this.wire.next(`the reply to id ${id}`, isAnswer(id), within);
      if (frame.json?.type === "DownscaleResult") return frame;
      const mayRetry = frame.json?.type === "InternalError" && attempt < SHRINK_ATTEMPTS;
      demand(mayRetry, `the reply to id ${id} is no DownscaleResult: ${clip(frame.text)}`);
      await this.wire.pause(SHRINK_RETRY_MS);
    }
  }

  /** The next ScaleRequest among what was not taken yet; what else comes is passed over. */
  async level(withinMs: number): Promise<Level> {
    const isLevel = ({ json }: Frame) => json?.type === "ScaleRequest";
    return readLevel(await this.wire.next("a ScaleRequest", isLevel, withinMs * this.#patience));
  }

  /** Health checks, as an agent sends them, until the connection is over. */
  keepAlive(): void {
    const timer = setInterval(() => {
      if (this.wire.isOpen) this.tell("HealthCheck");
      else clearInterval(timer);
    }, HEALTH_CHECK_EVERY_MS);
  }
}

/** Throws Broken when it names no size. */
export function readLevel(frame: Frame): Level {
  const { target, id } = frame.json ?? {};
  const { cpu, mem } = typeof target === "object" && target !== null ? (target as WireSize) : {};
  const isSize = typeof cpu === "number" && typeof mem === "number" && typeof id === "number";
  demand(isSize, `a ScaleRequest without a target or an id: ${clip(frame.text)}`);
  return { frame, id, target: { cpu, mem } };
}
