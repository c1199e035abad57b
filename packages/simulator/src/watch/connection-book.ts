// What a watcher at the agent's end of one connection writes down: who speaks, what is wished, asked, agreed to. It reads
// frames only.
import {
  decodeFromAgent,
  decodeFromMonitor,
  decodeHandshakeReply,
  type FromMonitor,
  type Size,
} from "@selfscale/protocol";

const REQUEST_MS = 5_000;
const CONSENT_MS = 2_000;
/** A downward wish may wait this long behind the one before it. */
const WISH_EVERY_MS = 1_000;
/** Wishes and consents older than the newest ones are of no use. */
const MOST_KEPT = 40;

/** A DownscaleRequest that was sent. */
export type Question = Readonly<{ id: number; target: Size; at: number }>;
/** An agreement: for one attempt per resource. */
export type Consent = Question & { readonly agreedAt: number; mem: boolean; cpu: boolean };
/** null: no size that anybody could have. `mayBeLost`: replaced by one that is refused. */
export type Wish = {
  readonly at: number;
  readonly milliCpu: number | null;
  readonly memBytes: number | null;
  mayBeLost: boolean;
};

export class ConnectionBook {
  readonly link: number;
  isUp = false;
  upAt = 0;
  version = 0;
  vm: string | null = null;
  /** The memory that the monitor said it has, in its handshake. Bytes. */
  view: number | null = null;
  hasAskedUp = false;
  scrapedAt = -Infinity;
  heardAt = -Infinity;
  wishes: Wish[] = [];
  consents: Consent[] = [];
  /** Of each resource the last word counts: what was named before stays when a part is no size. */
  named: { milliCpu: number | null; memBytes: number | null } = { milliCpu: null, memBytes: null };
  /** The size that was wished last, and since when without a change. */
  steadyWish: { size: Size; since: number } | null = null;
  /** The last wish was an emergency, or partly reserved. */
  isUrgent = false;
  /** The answers to the last question about each resource. */
  readonly isRefused = { mem: false, cpu: false };
  #wishText: string | null = null;
  readonly #questions = new Map<number, Question>();
  readonly #offered: { min: number; max: number };
  /** By resource: a new one makes the answer to the one before it worthless. */
  readonly #lastQuestion = { mem: 0, cpu: 0 };
  #isShaken = false;

  constructor(link: number, agentMax: number) {
    this.link = link;
    this.#offered = { min: 1, max: agentMax };
  }

