// What a watcher beside one VM's machine writes down of a connection, and what it then allows the machine to do. It reads
// frames, actions and what QEMU shows; it never looks into the machine.
import {
  decodeFromAgent,
  decodeFromMonitor,
  decodeHandshakeReply,
  decodeRange,
  isSpoken,
  type FromAgent,
  type FromMonitor,
  type Size,
} from "@selfscale/protocol";
import { type VmAction } from "../types.ts";

/** A request of the agent's that waits for its answer. `target`: of a DownscaleRequest. */
type Asked = Readonly<{ type: FromAgent["type"]; target: Size | null; at: number }>;
/** An agreement: for one attempt per resource. */
export type Consent = { readonly target: Size; readonly at: number; mem: boolean; cpu: boolean };
/** null: no size that anybody could have. */
export type Wish = {
  readonly at: number;
  readonly milliCpu: number | null;
  readonly memBytes: number | null;
  /** Had to wait, and was replaced by one that is refused: only the last one is kept. */
  mayBeLost: boolean;
};

const REQUEST_MS = 5_000;
const CONSENT_MS = 2_000;
const MINUTE_MS = 60_000;
const MAX_NONSENSE = 20;
/** A downward wish may wait this long behind the one before it. */
const WISH_EVERY_MS = 1_000;

export class BookProblem extends Error {
  override readonly name = "BookProblem";
}

export function hold(truth: boolean, what: string): asserts truth {
  if (!truth) throw new BookProblem(what);
}

/** What the machine does to a link. */
type LinkAction = Extract<VmAction, { link: number }>;

/** One connection, from the agent's dial to its end. */
export class ConnectionBook {
  readonly link: number;
  phase: "greeting" | "up" | "over" = "greeting";
  /** Why it was closed by the agent; null when it was not. */
  closeReason: string | null = null;
  version = 0;
  vm: string | null = null;
  hasAskedUp = false;
  readonly wishes: Wish[] = [];
  readonly consents: Consent[] = [];
  readonly asked = new Map<number, Asked>();
  /** InvalidMessages that the agent sent, by the id that they answer. */
  readonly complaints: number[] = [];
  #lastId = 0;
  #ranges = 0;
  /** ScaleRequests without an answer, by id. */
  readonly #wished = new Map<number, number>();
  readonly #nonsenseAt: number[] = [];

  constructor(link: number) {
    this.link = link;
  }

  /** A frame for the agent, before it gets it. What must come of it: null for nothing. */
  hear(text: string, now: number): "close" | Readonly<{ invalid: number }> | null {
    if (this.phase === "over") return null;
    if (this.phase === "greeting") return this.#shake(text);
    const decoded = decodeFromMonitor(text);
    const invalid = decoded.ok ? this.#understand(decoded.message, now) : (decoded.id ?? 0);
    if (invalid === null) return null;
    this.#nonsenseAt.push(now);
    const recent = this.#nonsenseAt.filter((at) => at > now - MINUTE_MS);
    return recent.length > MAX_NONSENSE ? "close" : { invalid };
  }

  /** An action of the agent's on this connection. */
  act(action: LinkAction, now: number): void {
    hold(action.link === this.link, `link ${action.link} is not the open one, ${this.link}`);
    hold(this.phase !== "over", "nothing is done on a link that is over");
    if (action.kind === "close-link") {
      hold(action.reason !== "", "a close has a reason");
      this.phase = "over";
      this.closeReason = action.reason;
    } else this.#said(action.text, now);
  }

  /** Wishes that may be in force now: the last one, and those it may still wait behind. */
  wishesInForce(now: number): readonly Wish[] {
    const settled = this.wishes.findLastIndex(
      (wish) => wish.at <= now - WISH_EVERY_MS && !wish.mayBeLost,
    );
    return this.wishes.slice(Math.max(0, settled));
  }

  /** An agreement that still counts, for this resource. */
  freshConsent(
    resource: "mem" | "cpu",
    now: number,
    fits: (target: Size) => boolean,
  ): Consent | null {
    const found = this.consents.findLast(
      (one) => !one[resource] && now <= one.at + CONSENT_MS && fits(one.target),
    );
    return found ?? null;
  }

