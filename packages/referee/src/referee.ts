import { hearForm } from "./form-rules.ts";
import { hearHandshake } from "./handshake-rules.ts";
import { IdRules } from "./id-rules.ts";
import { LevelRules } from "./level-rules.ts";
import { type RuleId } from "./rules.ts";
import { SizeRules } from "./size-rules.ts";
import { read, Talk, type Said, type Violation } from "./talk.ts";

/** How much later than due something may be seen, unless told otherwise. */
const SLACK_MS = 1_500;

/**
 * Watches one connection from outside and says which rules either side broke. It keeps its own book and trusts nobody's
 * state; it decides nothing. Give it every frame, in the order in which they were seen, from the range frame on.
 */
export class Referee {
  readonly #talk = new Talk();
  readonly #ids: IdRules;
  readonly #levels: LevelRules;
  readonly #sizes: SizeRules;

  constructor({ slackMs = SLACK_MS }: Readonly<{ slackMs?: number }> = {}) {
    this.#ids = new IdRules(slackMs);
    this.#levels = new LevelRules(slackMs);
    this.#sizes = new SizeRules(slackMs);
  }

  hear(said: Said): void {
    const talk = this.#talk;
    const heard = read(said);
    if (hearHandshake(heard, talk)) return;
    const { agreed } = talk;
    if (agreed === null) return;
    hearForm(heard, talk, agreed);
    this.#ids.hear(heard, talk, agreed);
    this.#levels.hear(heard, talk, agreed);
    this.#sizes.hear(heard, talk, agreed);
    if (said.from === "agent") talk.agentSpokeAtMs ??= said.atMs;
  }

  /** The connection ended, or the watching: what should have come by now is told. */
  end(atMs: number): void {
    const { agreed } = this.#talk;
    if (agreed === null) return;
    this.#ids.end(atMs, this.#talk);
    this.#levels.overdue(atMs, this.#talk, agreed);
    this.#sizes.overdue(atMs, this.#talk, agreed);
  }

  /** Broken rules so far, in order of time. */
  get violations(): readonly Violation[] {
    return this.#talk.violations;
  }

  /** How often each rule could be judged. One that never could says nothing about the peer. */
  get judged(): ReadonlyMap<RuleId, number> {
    return this.#talk.judged;
  }
}