  /** Unanswered questions, and not yet failed. */
  openQuestions(now: number): number {
    let open = 0;
    for (const { at } of this.#questions.values()) if (now < at + REQUEST_MS) open += 1;
    return open;
  }

  /** A frame that the agent is about to hear. */
  hear(text: string, now: number): void {
    if (!this.#isShaken) {
      this.#isShaken = true;
      const reply = decodeHandshakeReply(text, this.#offered);
      if (!reply.ok || "error" in reply.message) return;
      this.isUp = true;
      this.upAt = now;
      this.heardAt = now;
      this.version = reply.message.version;
      this.vm = reply.message.vm?.toLowerCase() ?? null;
      this.view = reply.message.mem ?? null;
      return;
    }
    if (!this.isUp) return;
    this.heardAt = now;
    const decoded = decodeFromMonitor(text);
    if (!decoded.ok) return;
    this.#understand(decoded.message, now);
    if (decoded.message.type === "ScaleRequest") this.#wishText = text;
  }

  /** The last wish once more, word for word. */
  repeatWish(tell: (link: number, text: string) => void): void {
    if (this.isUp && this.#wishText !== null) tell(this.link, this.#wishText);
  }

  /** A frame that the agent sends. `known`: what it read last of QEMU. */
  said(text: string, known: Size, now: number): void {
    if (!text.includes('"DownscaleRequest"')) return;
    const decoded = decodeFromAgent(text);
    if (!decoded.ok || decoded.message.type !== "DownscaleRequest") return;
    const { id, content } = decoded.message;
    const { cpu, mem } = content.target;
    const target = { milliCpu: Math.round(cpu * 1000), memBytes: mem };
    if (target.memBytes < known.memBytes) this.#lastQuestion.mem = id;
    else this.#lastQuestion.cpu = id;
    this.#questions.set(id, { id, target, at: now });
  }

  /** Wishes that may be in force now: the last one, and those it may still wait behind. */
  wishesInForce(now: number): readonly Wish[] {
    const settled = this.wishes.findLastIndex(
      (wish) => wish.at <= now - WISH_EVERY_MS && !wish.mayBeLost,
    );
    return this.wishes.slice(Math.max(0, settled));
  }

  /** An agreement that still counts for this resource: fresh, unused, and to the last question. */
  freshConsent(resource: "mem" | "cpu", now: number, toAmount: number): Consent | null {
    const found = this.consents.findLast((one) => {
      if (one[resource] || now > one.agreedAt + CONSENT_MS) return false;
      const agreed = resource === "mem" ? one.target.memBytes : one.target.milliCpu;
      return agreed <= toAmount;
    });
    return found?.id === this.#lastQuestion[resource] ? found : null;
  }

  #understand(message: FromMonitor, now: number): void {
    switch (message.type) {
      case "UpscaleRequest":
        this.hasAskedUp = true;
        return;
      case "ScaleRequest":
        this.isUrgent = message.reason === "memory-emergency" || (message.floor?.mem ?? 0) > 0;
        this.#wish({ at: now, ...sizeOf(message.target), mayBeLost: false });
        return;
      case "DownscaleResult":
        this.#answered(message.id, message.Ok, now);
        return;
      case "InvalidMessage":
      case "InternalError":
        this.#questions.delete(message.id);
        return;
      case "HealthCheck":
      case "UpscaleConfirmation":
        return;
      default:
        message satisfies never;
    }
  }

  #answered(id: number, isAgreed: boolean, now: number): void {
    const question = this.#questions.get(id);
    if (question === undefined) return;
    this.#questions.delete(id);
    if (id === this.#lastQuestion.mem) this.isRefused.mem = !isAgreed;
    if (id === this.#lastQuestion.cpu) this.isRefused.cpu = !isAgreed;
    if (!isAgreed || now >= question.at + REQUEST_MS) return;
    this.consents.push({ ...question, agreedAt: now, mem: false, cpu: false });
    if (this.consents.length > MOST_KEPT) this.consents.shift();
  }

  #wish(wish: Wish): void {
    const isHalf = wish.milliCpu === null || wish.memBytes === null;
    for (const before of this.wishes) {
      if (isHalf && before.at > wish.at - WISH_EVERY_MS) before.mayBeLost = true;
    }
    const { milliCpu, memBytes } = wish;
    if (milliCpu === null && memBytes === null) return;
    if (milliCpu !== null && memBytes !== null) {
      const { size } = this.steadyWish ?? {};
      const isSame = size?.milliCpu === milliCpu && size.memBytes === memBytes;
      if (!isSame) this.steadyWish = { size: { milliCpu, memBytes }, since: wish.at };
    }
    this.named = {
      milliCpu: wish.milliCpu ?? this.named.milliCpu,
      memBytes: wish.memBytes ?? this.named.memBytes,
    };
    this.wishes.push(wish);
    if (this.wishes.length > 4 * MOST_KEPT) this.wishes.shift();
  }
}

function sizeOf({ cpu, mem }: Readonly<{ cpu: number; mem: number }>) {
  const milliCpu = Math.floor(cpu * 1000 + 0.5);
  return {
    milliCpu: milliCpu > 0 && cpu <= 1024 ? milliCpu : null,
    memBytes: Number.isSafeInteger(mem) && mem > 0 ? mem : null,
  };
}
