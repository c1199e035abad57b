// One connection's part of the story.
import { type App, type LinkEvent as Happened } from "@selfscale/recording";
import { messageOf, type Heard } from "./understand.ts";
import { quote, sayMs } from "./units.ts";
import { sayFromAgent, sayFromMonitor, sayRange, sayReply } from "./words.ts";

/** Who speaks to whom; "both": an exchange. */
export type Between = "agent-to-monitor" | "monitor-to-agent" | "both";

export type Line = {
  readonly atMs: number;
  readonly vm: string | null;
  /** null: about no connection in particular. */
  readonly link: number | null;
  /** null: something that happened, and was not said. */
  readonly between: Between | null;
  text: string;
  /** The frame itself, of one. */
  readonly raw: string | null;
};

type LinkEvent = Readonly<{ atMs: number }> & Happened;
type Report = Parameters<typeof sayFromAgent>[1];
/** Health checks that are told in one line. */
type Fold = { readonly line: Line; count: number; lastAtMs: number; slowestMs: number };

/** Health checks come every 5 s: after two of them missing it is worth a line. */
const SILENCE_MS = 10_000;

export class LinkTeller {
  readonly #app: App;
  readonly #lines: Line[];
  readonly #isRaw: boolean;
  #lastAtMs: number | null = null;
  #isOpen = false;
  #report: Report = null;
  #fold: Fold | null = null;

  /** Lines are added to `lines`, which the links of a story share. */
  constructor(app: App, lines: Line[], isRaw: boolean) {
    this.#app = app;
    this.#lines = lines;
    this.#isRaw = isRaw;
  }

  tell(event: LinkEvent, heard: Heard | null): void {
    this.#tellSilence(event);
    if (event.kind === "opened") this.#tellOpened(event);
    else if (event.kind === "closed") this.#tellClosed(event);
    else if (heard !== null && !this.#folds(heard)) this.#tellFrame(heard);
  }

  #tellSilence(event: LinkEvent): void {
    const pauseMs = event.atMs - (this.#lastAtMs ?? event.atMs);
    if (pauseMs >= SILENCE_MS) this.#say(event, null, `(${sayMs(pauseMs)} of silence)`);
    this.#lastAtMs = event.atMs;
  }

  #tellOpened(event: Extract<LinkEvent, { kind: "opened" }>): void {
    this.#isOpen = true;
    const { link, peer } = event;
    const text =
      this.#app === "agent"
        ? `link ${link}: the agent connects to ${peer}`
        : `link ${link}: an agent connects from ${peer}`;
    this.#say(event, null, text);
  }

  #tellClosed(event: Extract<LinkEvent, { kind: "closed" }>): void {
    const { link, by, code, problem } = event;
    const other = this.#app === "agent" ? "monitor" : "agent";
    const who = by === "us" ? this.#app : other;
    const words = problem === "" ? "" : `: ${quote(problem)}`;
    if (code !== null) this.#say(event, null, `link ${link}: the ${who} closes, ${code}${words}`);
    else if (this.#isOpen) this.#say(event, null, `link ${link}: the connection breaks${words}`);
    else if (this.#app === "agent") this.#say(event, null, `link ${link}: no connection${words}`);
    else this.#say(event, null, `link ${link}: turned away${words}`);
    this.#isOpen = false;
  }

  /** True when this is a health check, or its answer, that needs no line of its own. */
  #folds(heard: Heard): boolean {
    if (this.#isRaw || messageOf(heard.meaning)?.type !== "HealthCheck") return false;
    if (heard.from === "monitor") return heard.answerTo !== null;
    if (heard.answer?.answerTo === null || heard.answer === null) return false;
    if (messageOf(heard.answer.meaning)?.type !== "HealthCheck") return false;
    const afterMs = heard.answer.answerTo.afterMs;
    this.#fold ??= {
      line: this.#add(heard.event, "both", "", null),
      count: 0,
      lastAtMs: 0,
      slowestMs: 0,
    };
    const fold = this.#fold;
    fold.count += 1;
    fold.lastAtMs = heard.event.atMs;
    fold.slowestMs = Math.max(fold.slowestMs, afterMs);
    fold.line.text =
      fold.count === 1
        ? `health check, answered after ${sayMs(afterMs)}`
        : `${fold.count} health checks in ${sayMs(fold.lastAtMs - fold.line.atMs)}, ` +
          `answered within ${sayMs(fold.slowestMs)}`;
    return true;
  }

  #tellFrame(heard: Heard): void {
    const { event, from, answerTo } = heard;
    const between = from === "agent" ? "agent-to-monitor" : "monitor-to-agent";
    const after = answerTo === null ? "" : ` (after ${sayMs(answerTo.afterMs)})`;
    const alone = this.#isUnanswered(heard) ? " (no answer)" : "";
    const binary = event.isBinary ? " (a binary frame)" : "";
    const cut = event.clippedFromBytes === null ? "" : ` (${event.clippedFromBytes} bytes)`;
    const text = `${this.#words(heard)}${after}${alone}${binary}${cut}`;
    this.#say(event, between, text, this.#isRaw ? event.text : null);
  }

  #words({ meaning, event }: Heard): string {
    switch (meaning.kind) {
      case "range":
        return sayRange(meaning.range);
      case "reply":
        return sayReply(meaning.reply, meaning.offered);
      case "from-agent": {
        const { message } = meaning;
        const words = `#${message.id} ${sayFromAgent(message, this.#report)}`;
        if (message.type === "SizeReport") this.#report = message.content;
        return words;
      }
      case "from-monitor":
        return `#${meaning.message.id} ${sayFromMonitor(meaning.message)}`;
      case "unreadable":
        return `?? ${meaning.problem}: ${quote(event.text, 80)}`;
      default:
        return meaning satisfies never;
    }
  }

  #isUnanswered({ meaning, answer, answerTo }: Heard): boolean {
    const type = messageOf(meaning)?.type;
    if (answer !== null || answerTo !== null || type === undefined) return false;
    return (
      ["UpscaleNotification", "DownscaleRequest"].includes(type) ||
      (type === "HealthCheck" && meaning.kind === "from-agent")
    );
  }

  #say(event: LinkEvent, between: Between | null, text: string, raw: string | null = null): void {
    this.#fold = null;
    this.#add(event, between, text, raw);
  }

  #add(event: LinkEvent, between: Between | null, text: string, raw: string | null): Line {
    const { atMs, vm, link } = event;
    const line: Line = { atMs, vm, link, between, text, raw };
    this.#lines.push(line);
    return line;
  }
}