  #shake(text: string): "close" | null {
    const decoded = decodeHandshakeReply(text, { min: 1, max: 2 });
    if (!decoded.ok || "error" in decoded.message) return "close";
    this.phase = "up";
    this.version = decoded.message.version;
    this.vm = decoded.message.vm?.toLowerCase() ?? null;
    return null;
  }

  /** The id to complain to; null: a legal message. */
  #understand(message: FromMonitor, now: number): number | null {
    const asked = this.#pending(message.id, now);
    switch (message.type) {
      case "UpscaleRequest":
        this.hasAskedUp = true;
        return null;
      case "ScaleRequest":
        this.#wished.set(message.id, (this.#wished.get(message.id) ?? 0) + 1);
        this.#wish({ at: now, ...sizeOf(message.target), mayBeLost: false });
        return null;
      case "InvalidMessage":
      case "InternalError":
        this.asked.delete(message.id);
        return null; // never answered
      case "HealthCheck":
        return this.#answered(message.id, asked?.type === "HealthCheck");
      case "UpscaleConfirmation":
        return this.#answered(message.id, asked?.type === "UpscaleNotification");
      case "DownscaleResult": {
        const target = asked?.target ?? null;
        if (message.Ok && target !== null) {
          this.consents.push({ target, at: now, mem: false, cpu: false });
        }
        return this.#answered(message.id, asked?.type === "DownscaleRequest");
      }
      default:
        return message satisfies never;
    }
  }

  /** One that is refused in both resources is no level. */
  #wish(wish: Wish): void {
    const isHalf = wish.milliCpu === null || wish.memBytes === null;
    for (const before of this.wishes) {
      if (isHalf && before.at > wish.at - WISH_EVERY_MS) before.mayBeLost = true;
    }
    if (wish.milliCpu !== null || wish.memBytes !== null) this.wishes.push(wish);
  }

  #pending(id: number, now: number): Asked | null {
    const asked = this.asked.get(id);
    return asked === undefined || now >= asked.at + REQUEST_MS ? null : asked;
  }

  #answered(id: number, isRight: boolean): number | null {
    if (isRight) this.asked.delete(id);
    return isRight ? null : id;
  }

  #said(text: string, now: number): void {
    if (this.#ranges === 0) {
      hold(decodeRange(text).ok, "an agent speaks first, with a range");
      this.#ranges += 1;
      return;
    }
    hold(this.phase === "up", "nothing follows the range before its reply");
    const decoded = decodeFromAgent(text);
    hold(decoded.ok, `the agent's own frame decodes: ${text.slice(0, 200)}`);
    const { message } = decoded;
    hold(isSpoken(message.type, this.version), `${message.type} is not of version ${this.version}`);
    switch (message.type) {
      case "ScaleResponse": {
        const open = this.#wished.get(message.id) ?? 0;
        hold(open > 0, `a ScaleResponse to ${message.id} answers a ScaleRequest, once`);
        this.#wished.set(message.id, open - 1);
        return;
      }
      case "InvalidMessage":
        this.complaints.push(message.id);
        return;
      case "InternalError":
        throw new BookProblem("the agent never fails");
      default:
        hold(message.id % 2 === 0 && message.id > this.#lastId, `id ${message.id} is even and new`);
        this.#lastId = message.id;
        if (message.type === "SizeReport") return; // has no answer
        this.asked.set(message.id, { type: message.type, target: targetOf(message), at: now });
    }
  }
}

function targetOf(message: FromAgent): Size | null {
  if (message.type !== "DownscaleRequest") return null;
  const { cpu, mem } = message.content.target;
  return { milliCpu: Math.round(cpu * 1000), memBytes: mem };
}

function sizeOf({ cpu, mem }: Readonly<{ cpu: number; mem: number }>) {
  const milliCpu = Math.floor(cpu * 1000 + 0.5);
  return {
    milliCpu: milliCpu > 0 && cpu <= 1024 ? milliCpu : null,
    memBytes: Number.isSafeInteger(mem) && mem > 0 ? mem : null,
  };
}
